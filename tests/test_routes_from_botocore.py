"""The shipped route table is what the installed botocore says."""

from __future__ import annotations

import msgspec
import pytest

from streamgauge.routes_from_botocore import DIALECTS, derive, main
from streamgauge.routing import RouteTable, shipped_table

FIX = "python -m streamgauge.routes_from_botocore > proxy/streamgauge/data/routes.json"


def test_the_shipped_table_is_up_to_date_with_the_installed_botocore() -> None:
    derived = derive()
    assert msgspec.structs.replace(shipped_table(), botocore=derived.botocore) == derived, f"derive it again: {FIX}"


def test_every_dialect_belongs_to_an_operation_that_exists() -> None:
    assert set(DIALECTS) == {route.name for route in shipped_table().routes if route.dialect != "opaque"}


def test_a_dialect_of_streams_is_given_to_streaming_operations_only() -> None:
    for route in shipped_table().routes:
        if route.dialect != "opaque":
            assert route.streaming == route.dialect.endswith("_stream"), route.name


def test_the_generator_writes_a_table_that_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    assert msgspec.json.decode(capsys.readouterr().out, type=RouteTable) == derive()
