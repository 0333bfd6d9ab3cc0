"""Which text of a request or an answer counts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.estimate.text import answer_text, prompt_text
from tests.dialects import every_shape, shapes

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo" * 9}}
TOOL = {"name": "look_up", "description": "Looks it up.", "inputSchema": {"json": {"type": "object"}}}

PROMPTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "converse": (
        {
            "messages": [{"role": "user", "content": [{"text": "Hi"}, {"image": {"format": "png", "source": {"bytes": "AAAA"}}}]}],
            "system": [{"text": "Be kind."}, {"cachePoint": {"type": "default"}}],
            "toolConfig": {"tools": [{"toolSpec": TOOL}]},
            "inferenceConfig": {"maxTokens": 9, "stopSequences": ["END"]},
            "requestMetadata": {"text": "no"},
        },
        ["Hi", "Be kind.", "look_up", "Looks it up.", '{"json": {"type": "object"}}'],
    ),
    "anthropic": (
        {"model": "claude", "system": "Be kind.", "messages": [{"role": "user", "content": [IMAGE, {"type": "text", "text": "Hi"}]}]},
        ["Be kind.", "Hi"],
    ),
    "tool result": (
        {
            "messages": [
                {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": [{"text": "30 C"}], "status": "success"}}]}
            ]
        },
        ["30 C"],
    ),
    "openai": (
        {"model": "m", "messages": [{"role": "user", "content": "Hi"}, {"role": "user", "content": [{"image_url": {"url": "data:AAAA"}}]}]},
        ["Hi"],
    ),
    "responses": ({"model": "m", "instructions": "Be kind.", "input": [{"role": "user", "content": "Hi"}]}, ["Be kind.", "Hi"]),
    "TGI": ({"inputs": "Hi", "parameters": {"stop": ["END"]}}, ["Hi"]),
    "Titan": ({"inputText": "Hi", "textGenerationConfig": {"stopSequences": ["END"]}}, ["Hi"]),
    "Llama": ({"prompt": "Hi", "max_gen_len": 5}, ["Hi"]),
    "Cohere": ({"message": "Hi", "chat_history": [{"role": "USER", "message": "Yes"}], "documents": [{"title": "T"}]}, ["Hi", "Yes", "T"]),
    "numbers": ({"instances": [[1, 2], [3, 4]]}, []),
}

ANSWERS: dict[str, tuple[Any, list[str]]] = {
    "converse": (
        {
            "output": {"message": {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "c2ln"}}},
                {"text": "Hi"},
                {"toolUse": {"toolUseId": "t1", "name": "look_up", "input": {"q": 1}}},
            ]}},
            "stopReason": "tool_use",
            "usage": {"inputTokens": 1},
        },
        ["Hm", "Hi", "look_up", '{"q": 1}'],
    ),
    "anthropic": ({"type": "message", "content": [{"type": "thinking", "thinking": "Hm", "signature": "x"}, {"type": "text", "text": "Hi"}]}, ["Hm", "Hi"]),
    "openai": ({"choices": [{"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop", "logprobs": {"content": "no"}}]}, ["Hi"]),
    "TGI": ([{"generated_text": "Hi", "details": {"finish_reason": "length", "prefill": [{"text": "no"}], "tokens": [{"text": "no"}]}}], ["Hi"]),
    "Titan": ({"results": [{"outputText": "Hi", "completionReason": "FINISH"}]}, ["Hi"]),
    "J2": ({"prompt": {"text": "no"}, "completions": [{"data": {"text": "Hi", "tokens": [{"t": "no"}]}, "finishReason": {"reason": "endoftext"}}]}, ["Hi"]),
    "Cohere": ({"generations": [{"id": "g", "text": "Hi", "finish_reason": "COMPLETE"}], "prompt": "no"}, ["Hi"]),
    "vectors": ({"embeddings": [[0.1, 0.2]], "texts": ["no"]}, []),
    "a number": (7, []),
}  # fmt: skip


@pytest.mark.parametrize("name", PROMPTS)
def test_a_request_counts_what_the_model_is_told_and_nothing_else(name: str) -> None:
    request, texts = PROMPTS[name]
    assert prompt_text(json.dumps(request).encode()) == texts


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_counts_what_the_model_wrote_and_nothing_else(name: str) -> None:
    answer, texts = ANSWERS[name]
    assert answer_text(json.dumps(answer).encode()) == texts


@pytest.mark.parametrize("member", ["image_url", "video_url", "audio_url"])
def test_an_image_is_no_text_whichever_way_it_is_written(member: str) -> None:
    picture = "data:image/png;base64," + "iVBORw0KGgo" * 300
    for written in (picture, {"url": picture}):
        body = {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}, {"type": "input_image", member: written}]}]}
        assert prompt_text(json.dumps(body).encode()) == ["Hi"]


def test_tgi_repeats_its_whole_text_in_the_last_line_and_it_counts_once() -> None:
    lines = b'data: {"token":{"text":"Hi","special":false},"generated_text":null}\n\ndata: {"token":{"text":"</s>","special":true},"generated_text":"Hi"}\n\n'
    assert answer_text(lines) == ["Hi"]


def test_half_a_line_at_the_end_is_left_out() -> None:
    line = b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n'
    assert answer_text(line * 2 + line[:30]) == ["HiHi"]


def test_half_a_frame_at_the_end_is_left_out_and_nonsense_is_no_text() -> None:
    stream = every_shape.STREAMS["sagemaker_vllm"](5)
    assert stream.content_type == shapes.EVENT_STREAM
    body = b"".join(stream.chunks)
    (half,), (whole,) = answer_text(body[: len(body) // 2], event_stream=True), answer_text(body, event_stream=True)
    assert whole.startswith(half)
    assert 0 < len(half) < len(whole)
    assert answer_text(b"\0" * 64, event_stream=True) == []


@given(st.binary(max_size=200))
def test_any_bytes_at_all_are_no_reason_to_raise(body: bytes) -> None:
    prompt_text(body)
    answer_text(body)
    answer_text(body, event_stream=True)


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
)
def test_any_json_at_all_is_no_reason_to_raise(document: Any) -> None:
    body = json.dumps({"messages": document}).encode()
    assert all(prompt_text(body))
    answer_text(json.dumps(document).encode())


def test_nesting_beyond_reason_is_no_text() -> None:
    assert prompt_text(b'{"messages":' + b"[" * 200_000) == []
