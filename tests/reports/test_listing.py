from __future__ import annotations

from streamgauge.reports.listing import COLUMNS, table
from streamgauge.reports.table import lines
from tests.reports.ledgers import measured


def test_a_row_shows_who_what_how_it_ended_and_how_long_it_took() -> None:
    m = measured(model="amazon.nova-pro-v1:0")
    plain = [line.text for line in lines(table([m]))][-1]
    assert plain.split() == [
        *("2026-11-24", "05:00:00", "019ac1f2-7b3c-7d2e-9f10-a1b2c3d4e5f6", "search/chat-ui", "amazon.nova-pro-v1:0"),
        *("ConverseStream", "completed", "1.101", "28.0", "4.00", "900", "101"),
    ]


def test_an_endpoint_stands_in_for_a_model_and_absent_is_a_dash() -> None:
    plain = [line.text for line in lines(table([measured(model=None, endpoint_name="llama", tenant=None, app=None, ttft=None)]))][-1]
    assert "llama" in plain
    assert plain.split()[3] == "-"


def test_everything_fits_80_columns() -> None:
    m = measured(model="us.anthropic.claude-sonnet-4-5-20250929-v1:0", tenant="a-rather-long-tenant", input_tokens=123_456)
    assert max(len(line.text) for line in lines(table([m]), 80)) <= 80


def test_what_a_row_needs_exists_in_the_measurement() -> None:
    assert [name for name in COLUMNS if not hasattr(measured(), name)] == []
