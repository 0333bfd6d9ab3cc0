from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streamgauge.dialects.meaning.claude import ClaudeStream, ClaudeUsage
from streamgauge.errors import Undecodable
from streamgauge.records import REASONING, TOOL, VISIBLE, Fault, Finished, Served, StreamEvent, Usage, UsageReported
from tests.dialects import shapes


def read(*values: Any) -> list[StreamEvent]:
    stream = ClaudeStream()
    return [event for value in values for event in stream.read(shapes.dumps(value))]


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        ({"type": "text_delta", "text": "a"}, VISIBLE),
        ({"type": "text_delta", "text": ""}, ()),
        ({"type": "thinking_delta", "thinking": "a"}, REASONING),
        ({"type": "thinking_delta", "thinking": ""}, ()),
        ({"type": "signature_delta", "signature": "YQ=="}, ()),
        ({"type": "input_json_delta", "partial_json": "{"}, TOOL),
        ({"type": "input_json_delta", "partial_json": ""}, ()),
        ({"type": "citations_delta", "citation": {"cited_text": "a"}}, ()),
        (None, ()),
    ],
)
def test_a_delta_is_output_of_the_kind_it_carries(delta: Any, expected: tuple[StreamEvent, ...]) -> None:
    assert read({"type": "content_block_delta", "delta": delta}) == list(expected)


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"type": "text", "text": ""}, ()),
        ({"type": "text", "text": "a"}, VISIBLE),
        ({"type": "thinking", "thinking": ""}, ()),
        ({"type": "redacted_thinking", "data": "YQ=="}, REASONING),
        ({"type": "tool_use", "name": "find", "input": {}}, TOOL),
        ({"type": "server_tool_use", "name": "web_search", "input": {}}, TOOL),
        ({"type": "web_search_tool_result", "content": []}, ()),
        (None, ()),
    ],
)
def test_the_start_of_a_block_is_output_where_it_names_a_tool_or_hides_thinking(block: Any, expected: tuple[StreamEvent, ...]) -> None:
    assert read({"type": "content_block_start", "content_block": block}) == list(expected)


@pytest.mark.parametrize(
    ("stated", "usage"),
    [
        ({"input_tokens": 4, "output_tokens": 30}, Usage(4, 30)),
        (
            {"input_tokens": 4, "output_tokens": 30, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 100},
            Usage(1104, 30, 1000, 100),
        ),
        (
            {
                "input_tokens": 4,
                "output_tokens": 30,
                "cache_creation_input_tokens": 100,
                "cache_creation": {"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40},
            },
            Usage(104, 30, None, 100, 40),
        ),
        (
            {"input_tokens": 4, "cache_creation": {"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40}},
            Usage(104, None, None, 100, 40),
        ),
        ({"input_tokens": 4, "output_tokens": 30, "output_tokens_details": {"thinking_tokens": 12}}, Usage(4, 30, reasoning_tokens=12)),
    ],
)
def test_all_input_is_the_input_besides_the_cache_and_the_cached(stated: dict[str, Any], usage: Usage) -> None:
    assert msgspec.convert(stated, ClaudeUsage).usage() == usage


def test_the_placeholder_output_of_the_head_is_not_taken_for_a_count() -> None:
    head = {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 4, "output_tokens": 1}}}
    assert read(head) == [UsageReported(Usage(4, None)), Served("m")]


def test_the_last_count_of_each_field_that_is_not_null_holds() -> None:
    head = {"type": "message_start", "message": {"usage": {"input_tokens": 4, "cache_read_input_tokens": 1000, "output_tokens": 1}}}
    delta = {"type": "message_delta", "delta": {}, "usage": {"input_tokens": None, "output_tokens": 20, "cache_read_input_tokens": 1001}}
    last = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 30}}
    assert read(head, delta, last)[-1] == UsageReported(Usage(1005, 30, 1001))


def test_usage_may_come_with_the_message_delta_alone() -> None:
    delta = {"type": "message_delta", "usage": {"input_tokens": 4, "output_tokens": 30}}
    assert read({"type": "message_start", "message": {"model": None}}, delta)[-1] == UsageReported(Usage(4, 30))


def test_events_without_their_parts_say_nothing() -> None:
    assert read({"type": "message_start"}, {"type": "message_delta"}, {"type": "ping"}, {"type": "new_event"}, {}) == []


def test_the_reason_is_told_at_the_end() -> None:
    delta = {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}}
    assert read(delta, {"type": "message_stop"}) == [Finished("max_tokens")]


def test_nothing_has_to_follow_an_end_or_an_error() -> None:
    for value, event in (
        ({"type": "message_stop"}, Finished(None)),
        ({"type": "error", "error": {"type": "api_error"}}, Fault("api_error")),
    ):
        stream = ClaudeStream()
        assert stream.read(shapes.dumps(value)) == (event,)
        assert stream.over


@pytest.mark.parametrize("bad", [{"input_tokens": -1}, {"input_tokens": 2**60}, {"input_tokens": "4"}])
def test_a_count_that_cannot_be_makes_no_sense(bad: dict[str, Any]) -> None:
    with pytest.raises(Undecodable):
        read({"type": "message_delta", "usage": bad})
