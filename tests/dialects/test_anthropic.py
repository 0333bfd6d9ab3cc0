from __future__ import annotations

import pytest

from streamgauge.dialects.anthropic import Anthropic, AnthropicStream
from streamgauge.records import Fault, Finished, Served, Usage, UsageReported
from tests.dialects import shapes
from tests.dialects.watch import trace

CUT = Fault("stream_truncated")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "overloaded_error"),
        ({"error": {"type": "api_error"}}, "api_error"),
        ({"type": "error"}, "_OTHER"),
        ({"type": "ping"}, "_OTHER"),
        (b"not even JSON", "_OTHER"),
    ],
)
def test_an_error_event_is_a_fault_whatever_its_data_are(data: object, code: str) -> None:
    assert trace(AnthropicStream(), [shapes.sse(data, "error")]) == [Fault(code)]


def test_an_error_in_the_data_alone_is_a_fault() -> None:
    assert trace(AnthropicStream(), [shapes.sse({"type": "error", "error": {"type": "overloaded_error"}})]) == [Fault("overloaded_error")]


def test_a_message_delta_is_not_the_end() -> None:
    stream = shapes.anthropic_sse()
    assert trace(stream.open(), stream.chunks[:-1])[-1] == CUT


def test_data_that_are_no_json_make_no_sense() -> None:
    assert trace(AnthropicStream(), [shapes.sse(b"text", "content_block_delta")]) == ["json"]


def test_an_answer_tells_usage_model_and_reason() -> None:
    said = trace(Anthropic(), [shapes.dumps(shapes.CLAUDE_BODY)])
    assert said == [UsageReported(Usage(4, 30)), Served("claude-made-up", "standard"), Finished("end_turn")]


def test_an_answer_that_says_little_says_little() -> None:
    assert trace(Anthropic(), [b"{}"]) == [Finished(None)]
