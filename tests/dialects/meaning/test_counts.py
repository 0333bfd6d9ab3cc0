from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.dialects.meaning.counts import MAX_COUNT, error_code, exception_name, head_facts, plain_word, seconds, usage_besides_cache
from streamgauge.records import Served, StreamEvent, Usage, UsageReported

TOKENS = "x-amzn-bedrock-{}-token-count"


@pytest.mark.parametrize(
    ("candidates", "code"),
    [
        (("rate_limit_exceeded",), "rate_limit_exceeded"),
        ((None, "server_error"), "server_error"),
        ((500,), "500"),
        (("x" * 64,), "x" * 64),
        (("x" * 65,), "_OTHER"),
        (("two words", "", "ends\n", "é", True, 1.5, ["a"]), "_OTHER"),
        ((), "_OTHER"),
    ],
)
def test_only_a_short_code_gets_into_the_records(candidates: tuple[object, ...], code: str) -> None:
    assert error_code(*candidates) == code


def test_an_exception_is_named_as_its_shape() -> None:
    assert exception_name("throttlingException") == "ThrottlingException"
    assert exception_name(None) == "_OTHER"


def test_cached_tokens_are_added_to_an_input_that_leaves_them_out() -> None:
    assert usage_besides_cache(4, 30, 1000, 100, cache_write_1h=40, reasoning=12) == Usage(1104, 30, 1000, 100, 40, 12)
    assert usage_besides_cache(4, 30, None, None) == Usage(4, 30)
    assert usage_besides_cache(0, 30, 0, 0) == Usage(0, 30, 0, 0)


def test_an_input_that_is_not_stated_stays_unknown() -> None:
    assert usage_besides_cache(None, 30, 1000, None) == Usage(None, 30, 1000)


def test_milliseconds_become_seconds() -> None:
    assert seconds(522) == 0.522
    assert seconds(None) is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, ()),
        ({TOKENS.format("input"): "4", TOKENS.format("output"): "30"}, (UsageReported(Usage(4, 30), preferred=False),)),
        (
            {
                TOKENS.format("input"): "4",
                TOKENS.format("output"): "30",
                TOKENS.format("cache-read-input"): "0",
                TOKENS.format("cache-write-input"): "18131",
            },
            (UsageReported(Usage(18135, 30, 0, 18131), preferred=False),),
        ),
        ({TOKENS.format("output"): "30"}, (UsageReported(Usage(None, 30), preferred=False),)),
        ({TOKENS.format("cache-read-input"): "4"}, ()),
        (
            {
                "x-amzn-bedrock-invocation-latency": "1200",
                "x-amzn-bedrock-service-tier": "priority",
                "x-amzn-bedrock-performanceconfig-latency": "optimized",
            },
            (Served(service_tier="priority", latency_mode="optimized", provider_latency=1.2),),
        ),
        ({"x-amzn-bedrock-service-tier": "the prompt was x"}, ()),
    ],
)
def test_the_head_s_facts_are_the_second_source(headers: dict[str, str], expected: tuple[StreamEvent, ...]) -> None:
    assert head_facts(headers) == expected


@given(st.text(max_size=20))
def test_a_token_header_that_is_no_number_is_left_out(text: str) -> None:
    for event in head_facts({TOKENS.format("input"): text}):
        assert isinstance(event, UsageReported)
        assert str(event.usage.input_tokens) == (text.lstrip("0") or "0")


@pytest.mark.parametrize("text", ["-4", "4.5", "٤", "1" * 15, ""])
def test_odd_numbers_are_no_counts(text: str) -> None:
    assert head_facts({TOKENS.format("input"): text}) == ()


def test_the_longest_number_that_is_read_is_below_the_limit() -> None:
    assert int("9" * 14) < MAX_COUNT


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("end_turn", "end_turn"),
        ("CONTENT-FILTERED.2", "CONTENT-FILTERED.2"),
        ("of course", "_OTHER"),
        ("x" * 65, "_OTHER"),
        ("", None),
        (None, None),
    ],
)
def test_a_word_is_kept_and_free_text_is_not(text: str | None, word: str | None) -> None:
    assert plain_word(text) == word
