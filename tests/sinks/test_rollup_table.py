from __future__ import annotations

import msgspec

from streamgauge.records import Measurement
from streamgauge.sinks.rollup import COLUMNS
from streamgauge.sinks.rollup_table import KEYS, TOKENS, rollup_daily, rollup_hourly


def test_both_rollups_have_the_columns_of_a_line_in_its_order() -> None:
    for table in (rollup_hourly, rollup_daily):
        assert tuple(column.name for column in table.columns) == COLUMNS
        assert [column.name for column in table.primary_key] == ["period", "key"]


def test_all_that_is_not_the_key_may_be_absent_so_that_versions_can_differ() -> None:
    assert all(column.nullable or column.primary_key for column in rollup_hourly.columns)


def test_what_rows_are_summed_by_and_what_is_summed_are_fields_of_a_measurement() -> None:
    fields = {field.name for field in msgspec.structs.fields(Measurement)}
    assert set(KEYS) - fields == {"attempt"}
    assert set(TOKENS) <= fields
