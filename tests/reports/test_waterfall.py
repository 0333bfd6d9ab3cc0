from __future__ import annotations

from typing import Any

import pytest

from streamgauge.records import Measurement
from streamgauge.reports.attribution import PHASES
from streamgauge.reports.bars import ASCII
from streamgauge.reports.waterfall import TITLES, record, waterfall
from tests.reports.ledgers import day, measured


def drawn(m: Measurement, attempts: list[Measurement] | None = None, **settings: Any) -> str:
    return "\n".join(line.text for line in waterfall(m, attempts or [m], **settings))


def test_every_phase_has_a_short_name() -> None:
    assert set(TITLES) == set(PHASES)
    assert max(len(title) for title in TITLES.values()) <= 24


def test_each_phase_is_a_bar_with_its_value_and_share() -> None:
    text = drawn(measured(), chars=ASCII)
    assert "upload (reader)             100 ms    2.5 % |#" in text
    assert "provider to first token     600 ms     15 % |    #####" in text
    assert "generation                  2.80 s     70 % |" in text
    assert "71 % of 4.00 s was the provider generating 101 tokens" in text


def test_bars_follow_one_another_on_one_axis() -> None:
    rows = [line.text for line in waterfall(measured(), []) if "%" in line.text and "│" in line.text]
    bars = [row.split("│")[1] for row in rows]
    begins = [len(bar) - len(bar.lstrip()) for bar in bars]
    assert begins == sorted(begins)
    assert bars[-1].rstrip() == bars[-1], "the last phase ends where the axis ends"


def test_what_lies_inside_the_generation_is_shown_without_a_place() -> None:
    text = drawn(measured(stall_count=2, stall_time=1.4, gap_reader=0.7, gap_proxy=0.01, downstream_wait=0.745))
    assert "─ stalls (2)" in text
    assert "50 % of it" in text
    assert "─ reader wait             700 ms" in text
    assert "─ proxy late             10.0 ms" in text
    assert "─ reader wait            45.0 ms" in text, "the part after the last byte belongs to the hand-over"


def test_tokens_say_where_they_came_from() -> None:
    cached = drawn(
        measured(cache_read_tokens=500, cache_write_tokens=0, reasoning_tokens=40, usage_conflict={"output_tokens": 99}), width=200
    )
    assert "900 in (500 read from cache), 101 out (40 reasoning); reported by the provider" in cached
    assert "the second source says {'output_tokens': 99}" in cached
    unknown = drawn(measured(input_tokens=None, output_tokens=None, usage_source="unknown", undecoded="message_crc"))
    assert "tokens        unknown (message_crc)" in unknown
    assert "unknown in, 3 out; estimated" in drawn(measured(input_tokens=None, output_tokens=3, usage_source="estimated"))
    guessed = measured(usage_source="estimated", input_estimate="tokenizer", output_estimate="characters_late")
    assert "900 in, 101 out; estimated (input from its text, output from its size)" in drawn(guessed, width=200)


def test_the_provider_s_own_figures_stand_beside_ours() -> None:
    text = drawn(measured(provider_latency=3.6, provider_ttft=1.2), width=200)
    assert "latency 3.60 s (we saw 3.85 s: 250 ms more); first token 1.20 s (we saw 1.00 s, less)" in text


def test_the_other_attempts_of_the_call_are_listed() -> None:
    first = measured(exchange_id="019ac1f2-0000", sdk_invocation_id="call-1", sdk_attempt=1, outcome="throttled", e2e=0.05)
    second = measured(sdk_invocation_id="call-1", sdk_attempt=2)
    text = drawn(second, [first, second])
    assert "SDK call call-1, attempt 2; 2 attempts in this ledger:" in text
    assert "019ac1f2-0000  attempt 1  throttled  50.0 ms\n" in text
    assert text.endswith("attempt 2  completed  4.00 s  (this one)")


def test_an_exchange_that_was_lost_says_so() -> None:
    text = drawn(measured(outcome="lost", e2e=None))
    assert "no time points: this exchange was never seen to end" in text
    assert "lost" in text


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_wider_than_the_screen(width: int) -> None:
    lines = [line.text for m in day(400) for line in waterfall(m, [m], width)]
    assert max(len(line) for line in lines) <= width


def test_programs_get_the_same_as_fields() -> None:
    m = measured(cost_usd="0.0012", cost_status="final", trace_id="t" * 32, connection_reused=False)
    found = record(m, [m])
    assert found["exchange"]["ttft"] == m.ttft
    assert found["phases"][0]["phase"] == "upload"
    assert sum(found["spent"].values()) == pytest.approx(4.0)
    assert found["attempts"] == [{"exchange_id": m.exchange_id, "sdk_attempt": None, "outcome": "completed"}]
    assert "$0.0012 (final)" in drawn(m)
    assert record(measured(e2e=None, outcome="lost"), [])["spent"] is None
