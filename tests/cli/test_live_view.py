"""What a watcher sees: lines that stand under one another in any width, counts, rates and words for everything."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from streamgauge.cli.live_view import KEPT, LEGEND, Layout, LiveView, short_model
from streamgauge.records import Measurement

NOW = datetime(2026, 11, 25, 10, 0, 10, tzinfo=UTC).timestamp()


def ended(number: int, *, second: float = 0.0, **fields: Any) -> dict[str, Any]:
    """One exchange as the admin interface gives it, begun so many seconds after ten o'clock."""
    known: dict[str, Any] = {
        "model": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "operation": "InvokeModelWithResponseStream",
        "ttft": 0.515,
        "tpot": 0.0142,
        "e2e": 2.2,
        "input_tokens": 1009,
        "output_tokens": 120,
        "proxy_overhead": 0.0006,
    }
    started_at = datetime.fromtimestamp(NOW - 10 + second, UTC).isoformat().replace("+00:00", "Z")
    known |= {"exchange_id": f"x{number}", "started_at": started_at, "proxy_id": "p", "outcome": "completed"}
    return msgspec.structs.asdict(Measurement(**known | fields))


def summary(**fields: Any) -> dict[str, Any]:
    return {"seen": 0, "rows": 0, "open": 0, "unmeasured": {}, "outcomes": {}} | fields


@pytest.mark.parametrize(
    ("model", "short"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("amazon.nova-lite-v1:0", "nova-lite"),
        ("openai.gpt-oss-120b-1:0", "gpt-oss-120b-1:0"),
        ("smollm2-135m", "smollm2-135m"),
        ("gpt-4.1", "gpt-4.1"),
        ("", ""),
    ],
)
def test_a_model_is_known_by_its_name_without_region_maker_and_version(model: str, short: str) -> None:
    assert short_model(model) == short


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_headings_and_figures_stand_under_one_another_and_fit_the_screen(width: int) -> None:
    layout = Layout(width)
    heading, row = layout.heading()[0], layout.row(ended(1))
    assert max(len(line) for line in [*layout.heading(), row]) <= width
    for name, figure in (("TTFT", "0.515"), ("E2E", "2.20"), ("in", "1,009"), ("out", "120")):
        end = heading.rindex(name) + len(name) + (3 if f"{name}, s" in heading else 0)
        assert row.rindex(figure) + len(figure) == end
    assert row.index("completed") == heading.index("outcome")


def test_every_figure_has_its_unit_and_every_abbreviation_its_words() -> None:
    assert Layout(80).heading()[1].split() == ["s", "ms", "s"]
    assert all(name in Layout(120).heading()[0] for name in ("TTFT, s", "TPOT, ms", "E2E, s"))
    assert all(f"{name}: " in " ".join(LEGEND) for name in ("TTFT", "TPOT", "E2E", "in, out"))
    assert max(len(line) for line in LEGEND) <= 80


def test_what_a_call_does_not_have_is_a_dash_and_its_moment_is_its_end() -> None:
    refused = ended(1, outcome="throttled", ttft=None, tpot=None, e2e=0.001, input_tokens=None, output_tokens=None)
    assert Layout(120).row(refused).split() == [
        "10:00:00", "claude-sonnet-4-5", "InvokeModelWithResponseStream", "throttled", "-", "-", "0.00", "-", "-",
    ]  # fmt: skip
    assert Layout(120).row(ended(2, second=1.0, e2e=3.5)).startswith("10:00:04")


def test_an_exchange_is_new_once_and_new_ones_come_in_the_order_of_their_ends() -> None:
    view = LiveView()
    slow, quick = ended(1, e2e=5.0), ended(2, second=1.0, e2e=0.5)
    assert [one["exchange_id"] for one in view.take(summary(), [slow, quick])] == ["x2", "x1"]
    assert [one["exchange_id"] for one in view.take(summary(), [ended(3), slow, quick])] == ["x3"]


def test_the_memory_of_a_view_is_bounded() -> None:
    view = LiveView()
    for begin in range(0, 10 * KEPT, 100):
        view.take(summary(), [ended(begin + n) for n in range(100)])
    assert len(view.ended) == KEPT
    assert len(view._seen) == 4 * KEPT


def test_the_heading_says_counts_rates_and_latencies_in_lines_of_80_columns() -> None:
    view = LiveView()
    outcomes = {"completed": 1234, "throttled": 60, "stream_error": 1}
    view.take(summary(outcomes=outcomes, open=14), [ended(n, second=6.0, ttft=n / 100) for n in range(1, 21)])
    heading = view.heading(NOW)
    assert heading == [
        "1,295 calls measured (1,234 completed, 60 throttled, 1 stream_error), 14 open now",
        "last 5 s: 4.0 calls/s, 480 output tokens/s",
        "first token: half in 0.110 s, 19 of 20 in 0.200 s; the proxy adds 0.60 ms",
    ]
    assert view.heading(NOW + 60)[1] == "last 5 s: 0.0 calls/s, 0 output tokens/s"


def test_a_view_without_anything_says_so() -> None:
    assert LiveView().heading(NOW) == [
        "0 calls measured, 0 open now",
        "last 5 s: 0.0 calls/s, 0 output tokens/s",
        "no first token yet",
    ]


@pytest.mark.parametrize(
    ("answer", "settled"),
    [
        ({"seen": 5, "rows": 5}, True),
        ({"seen": 5, "rows": 3, "unmeasured": {"spool_full": 2}}, True),
        ({"seen": 5, "rows": 4}, False),
        ({"seen": 5, "rows": 5, "open": 1}, False),
    ],
)
def test_it_is_settled_when_each_exchange_seen_has_its_row_or_its_count(answer: dict[str, Any], settled: bool) -> None:
    view = LiveView()
    assert not view.settled
    view.take(summary(**answer), [])
    assert view.settled is settled
