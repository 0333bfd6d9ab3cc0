"""Bytes of the model families on InvokeModel and InvokeModelWithResponseStream.

Members and their order in a stream are those of the Amazon Bedrock user guide, "Inference request parameters and response fields", and of
wire recordings of Bedrock (Llama, Titan, Cohere Command, Claude before Messages, embeddings, rerank, a marketplace endpoint). Not confirmed by
a recording: Command R's stream (event types of Cohere's own API, v1), the streams of Jamba, Mistral and DeepSeek. The texts are made up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamgauge.records import Operation, Usage
from tests.dialects.shapes import EVENT_STREAM, INVOKE, INVOKE_STREAM, METRICS, Stream, chunk, dumps

METERED = {"amazon-bedrock-invocationMetrics": METRICS}
OWN = Usage(1104, 30)
"""What a family says that counts for itself: all input, no cache."""


def family(values: list[Any], outputs: dict[str, int], usage: Usage | None, reason: str, behind: int = 0) -> Stream:
    """A stream of these chunks; the last gets Bedrock's metrics unless it is no object. ``behind``: chunks that follow the end marker."""
    if isinstance(values[-1], dict):
        values[-1] = values[-1] | METERED
    chunks = [chunk(value) for value in values]
    return Stream(INVOKE_STREAM, EVENT_STREAM, chunks, outputs, usage, reason, len(chunks) - 1 - behind)


def llama(deltas: int = 3) -> Stream:
    """The input count in the first chunk alone, the output count in every one, cumulative."""
    values: list[Any] = [
        {"generation": f" word {n}", "prompt_token_count": None if n else 1104, "generation_token_count": n + 1, "stop_reason": None}
        for n in range(deltas)
    ]
    values.append({"generation": "", "prompt_token_count": None, "generation_token_count": 30, "stop_reason": "stop"})
    return family(values, {"visible": deltas}, OWN, "stop")


def titan(deltas: int = 3) -> Stream:
    """Large pieces; the input count in the first, the output count in the last."""
    values: list[Any] = [{"outputText": f" word {n}", "index": 0, "completionReason": None} for n in range(deltas)]
    values[0] |= {"inputTextTokenCount": 1104}
    values.append({"outputText": "", "index": 0, "totalOutputTextTokenCount": 30.0, "completionReason": "FINISH"})
    return family(values, {"visible": deltas}, OWN, "FINISH")


def claude_completion(deltas: int = 3) -> Stream:
    """Claude before Messages."""
    values: list[Any] = [{"type": "completion", "completion": f" word {n}", "stop_reason": None, "stop": None} for n in range(deltas)]
    values.append({"type": "completion", "completion": "", "stop_reason": "stop_sequence", "stop": "\n\nHuman:"})
    return family(values, {"visible": deltas}, None, "stop_sequence")


def mistral(deltas: int = 3) -> Stream:
    """Text completion."""
    values: list[Any] = [{"outputs": [{"text": f" word {n}", "stop_reason": None}]} for n in range(deltas)]
    return family([*values, {"outputs": [{"text": "", "stop_reason": "stop"}]}], {"visible": deltas}, None, "stop")


def mistral_chat(deltas: int = 3) -> Stream:
    """Chat models: pieces of messages, one of them a tool call."""
    values: list[Any] = [
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "stop_reason": None}]}
        for text in ("", *(f" word {n}" for n in range(deltas)))
    ]
    call = {"id": "t1", "function": {"name": "find", "arguments": "{}"}}
    values.append({"choices": [{"index": 0, "message": {"role": "assistant", "content": "", "tool_calls": [call]}}]})
    values.append({"choices": [{"index": 0, "message": {"role": "assistant", "content": ""}, "stop_reason": "tool_calls"}]})
    return family(values, {"visible": deltas, "tool": 1}, None, "tool_calls")


def cohere(deltas: int = 3) -> Stream:
    """Command: the last chunk has no text."""
    values: list[Any] = [{"is_finished": False, "text": f" word {n}"} for n in range(deltas)]
    return family([*values, {"finish_reason": "COMPLETE", "is_finished": True}], {"visible": deltas}, None, "COMPLETE")


def cohere_chat(deltas: int = 3) -> Stream:
    """Command R: event types; the last event repeats the whole text one level deeper."""
    values: list[Any] = [{"is_finished": False, "event_type": "stream-start", "generation_id": "g1"}]
    values += [{"is_finished": False, "event_type": "text-generation", "text": f" word {n}"} for n in range(deltas)]
    values.append({"is_finished": False, "event_type": "citation-generation", "citations": [{"start": 0, "text": "made up"}]})
    delta = {"index": 0, "parameters": "{"}
    values.append({"is_finished": False, "event_type": "tool-calls-chunk", "tool_call_delta": delta})
    calls = [{"name": "find", "parameters": {}}]
    values.append({"is_finished": False, "event_type": "tool-calls-generation", "tool_calls": calls})
    response = {"text": "made up", "finish_reason": "COMPLETE"}
    values.append({"is_finished": True, "event_type": "stream-end", "finish_reason": "COMPLETE", "response": response})
    return family(values, {"visible": deltas, "tool": 2}, None, "COMPLETE")


def deepseek(deltas: int = 3) -> Stream:
    """R1: text completion with ``stop_reason``."""
    values: list[Any] = [{"choices": [{"text": f" word {n}", "index": 0, "stop_reason": None}]} for n in range(deltas)]
    return family([*values, {"choices": [{"text": "", "index": 0, "stop_reason": "length"}]}], {"visible": deltas}, None, "length")


def _completion(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"id": "c1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


USAGE = {"prompt_tokens": 1104, "completion_tokens": 30, "total_tokens": 1134}


def openai_like(deltas: int = 3) -> Stream:
    """gpt-oss, Qwen, Jamba, imported models: chat completion chunks, the usage with the last."""
    values: list[Any] = [_completion({"role": "assistant", "content": ""}), _completion({"reasoning_content": "Let me"})]
    values += [_completion({"content": f" word {n}"}) for n in range(deltas)]
    values.append(_completion({}, "stop") | {"usage": USAGE})
    return family(values, {"reasoning": 1, "visible": deltas}, OWN, "stop")


def writer(deltas: int = 3) -> Stream:
    """A bare string behind the end."""
    values: list[Any] = [{"choices": [{"text": f" word {n}"}]} for n in range(deltas)]
    values += [{"choices": [{"text": "", "finish_reason": "stop"}]} | METERED, "[DONE]"]
    return family(values, {"visible": deltas}, None, "stop", behind=1)


STREAMS: dict[str, Callable[[int], Stream]] = {
    "family_llama": llama,
    "family_titan": titan,
    "family_claude_completion": claude_completion,
    "family_mistral": mistral,
    "family_mistral_chat": mistral_chat,
    "family_cohere": cohere,
    "family_cohere_chat": cohere_chat,
    "family_deepseek": deepseek,
    "family_openai_like": openai_like,
    "family_writer": writer,
}


# --------------------------------------------------------------------------------------------------------- whole bodies

_CHAT = {"message": {"role": "assistant", "content": "made up", "tool_calls": None}, "index": 0}
_J2_TOKENS = [{"generatedToken": {"token": "made"}}] * 3

ANSWERS: dict[str, tuple[Any, Usage | None, str]] = {
    "llama": ({"generation": "made up", "prompt_token_count": 1104, "generation_token_count": 30, "stop_reason": "stop"}, OWN, "stop"),
    "titan": (
        {"inputTextTokenCount": 1104, "results": [{"tokenCount": 30.0, "outputText": "made up", "completionReason": "FINISH"}]},
        OWN,
        "FINISH",
    ),
    "claude_completion": ({"type": "completion", "completion": "made up", "stop_reason": "stop_sequence"}, None, "stop_sequence"),
    "mistral": ({"outputs": [{"text": "made up", "stop_reason": "stop"}]}, None, "stop"),
    "mistral_chat": ({"choices": [_CHAT | {"stop_reason": "tool_calls"}]}, None, "tool_calls"),
    "cohere": ({"generations": [{"finish_reason": "COMPLETE", "id": "g", "text": "made up"}], "prompt": "made up"}, None, "COMPLETE"),
    "cohere_chat": ({"text": "made up", "generation_id": "g", "chat_history": [], "finish_reason": "MAX_TOKENS"}, None, "MAX_TOKENS"),
    "j2": (
        {
            "id": 1,
            "prompt": {"text": "made up", "tokens": _J2_TOKENS},
            "completions": [{"data": {"text": "made up", "tokens": _J2_TOKENS[:2]}, "finishReason": {"reason": "endoftext"}}],
        },
        Usage(3, 2),
        "endoftext",
    ),
    "deepseek": ({"choices": [{"text": "made up", "stop_reason": "length"}]}, None, "length"),
    "openai_like": ({"choices": [_CHAT | {"finish_reason": "stop"}], "usage": USAGE}, OWN, "stop"),
    "writer": ({"choices": [{"text": "made up", "finish_reason": "stop", "stop_reason": 2}]}, None, "stop"),
    "pegasus": ({"message": "made up", "finishReason": "stop"}, None, "stop"),
}

VECTORS: dict[str, tuple[Any, Usage | None]] = {
    "titan embedding": ({"embedding": [0.1, -0.2], "inputTextTokenCount": 4}, Usage(4)),
    "titan embedding by type": ({"embeddingsByType": {"float": [0.1]}, "inputTextTokenCount": 4}, Usage(4)),
    "cohere embedding": ({"embeddings": [[0.1], [0.2]], "id": "e", "response_type": "embeddings_floats", "texts": ["made up"]}, None),
    "cohere embedding by type": ({"embeddings": {"int8": [[1]]}, "response_type": "embeddings_by_type"}, None),
    "nova embedding": ({"embeddings": [{"embeddingType": "TEXT", "embedding": [0.1]}]}, None),
    "marengo embedding": ({"data": [{"embedding": [0.1], "embeddingOption": "text"}]}, None),
    "rerank": ({"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]}, None),
}

WHOLE: dict[str, tuple[Operation, bytes]] = {f"invoke_{name}": (INVOKE, dumps(body)) for name, (body, _, _) in ANSWERS.items()}
