from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streamgauge.dialects.meaning.chat_completion import ChatChunk, ChatStream, ChatUsage
from streamgauge.records import REASONING, TOOL, VISIBLE, Served, StreamEvent, Usage, UsageReported


def read(*values: dict[str, Any]) -> list[StreamEvent]:
    stream = ChatStream()
    return [event for value in values for event in stream.read(msgspec.convert(value, ChatChunk))]


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        ({"content": "a"}, VISIBLE),
        ({"role": "assistant", "content": ""}, ()),
        ({"content": None}, ()),
        ({"refusal": "a"}, VISIBLE),
        ({"reasoning": "a"}, REASONING),
        ({"reasoning_content": "a", "content": None}, REASONING),
        ({"reasoning_content": "", "content": ""}, ()),
        ({"tool_calls": [{"index": 0, "function": {"name": "find", "arguments": ""}}]}, TOOL),
        ({"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}, TOOL),
        ({"tool_calls": [{"index": 0, "function": {"arguments": ""}}]}, ()),
        ({"tool_calls": [{"index": 0}]}, ()),
        ({"tool_calls": []}, ()),
        ({"function_call": {"name": "find"}}, TOOL),
        ({}, ()),
    ],
)
def test_a_delta_is_output_of_the_kind_it_carries(delta: dict[str, Any], expected: tuple[StreamEvent, ...]) -> None:
    assert read({"choices": [{"delta": delta}]}) == list(expected)


def test_older_completions_carry_their_text_in_the_choice() -> None:
    assert read({"choices": [{"text": "a"}]}, {"choices": [{"text": ""}]}) == [*VISIBLE]


def test_several_choices_give_each_kind_of_output_once() -> None:
    choices = [{"delta": {"content": "a"}}, {"delta": {"content": "b"}}, {"delta": {"reasoning": "c"}}, {"delta": {}}]
    assert read({"choices": choices}) == [*VISIBLE, *REASONING]


def test_the_reason_is_remembered() -> None:
    stream = ChatStream()
    for reason in (None, "length", None):
        stream.read(msgspec.convert({"choices": [{"delta": {}, "finish_reason": reason}]}, ChatChunk))
    assert stream.finish_reason == "length"


def test_model_and_tier_are_told_when_they_change() -> None:
    chunk: dict[str, Any] = {"choices": [], "model": "m", "service_tier": None}
    served: dict[str, Any] = {"choices": [], "model": "m", "service_tier": "default"}
    assert read(chunk, chunk, served, served, chunk) == [Served("m"), Served("m", "default")]


def test_usage_comes_in_a_chunk_without_choices() -> None:
    assert read({"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 30}}) == [UsageReported(Usage(4, 30))]


@pytest.mark.parametrize(
    ("stated", "usage"),
    [
        ({"prompt_tokens": 1104, "completion_tokens": 30, "total_tokens": 1134}, Usage(1104, 30)),
        ({"prompt_tokens": 1104, "completion_tokens": 30, "prompt_tokens_details": {"cached_tokens": 1000}}, Usage(1104, 30, 1000)),
        (
            {"prompt_tokens": 1104, "completion_tokens": 30, "completion_tokens_details": {"reasoning_tokens": 12}},
            Usage(1104, 30, reasoning_tokens=12),
        ),
        ({"prompt_tokens": 1104, "completion_tokens": None}, Usage(1104)),
    ],
)
def test_the_input_holds_cached_tokens_already(stated: dict[str, Any], usage: Usage) -> None:
    assert msgspec.convert(stated, ChatUsage).usage() == usage


def test_an_ordinary_chunk_is_no_fault() -> None:
    assert ChatChunk(object="chat.completion.chunk").fault() is None
