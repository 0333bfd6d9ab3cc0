"""From events and moments to one measurement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.errors import Undecodable
from streamgauge.measure.observation import DIALECT_FAILED, MAX_NAME, Observation
from streamgauge.measure.timing import Points
from streamgauge.records import (
    REASONING,
    TOOL,
    VISIBLE,
    Fault,
    Finished,
    Measurement,
    Output,
    Served,
    StreamEvent,
    Usage,
    UsageReported,
)
from tests.measure.scripted import MS, Answer, Scripted, ended, observe

TOKENS = UsageReported(Usage(input_tokens=100, output_tokens=11))


def fed(observation: Observation, *at_ms: int, blocked_ms: int = 0) -> Observation:
    for at in at_ms:
        observation.feed(b"x", at * MS, blocked_ms * MS)
    return observation


def test_a_stream_gets_all_its_times() -> None:
    observation = observe([(), REASONING, VISIBLE, VISIBLE, TOOL, (Finished("end_turn"),), (TOKENS,)])
    fed(observation, 300, 400, 500, 700, 1_400, 1_500, 1_600)
    observation.points.first_body = 300 * MS
    observation.points.forwarded = 301 * MS
    observation.points.last_byte = 1_600 * MS
    observation.chunks = 7
    m = ended(observation, 1_610)
    assert (m.upload, m.connect, m.ttfb, m.ttfc) == (0.05, 0.02, 0.1, 0.2)
    assert (m.ttft, m.upstream_ttft) == (0.4, 0.3)
    assert (m.ttft_reasoning, m.ttft_visible, m.ttft_tool) == (0.4, 0.5, 1.4)
    assert (m.time_to_last_token, m.upstream_e2e, m.e2e) == (1.3, 1.5, 1.61)
    assert m.tpot == pytest.approx(1.0 / 10)
    assert (m.output_chunks, m.chunks, m.response_bytes, m.streaming) == (4, 7, 7, True)
    assert (m.outcome, m.finish_reason, m.usage_source, m.undecoded) == ("completed", "end_turn", "reported", None)
    assert (m.overhead_request, m.overhead_first_chunk, m.overhead_tail) == pytest.approx((0.1, 0.001, 0.01))
    assert m.proxy_overhead == pytest.approx(0.111)


def test_only_the_first_output_is_announced_and_a_role_or_ping_is_none() -> None:
    observation = observe([(), (Served("m"),), REASONING, VISIBLE, VISIBLE])
    assert [observation.feed(b"x", at * MS, 0) for at in (1, 2, 3, 4, 5)] == [False, False, True, False, False]
    assert observation.silent_since == 5 * MS


def test_gaps_are_counted_between_outputs_only() -> None:
    m = ended(fed(observe([VISIBLE, (), VISIBLE, (), (), VISIBLE]), 300, 350, 400, 450, 460, 700), 800)
    assert m.itl_max == 0.3
    assert (m.itl_p50, m.itl_p95, m.itl_p99) == pytest.approx((0.1, 0.3, 0.3), rel=1 / 32)
    assert (m.gap_provider, m.gap_proxy, m.gap_reader) == (0.4, 0.0, 0.0)
    assert (m.stall_count, m.stall_time, m.stall_side) == (0, 0.0, None)


def test_outputs_of_one_read_follow_each_other_at_once() -> None:
    both = (*VISIBLE, *VISIBLE)
    m = ended(fed(observe([both, (*VISIBLE, TOKENS, *TOOL)]), 300, 500), 600)
    assert m.output_chunks == 4
    assert (m.itl_max, m.itl_p50) == (0.2, 0.0)
    assert m.tpot == pytest.approx(0.2 / 10)


def test_one_output_alone_has_no_gap_and_no_tpot() -> None:
    m = ended(fed(observe([VISIBLE, (TOKENS,)]), 300, 400), 500)
    assert (m.output_chunks, m.itl_p50, m.itl_max, m.gap_provider, m.tpot) == (1, None, None, None, None)
    assert m.ttft == 0.3


def test_tokens_that_were_billed_but_never_shown_do_not_make_the_model_look_faster() -> None:
    hidden = UsageReported(Usage(output_tokens=111, reasoning_tokens=100))
    assert ended(fed(observe([VISIBLE, VISIBLE, (hidden,)]), 300, 1_300, 1_300), 1_400).tpot == pytest.approx(0.1)
    shown = ended(fed(observe([REASONING, VISIBLE, (hidden,)]), 300, 1_300, 1_300), 1_400)
    assert shown.tpot == pytest.approx(1 / 110)


def test_a_gap_is_split_between_provider_proxy_and_reader() -> None:
    observation = fed(observe([VISIBLE, VISIBLE, VISIBLE]), 1_000)
    observation.feed(b"x", 1_500 * MS, 200 * MS)  # our loop was blocked for 0.2 s of these
    observation.paused(1_600 * MS)
    observation.resumed(1_900 * MS)
    observation.feed(b"x", 2_400 * MS, 200 * MS)
    m = ended(observation, 2_500)
    assert (m.gap_proxy, m.gap_reader, m.gap_provider) == pytest.approx((0.2, 0.3, 0.9))
    assert m.downstream_wait == 0.3
    assert m.proxy_overhead is not None
    assert m.proxy_overhead == pytest.approx(0.1 - 0.0 + 0.2)


def test_being_late_before_the_first_output_is_no_gap() -> None:
    m = ended(fed(observe([VISIBLE, VISIBLE]), 1_000, 1_100, blocked_ms=700), 1_200)
    assert (m.gap_proxy, m.gap_provider) == (0.0, 0.1)


@pytest.mark.parametrize(
    ("blocked_ms", "pause_ms", "side"),
    [(0, 0, "upstream"), (1_400, 0, "proxy"), (0, 1_500, "downstream"), (300, 700, "upstream"), (800, 900, "downstream")],
)
def test_a_stall_is_the_doing_of_whom_most_of_it_belongs_to(blocked_ms: int, pause_ms: int, side: str) -> None:
    observation = fed(observe([VISIBLE, VISIBLE]), 1_000)
    observation.paused(1_000 * MS)
    observation.resumed((1_000 + pause_ms) * MS)
    m = ended(fed(observation, 3_200, blocked_ms=blocked_ms), 3_300)
    assert (m.stall_count, m.stall_time, m.itl_max, m.stall_side) == (1, 2.2, 2.2, side)


def test_the_side_of_the_longest_stall_stands_and_all_are_counted() -> None:
    observation = fed(observe([VISIBLE] * 4), 0, 1_001)
    observation.feed(b"x", 5_001 * MS, 3_900 * MS)
    observation.feed(b"x", 7_001 * MS, 3_900 * MS)
    m = ended(observation, 7_100)
    assert (m.stall_count, m.stall_time, m.stall_side) == (3, 7.001, "proxy")


def test_a_silence_of_just_a_second_is_no_stall() -> None:
    assert ended(fed(observe([VISIBLE, VISIBLE, VISIBLE]), 0, 1_000, 2_000), 2_100).stall_count == 0


def test_a_reader_that_is_paused_is_never_the_providers_silence() -> None:
    observation = fed(observe([VISIBLE, VISIBLE, VISIBLE]), 1_000, 1_100)
    since = [observation.paused_since]
    observation.paused(1_100 * MS)
    observation.paused(1_200 * MS)
    since.append(observation.paused_since)
    assert since == [None, 1_100 * MS]
    # What was read already is still decoded during a pause; the rest comes after it.
    fed(observation, 4_000)
    observation.resumed(9_000 * MS)
    observation.resumed(9_500 * MS)
    fed(observation, 9_000)
    m = ended(observation, 9_100)
    assert (m.gap_provider, m.gap_reader, m.stall_side) == pytest.approx((0.1, 2.9, "downstream"))
    assert m.downstream_wait == 7.9


def test_a_silence_counts_from_when_we_read_again() -> None:
    observation = fed(observe([VISIBLE, VISIBLE]), 1_000)
    observation.paused(2_000 * MS)
    observation.resumed(4_000 * MS)
    since = [observation.silent_since]
    since.append(fed(observation, 4_500).silent_since)
    assert since == [4_000 * MS, 4_500 * MS]


@given(st.lists(st.tuples(st.integers(1, 3_000), st.sampled_from(["output", "pause", "resume", "other"])), max_size=40))
def test_the_provider_is_charged_at_most_for_the_time_in_which_we_were_reading(steps: list[tuple[int, str]]) -> None:
    observation = observe([])
    at, reading, paused = 0, 0, False
    outputs: list[tuple[int, int]] = []
    for ms, what in steps:
        at, reading = at + ms, reading + (0 if paused else ms)
        if what == "output":
            observation._dialect = Scripted([VISIBLE])
            outputs.append((at, reading))
        if what in ("output", "other"):
            observation.feed(b"", at * MS, 0)
        elif what == "pause":
            observation.paused(at * MS)
            paused = True
        else:
            observation.resumed(at * MS)
            paused = False
    m = ended(observation, at)
    if len(outputs) >= 2:
        provider = (outputs[-1][1] - outputs[0][1]) / 1e3
        reader = (outputs[-1][0] - outputs[0][0]) / 1e3 - provider
        assert (m.gap_provider, m.gap_reader) == pytest.approx((provider, reader), abs=1e-9)
    assert m.downstream_wait == pytest.approx((at - reading) / 1e3)


def test_a_slow_reader_at_the_end_is_waited_for_once_not_twice() -> None:
    observation = fed(observe([VISIBLE]), 300)
    observation.paused(1_000 * MS)
    observation.points.last_byte = 2_000 * MS
    # Nobody tells of the resumption any more: the exchange is over, the last bytes are waited for.
    m = ended(observation, 5_000, tail_wait_ms=3_000)
    assert m.downstream_wait == 4.0
    assert m.overhead_tail == 0.0


def test_a_slow_reader_does_not_make_the_model_look_slow() -> None:
    observation = fed(observe([VISIBLE, VISIBLE, (TOKENS,)]), 1_000)
    observation.paused(1_000 * MS)
    observation.resumed(5_000 * MS)
    m = ended(fed(observation, 6_000, 6_000), 6_100)
    assert m.tpot == pytest.approx(0.1)


def test_what_was_not_streamed_has_no_streams_figures() -> None:
    for streaming in (False, None):
        m = ended(fed(observe([VISIBLE, (TOKENS,)], streaming=streaming), 300, 400), 500)
        assert (m.ttft, m.ttfc, m.tpot, m.itl_p50, m.stall_count, m.output_chunks) == (None,) * 6
        assert (m.output_tokens, m.e2e, m.ttfb) == (11, 0.5, 0.1)


def test_the_pieces_of_usage_become_counts_and_a_contradiction_is_kept() -> None:
    second = UsageReported(Usage(input_tokens=100, output_tokens=12, cache_read_tokens=3), preferred=False)
    own = UsageReported(Usage(100, 11, cache_write_tokens=2, cache_write_1h_tokens=1, reasoning_tokens=4))
    m = ended(fed(observe([(own,)], at_close=(second,)), 300), 400)
    assert (m.input_tokens, m.output_tokens, m.usage_source) == (100, 11, "reported")
    assert m.cache_read_tokens is None  # only a body that ended cleanly is asked for its second opinion
    observation = fed(observe([(own,)], at_close=(second,)), 300)
    assert observation.end_of_body() is None
    m = ended(observation, 400)
    assert (m.cache_read_tokens, m.cache_write_tokens, m.cache_write_1h_tokens, m.reasoning_tokens) == (3, 2, 1, 4)
    assert m.usage_conflict == {"output_tokens": 12}


def test_usage_that_states_neither_input_nor_output_is_not_reported_usage() -> None:
    m = ended(fed(observe([(UsageReported(Usage(cache_read_tokens=3)),)]), 300), 400)
    assert (m.cache_read_tokens, m.usage_source) == (3, "unknown")


def test_unknown_is_never_zero() -> None:
    m = ended(Observation(Points(head=0), streaming=None), 1)
    assert (m.input_tokens, m.output_tokens, m.ttfb, m.connect, m.upload, m.proxy_overhead) == (None,) * 6
    assert m.usage_source == "unknown"


def test_what_the_answer_says_of_its_service_is_merged_and_cut() -> None:
    observation = fed(observe([(Served("a" * 1_000, service_tier="flex"),), (Served(None, "priority", "optimized", 1.5, 0.5),)]), 300, 400)
    m = ended(observation, 500)
    assert (m.response_model, m.service_tier, m.latency_mode) == ("a" * MAX_NAME, "priority", "optimized")
    assert (m.provider_latency, m.provider_ttft) == (1.5, 0.5)


def test_what_was_asked_for_stands_where_the_answer_is_silent() -> None:
    m = ended(fed(observe([(Served("m"),)]), 300), 400, service_tier="flex", latency_mode="optimized")
    assert (m.service_tier, m.latency_mode) == ("flex", "optimized")


@pytest.mark.parametrize("text", ["because it was asked how high the river is", "r" * 1_000, "<b>", ""])
def test_free_text_where_a_word_belongs_is_not_kept(text: str) -> None:
    m = ended(fed(observe([(Served(service_tier=text, latency_mode=text), Finished(text))]), 300), 400)
    assert {m.finish_reason, m.service_tier, m.latency_mode} == {"_OTHER" if text else None}


def test_faults_are_cut_and_the_first_one_stands() -> None:
    events = [(Finished("stop"), Fault("first" + "f" * 1_000)), (Finished(None), Fault("second"))]
    observation = fed(observe(events, at_close=(Fault("stream_truncated"), *VISIBLE)), 300, 400)
    fault = observation.end_of_body()
    assert fault is not None
    assert (fault[:5], len(fault)) == ("first", MAX_NAME)
    assert ended(observation, 500).finish_reason == "stop"


def test_a_fault_found_at_the_end_is_told() -> None:
    observation = fed(observe([VISIBLE], at_close=(Fault("stream_truncated"),)), 300)
    assert observation.end_of_body() == "stream_truncated"
    assert observation.end_of_body() == "stream_truncated"


@pytest.mark.parametrize(("error", "reason"), [(Undecodable("json"), "json"), (KeyError("x"), DIALECT_FAILED)])
def test_a_dialect_that_gives_up_ends_the_understanding_and_nothing_else(error: Exception, reason: str) -> None:
    observation = fed(observe([VISIBLE, error, VISIBLE]), 300, 400, 500)
    assert observation.end_of_body() is None
    m = ended(observation, 600)
    assert (m.undecoded, m.output_chunks, m.response_bytes, m.ttft) == (reason, 1, 3, 0.3)


@pytest.mark.parametrize(("error", "reason"), [(Undecodable("body_too_large"), "body_too_large"), (ValueError(), DIALECT_FAILED)])
def test_a_dialect_that_gives_up_at_the_end_is_noted(error: Exception, reason: str) -> None:
    observation = fed(observe([VISIBLE], at_close=error), 300)
    assert observation.end_of_body() is None
    assert ended(observation, 400).undecoded == reason


def test_an_event_of_a_kind_to_come_is_passed_over() -> None:
    m = ended(fed(observe([(cast("StreamEvent", object()), *VISIBLE)]), 300), 400)
    assert (m.output_chunks, m.undecoded) == (1, None)


def test_the_outcome_is_the_verdict() -> None:
    m = ended(observe(), 300, ("stream_error", "upstream", "upstream_reset"))
    assert (m.outcome, m.side, m.error_type) == ("stream_error", "upstream", "upstream_reset")


names = st.none() | st.text(max_size=300)
counts = st.none() | st.integers(-(10**20), 10**20)
seconds = st.none() | st.floats()
events: st.SearchStrategy[StreamEvent] = st.one_of(
    st.sampled_from([*VISIBLE, *REASONING, *TOOL, Output("visible")]),
    st.builds(Finished, names),
    st.builds(Fault, st.text(max_size=300)),
    st.builds(UsageReported, st.builds(Usage, counts, counts, counts, counts, counts, counts), st.booleans()),
    st.builds(Served, names, names, names, seconds, seconds),
)
answers: st.SearchStrategy[Answer] = st.one_of(
    st.sampled_from([VISIBLE, REASONING, TOOL, ()]),
    st.lists(events, max_size=4).map(tuple),
    st.just(Undecodable("json")),
    st.just(RuntimeError()),
)


@given(
    script=st.lists(st.tuples(answers, st.integers(0, 10**10), st.integers(0, 10**10)), max_size=20),
    at_close=answers,
    streaming=st.none() | st.booleans(),
    clean=st.booleans(),
)
def test_nothing_a_dialect_does_reaches_the_relay(
    script: Sequence[tuple[Answer, int, int]], at_close: Answer, streaming: bool | None, clean: bool
) -> None:
    observation = observe([answer for answer, _, _ in script], at_close, streaming=streaming)
    at = blocked = 0
    announced = 0
    for _, later, longer_blocked in script:
        at, blocked = at + later, blocked + longer_blocked
        announced += observation.feed(b"x", at, blocked)
    if clean:
        observation.end_of_body()
    m = ended(observation, at // MS + 1)
    assert isinstance(m, Measurement)
    assert announced == (m.ttft is not None)
    assert all(value is None or value >= 0 for value in (m.itl_max, m.gap_provider, m.gap_proxy, m.gap_reader, m.tpot))


def test_how_much_text_came_is_known_where_counts_are_missing_and_nowhere_else() -> None:
    for usage, cut, expected in (
        (None, False, (40, b"kept")),
        (None, True, (40, b"kept")),
        (Usage(input_tokens=5), True, (40, b"kept")),
        (Usage(5, 6), False, (0, None)),
        (Usage(5, 6), True, (0, None)),
    ):
        observation = observe([VISIBLE, (UsageReported(usage),) if usage is not None else ()])
        dialect = observation._dialect
        assert isinstance(dialect, Scripted)
        dialect.written, dialect.kept = 40, b"kept"
        fed(observation, 300, 400)
        if not cut:
            observation.end_of_body()
        ended(observation, 500)
        assert (observation.written, observation.kept) == expected
