from __future__ import annotations

import msgspec
import sqlalchemy as sa

from streamgauge.records import Measurement
from streamgauge.sinks.ledger_table import exchanges


def test_the_table_has_one_column_for_each_field_of_a_measurement() -> None:
    assert exchanges.columns.keys() == [field.name for field in msgspec.structs.fields(Measurement)]


def test_columns_have_the_kind_of_their_field_and_are_null_where_it_may_be_absent() -> None:
    kinds = {"exchange_id": sa.String, "streaming": sa.Boolean, "max_tokens": sa.BigInteger, "ttft": sa.Float, "usage_conflict": sa.JSON}
    assert {name: type(exchanges.c[name].type) for name in kinds} == kinds
    assert [name for name in exchanges.columns.keys() if not exchanges.c[name].nullable] == [  # noqa: SIM118 - columns are no mapping
        "exchange_id",
        "started_at",
        "proxy_id",
        "tenant_trust",
        "workload_class",
        "outcome",
        "usage_source",
    ]


def test_a_measurement_is_found_by_either_id_and_by_time() -> None:
    assert [column.name for column in exchanges.primary_key] == ["exchange_id"]
    assert {column.name for index in exchanges.indexes for column in index.columns} == {"started_at", "upstream_request_id"}
