"""Which rows get estimates, which numbers, and that no reported count is ever touched."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.estimate.factors import Family, Line
from streamgauge.estimate.filling import Text, fill, wanted
from streamgauge.records import Measurement

TEN_TO_ONE = Family(tokenizer=Line(2.0, 0.0), characters=Line(0.1, 0.0))


def row(**facts: Any) -> Measurement:
    usual: dict[str, Any] = {"exchange_id": "e", "started_at": "t", "proxy_id": "p", "outcome": "completed", "http_status": 200}
    return Measurement(**(usual | facts))


def filled(text: Text, **facts: Any) -> tuple[int | None, int | None, str, str | None, str | None]:
    m = row(**facts)
    fill(m, TEN_TO_ONE, text)
    return m.input_tokens, m.output_tokens, m.usage_source, m.input_estimate, m.output_estimate


@pytest.mark.parametrize(
    ("facts", "written", "whole", "expected"),
    [
        ({}, 10, False, True),
        ({}, 0, True, True),
        ({}, 0, False, False),
        ({"input_tokens": 1, "output_tokens": 1}, 10, False, False),
        ({"input_tokens": 1}, 0, True, False),
        ({"input_tokens": 1}, 10, False, True),
        ({"output_tokens": 1}, 0, True, True),
        ({"undecoded": "json"}, 10, False, False),
        ({"outcome": "stream_error"}, 10, False, True),
        ({"outcome": "stream_error"}, 0, False, False),
        ({"outcome": "client_cancelled"}, 0, False, True),
        ({"outcome": "client_cancelled", "http_status": None}, 0, False, True),
        ({"outcome": "client_cancelled", "http_status": 429}, 0, False, False),
        ({"outcome": "throttled", "http_status": 429}, 0, False, False),
        ({"outcome": "upstream_error"}, 0, True, False),
        ({"outcome": "rejected", "http_status": None}, 0, False, False),
        ({"outcome": "timeout"}, 10, False, True),
    ],
)
def test_an_estimate_is_wanted_where_a_model_worked_and_a_count_is_missing(
    facts: dict[str, Any], written: int, whole: bool, expected: bool
) -> None:
    assert wanted(row(**facts), written, answered_whole=whole) is expected


def test_counted_text_goes_by_the_tokenizers_line_and_sizes_by_the_other() -> None:
    assert filled(Text(prompt_tokens=5, answer_tokens=3)) == (10, 6, "estimated", "tokenizer", "tokenizer")
    assert filled(Text(prompt_bytes=500, answer_bytes=300)) == (50, 30, "estimated", "characters", "characters")
    busy = Text(prompt_bytes=500, answer_bytes=300, prompt_by="characters_busy", answer_by="characters_late")
    assert filled(busy)[3:] == ("characters_busy", "characters_late")


def test_what_was_kept_of_a_long_stream_stands_for_all_of_it() -> None:
    assert filled(Text(answer_tokens=100, answer_read=400, answer_bytes=4000))[1] == 2000
    assert filled(Text(answer_tokens=100, answer_read=400, answer_bytes=390))[1] == 200


def test_a_complete_answer_without_text_is_no_answer_of_a_language_model() -> None:
    assert filled(Text(prompt_tokens=5)) == (None, None, "unknown", None, None)


def test_a_call_that_was_cancelled_before_any_text_has_its_input_and_an_unknown_output() -> None:
    assert filled(Text(prompt_tokens=5), outcome="client_cancelled") == (10, None, "estimated", "tokenizer", None)


counts = st.none() | st.integers(0, 10**6)


@given(counts, counts, st.builds(Text, counts, st.integers(0, 10**6), counts, st.integers(0, 10**6), st.integers(0, 10**6)))
def test_a_count_that_was_reported_stays_and_the_source_says_estimated_only_of_estimates(
    told: int | None, said: int | None, text: Text
) -> None:
    m = row(input_tokens=told, output_tokens=said, usage_source="reported" if told is not None or said is not None else "unknown")
    before = m.usage_source
    fill(m, TEN_TO_ONE, text)
    if told is not None:
        assert (m.input_tokens, m.input_estimate) == (told, None)
    if said is not None:
        assert (m.output_tokens, m.output_estimate) == (said, None)
    assert m.usage_source == ("estimated" if m.input_estimate or m.output_estimate else before)
