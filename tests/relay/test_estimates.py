"""What is held for an estimate, within which bound, and how a row gets its counts without anybody waiting but the row."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from streamgauge.dialects import open_dialect
from streamgauge.measure.observation import Observation
from streamgauge.measure.timing import Points
from streamgauge.records import Measurement, Operation, RequestFacts
from streamgauge.relay.estimates import MAX_TEXT, STREAM_BYTES, Estimates, Kept
from streamgauge.tokens.settings import EstimateSettings

SETTINGS = EstimateSettings(answer_seconds=60.0)
CHAT = Operation("bedrock-runtime", "ChatCompletions", "openai_chat")
CONVERSE = Operation("bedrock-runtime", "ConverseStream", "converse_stream", streaming=True)
ENDPOINT = Operation("sagemaker-runtime", "InvokeEndpointWithResponseStream", "sagemaker_stream", streaming=True)
WHOLE = Operation("sagemaker-runtime", "InvokeEndpoint", "sagemaker", streaming=False)
BODY = json.dumps({"messages": [{"content": "How high is the river? " * 40}]}).encode()
STREAMED, WITH_USAGE = RequestFacts(streaming=True), RequestFacts(streaming=True, stream_usage=True)


def play(story: Callable[[Estimates], Coroutine[Any, Any, None]], settings: EstimateSettings = SETTINGS) -> None:
    async def main() -> None:
        estimates = Estimates(settings, asyncio.get_running_loop())
        try:
            await story(estimates)
        finally:
            estimates.close()

    asyncio.run(main())


def observed(operation: Operation, body: bytes, content_type: str, *, keep: int = 0, ended: bool = True) -> Observation:
    """An exchange that was sent and whose answer came."""
    observation = Observation(Points(head=0, body=0, issued=1, connected=1, sent=1), streaming=operation.streaming is not False)
    observation.answered(open_dialect(operation, 200, content_type, {}, keep), 2)
    observation.feed(body, 3, 0)
    if ended:
        observation.end_of_body()
    return observation


def row(operation: Operation, observation: Observation, outcome: Any = "completed") -> Measurement:
    start = Measurement(exchange_id="e", started_at="t", proxy_id="p", outcome="proxy_error", http_status=200, operation=operation.name)
    return observation.close(start, (outcome, None, None), 9)


async def completed(estimates: Estimates, kept: Kept, observation: Observation, m: Measurement) -> tuple[Measurement, bool]:
    """The row, and whether it had to wait."""
    done: list[Measurement] = []
    waits = estimates.complete(m, kept, observation, done.append)
    assert waits == (not done)
    deadline = time.monotonic() + 60
    while not done:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    assert done == [m]
    return m, waits


def sse(*texts: str) -> bytes:
    return b"".join(b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode() + b"\n\n" for text in texts)


@pytest.mark.parametrize(
    ("operation", "facts", "kept"),
    [
        (CHAT, STREAMED, STREAM_BYTES),
        (CHAT, WITH_USAGE, 0),
        (CHAT, RequestFacts(streaming=False), 0),
        (ENDPOINT, STREAMED, STREAM_BYTES),
        (ENDPOINT, WITH_USAGE, 0),
        (CONVERSE, STREAMED, 0),
        (WHOLE, RequestFacts(streaming=False), 0),
    ],
)
def test_only_a_stream_that_will_tell_no_counts_is_kept(operation: Operation, facts: RequestFacts, kept: int) -> None:
    async def story(estimates: Estimates) -> None:
        held = estimates.hold(operation, facts, BODY)
        assert held is not None
        assert (held.stream_bytes, held.prompt) == (kept, BODY)

    play(story)


def test_nothing_is_held_of_what_nobody_understands_nor_when_switched_off() -> None:
    async def story(estimates: Estimates) -> None:
        assert estimates.hold(Operation("s3", "opaque", "opaque"), STREAMED, BODY) is None

    async def off(estimates: Estimates) -> None:
        assert estimates.hold(CHAT, STREAMED, BODY) is None

    play(story)
    play(off, replace(SETTINGS, enabled=False))


def test_bodies_are_held_by_reference_up_to_the_bound_and_room_comes_back() -> None:
    async def story(estimates: Estimates) -> None:
        first, second = (estimates.hold(CONVERSE, STREAMED, BODY) for _ in range(2))
        assert first is not None
        assert second is not None
        assert first.prompt is BODY
        assert (second.prompt, second.prompt_bytes) == (None, len(BODY))
        estimates.release(first)
        third = estimates.hold(CONVERSE, STREAMED, BODY)
        assert third is not None
        assert third.prompt is BODY
        for kept in (second, third):
            estimates.release(kept)
        assert estimates._held == 0

    play(story, replace(SETTINGS, held_bytes=len(BODY) + 10))


def test_a_body_of_eight_megabytes_is_known_by_its_size_alone() -> None:
    body = json.dumps({"messages": [{"content": "How high is the river? " * 350_000}]}).encode()
    assert len(body) > 8 * MAX_TEXT * 0.95

    async def story(estimates: Estimates) -> None:
        kept = estimates.hold(CONVERSE, STREAMED, body)
        assert kept is not None
        assert (kept.prompt, kept.prompt_bytes, kept.held) == (None, len(body), 0)
        observation = observed(CHAT, sse("Two", " metres"), "text/event-stream", ended=False)
        m, waits = await completed(estimates, kept, observation, row(CHAT, observation, "client_cancelled"))
        assert not waits
        assert (m.usage_source, m.input_estimate, m.output_estimate) == ("estimated", "characters", "characters")
        assert m.input_tokens == pytest.approx(len(body) / 5, rel=0.2)

    play(story)


def test_a_compressed_request_is_no_text_that_could_be_measured() -> None:
    async def story(estimates: Estimates) -> None:
        kept = estimates.hold(CHAT, STREAMED, b"\x1f\x8b" + BODY)
        assert kept is not None
        assert (kept.prompt, kept.prompt_bytes) == (None, 0)

    play(story)


def test_a_row_waits_for_the_counting_process_and_gets_its_counts() -> None:
    async def story(estimates: Estimates) -> None:
        kept = estimates.hold(CHAT, STREAMED, BODY)
        assert kept is not None
        observation = observed(CHAT, sse("Two", " metres", " more") + b"data: [DONE]\n\n", "text/event-stream", keep=kept.stream_bytes)
        m, waits = await completed(estimates, kept, observation, row(CHAT, observation))
        assert waits
        assert (m.usage_source, m.input_estimate, m.output_estimate) == ("estimated", "tokenizer", "tokenizer")
        assert m.output_tokens == pytest.approx(4, abs=2)

    play(story)


def test_only_the_beginning_of_a_long_stream_is_kept_and_stands_for_all_of_it() -> None:
    async def story(estimates: Estimates) -> None:
        kept = estimates.hold(CHAT, STREAMED, BODY)
        assert kept is not None
        observation = observed(CHAT, sse(*["river "] * 4000) + b"data: [DONE]\n\n", "text/event-stream", keep=kept.stream_bytes)
        assert observation.kept is not None
        assert len(observation.kept) == STREAM_BYTES
        m, _ = await completed(estimates, kept, observation, row(CHAT, observation))
        assert m.output_tokens == pytest.approx(4000, rel=0.05)

    play(story)


@pytest.mark.parametrize("outcome", ["stream_error", "timeout"])
def test_a_failure_that_others_act_on_waits_for_nothing(outcome: str) -> None:
    async def story(estimates: Estimates) -> None:
        kept = estimates.hold(CHAT, STREAMED, BODY)
        assert kept is not None
        observation = observed(CHAT, sse("Two", " metres"), "text/event-stream", keep=kept.stream_bytes, ended=False)
        m, waits = await completed(estimates, kept, observation, row(CHAT, observation, outcome))
        assert not waits
        assert (m.usage_source, m.input_estimate, m.output_estimate) == ("estimated", "characters", "characters")

    play(story)


def test_with_too_much_waiting_the_estimate_is_from_sizes_and_the_row_says_why() -> None:
    async def story(estimates: Estimates) -> None:
        kept = estimates.hold(CHAT, STREAMED, BODY)
        assert kept is not None
        observation = observed(CHAT, sse("Two", " metres"), "text/event-stream", keep=kept.stream_bytes)
        m, waits = await completed(estimates, kept, observation, row(CHAT, observation))
        assert not waits
        assert (m.usage_source, m.input_estimate, m.output_estimate) == ("estimated", "characters_busy", "characters_busy")

    play(story, replace(SETTINGS, waiting_bytes=10))


def test_a_process_that_is_closed_down_leaves_no_row_behind() -> None:
    async def story(estimates: Estimates) -> None:
        done: list[Measurement] = []
        kept = estimates.hold(CHAT, STREAMED, BODY)
        assert kept is not None
        observation = observed(CHAT, sse("Two"), "text/event-stream", keep=kept.stream_bytes)
        assert estimates.complete(row(CHAT, observation), kept, observation, done.append)
        assert estimates.waiting == 1
        estimates.close()
        assert [(m.usage_source, m.output_estimate) for m in done] == [("estimated", "characters_late")]

    play(story)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b'[{"generated_text":"Two metres"}]', ("estimated", "tokenizer", "tokenizer")),
        (b'{"choices":[{"message":{"content":"Two"},"finish_reason":"stop"}]}', ("estimated", "tokenizer", "tokenizer")),
        (b'{"predictions":[0.1,0.7]}', ("unknown", None, None)),
        (b"[[0.1,0.7],[0.2,0.3]]", ("unknown", None, None)),
    ],
)
def test_an_endpoints_answer_in_one_piece_counts_where_it_is_a_models_text(answer: bytes, expected: tuple[Any, ...]) -> None:
    async def story(estimates: Estimates) -> None:
        kept = estimates.hold(WHOLE, RequestFacts(streaming=False), BODY)
        assert kept is not None
        observation = observed(WHOLE, answer, "application/json")
        m, waits = await completed(estimates, kept, observation, row(WHOLE, observation))
        assert waits == (expected[0] == "estimated")
        assert (m.usage_source, m.input_estimate, m.output_estimate) == expected

    play(story)


def test_a_call_that_was_never_sent_has_no_tokens() -> None:
    async def story(estimates: Estimates) -> None:
        kept = estimates.hold(CHAT, STREAMED, BODY)
        assert kept is not None
        observation = Observation(Points(head=0), streaming=True)
        m, waits = await completed(estimates, kept, observation, row(CHAT, observation, "client_cancelled"))
        assert (waits, m.usage_source) == (False, "unknown")

    play(story)
