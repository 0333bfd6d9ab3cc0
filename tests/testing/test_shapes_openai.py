from __future__ import annotations

import json

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from streamgauge.testing import Script
from streamgauge.testing import shapes_openai as chat

FULL = Script(
    text="one two", reasoning="let me see", tool=("measure", '{"a": 1}'), input_tokens=50, cache_read_tokens=20, reasoning_tokens=2
)


def _chunks(*, include_usage: bool) -> list[ChatCompletionChunk]:
    *frames, done = chat.stream(FULL, include_usage=include_usage)
    assert done.data == chat.DONE
    return [ChatCompletionChunk.model_validate_json(frame.data.removeprefix(b"data: ")) for frame in frames]


def test_every_chunk_is_one_to_the_sdk_and_the_counts_come_last_without_choices() -> None:
    *most, last = _chunks(include_usage=True)
    assert all(chunk.usage is None for chunk in most)
    assert last.choices == []
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens, last.usage.total_tokens) == (50, 6, 56)


def test_without_being_asked_no_chunk_has_a_usage_member() -> None:
    assert not any("usage" in chunk.model_fields_set for chunk in _chunks(include_usage=False))


def test_a_whole_body_is_a_completion_to_the_sdk() -> None:
    completion = ChatCompletion.model_validate_json(chat.whole(FULL))
    assert completion.choices[0].message.content == "one two"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.completion_tokens_details is not None
    assert completion.usage.completion_tokens_details.reasoning_tokens == 2


@pytest.mark.parametrize(
    ("ours", "theirs"), [("end_turn", "stop"), ("max_tokens", "length"), ("tool_use", "tool_calls"), ("other", "other")]
)
def test_stop_reasons_are_said_in_openais_words(ours: str, theirs: str) -> None:
    assert chat.finish_reason(ours) == theirs


def test_an_error_in_the_stream_is_a_chunk_of_its_own() -> None:
    assert json.loads(chat.sse_error("code", "text").removeprefix(b"data: "))["error"]["code"] == "code"
