from __future__ import annotations

import pytest

from streamgauge.dialects.openai_chat import OpenAiChat, OpenAiChatStream
from streamgauge.records import Fault, Finished, Served, Usage, UsageReported
from tests.dialects import shapes
from tests.dialects.watch import trace

CUT = Fault("stream_truncated")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}}, "rate_limit_exceeded"),
        ({"error": {"message": "slow down", "type": "server_error", "code": None}}, "server_error"),
        ({"error": {"message": "slow down", "type": "server_error", "code": 500}}, "server_error"),
        ({"error": {"message": "slow down", "type": None, "code": 500}}, "500"),
        ({"error": {"message": "slow down", "type": "it said: x"}}, "_OTHER"),
        ({"error": "text for people"}, "_OTHER"),
        ({"object": "error", "message": "made up", "type": "BadRequestError", "code": 400}, "BadRequestError"),
    ],
)
@pytest.mark.parametrize("name", [None, "error"])
def test_an_error_among_the_chunks_is_a_fault_with_its_code(data: object, code: str, name: str | None) -> None:
    assert trace(OpenAiChatStream(), [shapes.sse(data, name)]) == [Fault(code)]


@pytest.mark.parametrize("data", [b"not even JSON", {"choices": []}])
def test_an_error_event_is_a_fault_whatever_its_data_are(data: object) -> None:
    assert trace(OpenAiChatStream(), [shapes.sse(data, "error")]) == [Fault("_OTHER")]


@pytest.mark.parametrize("missing", [1, 2])
def test_done_without_its_blank_line_is_the_end(missing: int) -> None:
    stream = shapes.openai_sse()
    assert trace(stream.open(), [stream.body[:-missing]]) == trace(stream.open(), [stream.body])


def test_a_half_written_chunk_at_the_end_is_a_cut() -> None:
    stream = shapes.openai_sse()
    assert trace(stream.open(), [*stream.chunks[:5], stream.chunks[5][:20]])[-1] == CUT
    assert trace(stream.open(), [*stream.chunks[:5], stream.chunks[5][:-1]])[-1] == CUT


def test_a_reason_to_stop_without_done_is_a_cut_because_the_usage_may_be_lost() -> None:
    stream = shapes.openai_sse()
    assert trace(stream.open(), stream.chunks[:-2])[-1] == CUT


def test_a_stream_without_usage_is_complete() -> None:
    stream = shapes.openai_sse()
    said = trace(stream.open(), [*stream.chunks[:-2], stream.chunks[-1]])
    assert said[-1] == Finished("tool_calls")


def test_an_answer_tells_usage_model_and_reason() -> None:
    said = trace(OpenAiChat(), [shapes.dumps(shapes.OPENAI_BODY)])
    assert said == [UsageReported(Usage(1104, 30, 1000, reasoning_tokens=12)), Served("gpt-made-up"), Finished("stop")]


def test_an_error_in_place_of_an_answer_is_a_fault() -> None:
    assert trace(OpenAiChat(), [shapes.dumps({"error": {"type": "server_error"}})]) == [Fault("server_error")]
