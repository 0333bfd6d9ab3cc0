"""Bytes of every format under test, built in one place from documented shapes.

Where each comes from:
- ConverseStream, InvokeModel chunks: member names of botocore's bedrock-runtime service model (API 2023-09-30, Apache-2.0); header
  order, padding member ``p`` and sorted keys as in the recorded streams of tests/data/recorded.
- Anthropic Messages: event shapes of the anthropic Python SDK's types (MIT).
- OpenAI chat completions: chunk shapes of the openai Python SDK's types (Apache-2.0).
- LMI: output schema of deepjavalibrary/djl-serving, lmi_input_output_schema.md (Apache-2.0).
- TGI: StreamResponse of huggingface/text-generation-inference's OpenAPI document (Apache-2.0).
- Llama, Titan, Mistral: response fields of the Amazon Bedrock user guide, "Inference request parameters and response fields".
The texts are made up.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from streamgauge.dialects import Dialect, open_dialect
from streamgauge.records import Operation, Usage, UsageReported
from tests.framing.encode import event, frame

EVENT_STREAM = "application/vnd.amazon.eventstream"
SSE = "text/event-stream"
JSON = "application/json"

CONVERSE = Operation("bedrock-runtime", "Converse", "converse", streaming=False)
CONVERSE_STREAM = Operation("bedrock-runtime", "ConverseStream", "converse_stream", streaming=True)
INVOKE = Operation("bedrock-runtime", "InvokeModel", "invoke", streaming=False)
INVOKE_STREAM = Operation("bedrock-runtime", "InvokeModelWithResponseStream", "invoke_stream", streaming=True)
ANTHROPIC = Operation("bedrock-runtime", "Messages", "anthropic")
OPENAI_CHAT = Operation("bedrock-runtime", "ChatCompletions", "openai_chat")
SAGEMAKER = Operation("sagemaker-runtime", "InvokeEndpoint", "sagemaker", streaming=False)
SAGEMAKER_STREAM = Operation("sagemaker-runtime", "InvokeEndpointWithResponseStream", "sagemaker_stream", streaming=True)
OPAQUE = Operation("bedrock-runtime", "ApplyGuardrail", "opaque")


def dumps(value: Any) -> bytes:
    """JSON without blanks, as all providers send it."""
    return json.dumps(value, separators=(",", ":")).encode()


# -------------------------------------------------------------------------------------------------------------- framing


def converse_event(name: str, value: dict[str, Any]) -> bytes:
    """An event of ConverseStream with its padding member."""
    return event(name, dumps(value | {"p": "abcdefghijklmnop"}))


def exception(name: str, message: str = "made up") -> bytes:
    """An exception frame, its headers in the order of the one that was recorded."""
    return frame({":message-type": "exception", ":exception-type": name, ":content-type": JSON}, dumps({"message": message}))


def error(code: str) -> bytes:
    """An error frame: no payload, code and text in the headers."""
    return frame({":message-type": "error", ":error-code": code, ":error-message": "made up"}, b"")


def chunk(value: Any) -> bytes:
    """An InvokeModelWithResponseStream chunk around a family's own JSON."""
    return chunk_bytes(dumps(value))


def chunk_bytes(data: bytes) -> bytes:
    """The same around any bytes."""
    return event("chunk", dumps({"bytes": base64.b64encode(data).decode(), "p": "abcdef"}))


def part(payload: bytes) -> bytes:
    """A SageMaker PayloadPart."""
    return event("PayloadPart", payload, "application/octet-stream")


def sse(value: Any, name: str | None = None) -> bytes:
    """A server-sent event; ``value`` is JSON, or the data line itself."""
    data = value if isinstance(value, bytes) else dumps(value)
    return (b"event: " + name.encode() + b"\n" if name else b"") + b"data: " + data + b"\n\n"


def repartition(lines: bytes, size: int) -> list[bytes]:
    """PayloadParts of ``size`` bytes each, which respect no line."""
    return [part(lines[at : at + size]) for at in range(0, len(lines), size)]


# -------------------------------------------------------------------------------------------------------------- streams


@dataclass(frozen=True)
class Stream:
    """A complete answer: one chunk a frame, what it says, and which chunk holds its end marker (``None``: the format has none)."""

    operation: Operation
    content_type: str
    chunks: list[bytes]
    outputs: dict[str, int]
    usage: Usage | None
    reason: str | None
    end: int | None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """All bytes."""
        return b"".join(self.chunks)

    def open(self) -> Dialect:
        """The dialect for this answer."""
        return open_dialect(self.operation, 200, self.content_type, self.headers)


def converse_stream(deltas: int = 3) -> Stream:
    """Reasoning with a signature, text, a tool call, and metadata with everything in it."""
    chunks = [
        converse_event("messageStart", {"role": "assistant"}),
        converse_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "Let me"}}}),
        converse_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"redactedContent": "c2VjcmV0"}}}),
        converse_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "c2lnbmVk"}}}),
        converse_event("contentBlockStop", {"contentBlockIndex": 0}),
        converse_event("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": ""}}),
        *(converse_event("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": f" word {n}"}}) for n in range(deltas)),
        converse_event("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"citation": {"title": "made up"}}}),
        converse_event("contentBlockStop", {"contentBlockIndex": 1}),
        converse_event("contentBlockStart", {"contentBlockIndex": 2, "start": {"toolUse": {"name": "find", "toolUseId": "t1"}}}),
        converse_event("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": ""}}}),
        converse_event("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '{"a":1}'}}}),
        converse_event("contentBlockStop", {"contentBlockIndex": 2}),
        converse_event("messageStop", {"stopReason": "tool_use"}),
        converse_event(
            "metadata",
            {
                "usage": {
                    "inputTokens": 4,
                    "outputTokens": 30,
                    "totalTokens": 1134,
                    "cacheReadInputTokens": 1000,
                    "cacheReadInputTokenCount": 1000,
                    "cacheWriteInputTokens": 100,
                    "cacheWriteInputTokenCount": 100,
                    "cacheDetails": [{"ttl": "5m", "inputTokens": 60}, {"ttl": "1h", "inputTokens": 40}],
                    "serverToolUsage": {},
                },
                "metrics": {"latencyMs": 522},
                "trace": {"promptRouter": {"invokedModelId": "made.up-v1:0"}},
                "performanceConfig": {"latency": "optimized"},
                "serviceTier": {"type": "priority"},
            },
        ),
    ]
    usage = Usage(1104, 30, 1000, 100, 40)
    outputs = {"reasoning": 2, "visible": deltas, "tool": 2}
    return Stream(CONVERSE_STREAM, EVENT_STREAM, chunks, outputs, usage, "tool_use", len(chunks) - 2)


def claude_events(deltas: int) -> list[dict[str, Any]]:
    """A Messages stream: thinking, encrypted thinking, text, a tool call; the end last."""
    head: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-made-up",
        "content": [],
        "stop_reason": None,
        "usage": {
            "input_tokens": 4,
            "output_tokens": 1,
            "cache_read_input_tokens": 1000,
            "cache_creation_input_tokens": 100,
            "cache_creation": {"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40},
            "service_tier": "standard",
        },
    }
    last = {"output_tokens": 30, "output_tokens_details": {"thinking_tokens": 12}}
    tool = {"type": "tool_use", "id": "t1", "name": "find", "input": {}}
    return [
        {"type": "message_start", "message": head},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Let me"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2lnbmVk"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "redacted_thinking", "data": "c2VjcmV0"}},
        {"type": "content_block_stop", "index": 1},
        {"type": "content_block_start", "index": 2, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": ""}},
        *({"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": f" word {n}"}} for n in range(deltas)),
        {"type": "content_block_stop", "index": 2},
        {"type": "content_block_start", "index": 3, "content_block": tool},
        {"type": "content_block_delta", "index": 3, "delta": {"type": "input_json_delta", "partial_json": ""}},
        {"type": "content_block_delta", "index": 3, "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'}},
        {"type": "content_block_stop", "index": 3},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}, "usage": last},
        {"type": "message_stop"},
    ]


CLAUDE_USAGE = Usage(1104, 30, 1000, 100, 40, 12)
METRICS = {
    "inputTokenCount": 4,
    "outputTokenCount": 28,
    "invocationLatency": 1200,
    "firstByteLatency": 340,
    "cacheReadInputTokenCount": 1000,
    "cacheWriteInputTokenCount": 100,
}
SECOND_USAGE = UsageReported(Usage(1104, 28, 1000, 100), preferred=False)


def anthropic_sse(deltas: int = 3) -> Stream:
    """Anthropic Messages as server-sent events."""
    chunks = [sse(value, value["type"]) for value in claude_events(deltas)]
    return Stream(ANTHROPIC, SSE, chunks, {"reasoning": 2, "visible": deltas, "tool": 2}, CLAUDE_USAGE, "tool_use", len(chunks) - 1)


def invoke_claude(deltas: int = 3) -> Stream:
    """Claude on InvokeModelWithResponseStream: the same events, Bedrock's metrics in the last."""
    events = claude_events(deltas)
    events[-1] = events[-1] | {"amazon-bedrock-invocationMetrics": METRICS}
    chunks = [chunk(value) for value in events]
    outputs = {"reasoning": 2, "visible": deltas, "tool": 2}
    return Stream(INVOKE_STREAM, EVENT_STREAM, chunks, outputs, CLAUDE_USAGE, "tool_use", len(chunks) - 1)


def invoke_nova(deltas: int = 3) -> Stream:
    """Nova on InvokeModelWithResponseStream: reasoning in both spellings, text, a tool call; a contentBlockStop behind every delta."""
    chunks = [chunk({"messageStart": {"role": "assistant"}})]
    for thought in ({"reasoningText": {"text": "Let me"}}, {"text": " see"}, {"reasoningText": {"signature": "c2lnbmVk"}}):
        chunks.append(chunk({"contentBlockDelta": {"delta": {"reasoningContent": thought}, "contentBlockIndex": 0}}))
        chunks.append(chunk({"contentBlockStop": {"contentBlockIndex": 0}}))
    for n in range(deltas):
        chunks.append(chunk({"contentBlockDelta": {"delta": {"text": f" word {n}"}, "contentBlockIndex": n}}))
        chunks.append(chunk({"contentBlockStop": {"contentBlockIndex": n}}))
    chunks.append(chunk({"contentBlockStart": {"start": {"toolUse": {"name": "find", "toolUseId": "t1"}}, "contentBlockIndex": deltas}}))
    chunks.append(chunk({"contentBlockDelta": {"delta": {"toolUse": {"input": '{"a":1}'}}, "contentBlockIndex": deltas}}))
    chunks.append(chunk({"messageStop": {"stopReason": "end_turn"}}))
    usage = {"inputTokens": 4, "outputTokens": 30, "cacheReadInputTokenCount": 1000, "cacheWriteInputTokenCount": 100}
    chunks.append(chunk({"metadata": {"usage": usage, "metrics": {}, "trace": {}}, "amazon-bedrock-invocationMetrics": METRICS}))
    outputs = {"reasoning": 2, "visible": deltas, "tool": 2}
    return Stream(INVOKE_STREAM, EVENT_STREAM, chunks, outputs, Usage(1104, 30, 1000, 100), "end_turn", len(chunks) - 2)


def invoke_llama(deltas: int = 3) -> Stream:
    """A family whose text is seen and whose counts come from Bedrock's metrics alone."""
    values: list[dict[str, Any]] = [{"generation": f" word {n}", "stop_reason": None} for n in range(deltas)]
    values.append({"generation": "", "stop_reason": "stop", "amazon-bedrock-invocationMetrics": METRICS})
    chunks = [chunk(value) for value in values]
    return Stream(INVOKE_STREAM, EVENT_STREAM, chunks, {"visible": deltas}, None, "stop", len(chunks) - 1)


def _completion(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-made-up", "choices": [choice]}


OPENAI_USAGE = {
    "prompt_tokens": 1104,
    "completion_tokens": 30,
    "total_tokens": 1134,
    "prompt_tokens_details": {"cached_tokens": 1000},
    "completion_tokens_details": {"reasoning_tokens": 12},
}


def completion_chunks(deltas: int) -> list[dict[str, Any]]:
    """A chat completion stream: a role, reasoning in both spellings, text, a tool call, the end, the usage."""
    call = {"index": 0, "id": "t1", "type": "function", "function": {"name": "find", "arguments": ""}}
    argument = {"index": 0, "function": {"arguments": '{"a":1}'}}
    return [
        _completion({"role": "assistant", "content": ""}),
        _completion({"reasoning": "Let me"}),
        _completion({"reasoning_content": " see"}),
        *(_completion({"content": f" word {n}"}) for n in range(deltas)),
        _completion({"tool_calls": [call]}),
        _completion({"tool_calls": [argument]}),
        _completion({}, "tool_calls"),
        _completion({}) | {"choices": [], "usage": OPENAI_USAGE},
    ]


def openai_sse(deltas: int = 3) -> Stream:
    """OpenAI chat completions as server-sent events."""
    chunks = [*(sse(value) for value in completion_chunks(deltas)), sse(b"[DONE]")]
    outputs = {"reasoning": 2, "visible": deltas, "tool": 2}
    return Stream(OPENAI_CHAT, SSE, chunks, outputs, Usage(1104, 30, 1000, reasoning_tokens=12), "tool_calls", len(chunks) - 1)


def sagemaker_vllm(deltas: int = 3) -> Stream:
    """vLLM's server-sent events, one in a part; what the reason to stop arrived with is its end, two chunks before the last."""
    inner = openai_sse(deltas)
    chunks = [part(line) for line in inner.chunks]
    return Stream(SAGEMAKER_STREAM, EVENT_STREAM, chunks, inner.outputs, inner.usage, inner.reason, len(chunks) - 3)


def sagemaker_vllm_repartitioned(deltas: int = 3) -> Stream:
    """The same, in parts that respect no line, so that no part has the end for itself."""
    inner = openai_sse(deltas)
    return Stream(SAGEMAKER_STREAM, EVENT_STREAM, repartition(inner.body, 37), inner.outputs, inner.usage, inner.reason, None)


def sagemaker_lmi(deltas: int = 3) -> Stream:
    """LMI's JSON lines; the input count is absent."""
    values: list[dict[str, Any]] = [{"token": {"id": n, "text": f" word {n}", "log_prob": -0.1}} for n in range(deltas)]
    details = {"finish_reason": "eos_token", "generated_tokens": 30, "inputs": "made up"}
    values.append({"token": {"id": 2, "text": " end", "log_prob": -0.1}, "generated_text": "made up", "details": details})
    chunks = [part(dumps(value) + b"\n") for value in values]
    return Stream(SAGEMAKER_STREAM, EVENT_STREAM, chunks, {"visible": deltas + 1}, Usage(output_tokens=30), "eos_token", len(chunks) - 1)


def sagemaker_tgi(deltas: int = 3) -> Stream:
    """TGI's server-sent events; the last token is a special one and no text."""
    values: list[dict[str, Any]] = [
        {"index": n, "token": {"id": n, "text": f" word {n}", "logprob": -0.1, "special": False}, "generated_text": None, "details": None}
        for n in range(deltas)
    ]
    details = {"finish_reason": "eos_token", "generated_tokens": 30, "input_length": 12, "seed": None}
    token = {"id": 2, "text": "</s>", "logprob": -0.1, "special": True}
    values.append({"index": deltas, "token": token, "generated_text": "made up", "details": details})
    chunks = [part(b"data:" + dumps(value) + b"\n\n") for value in values]
    return Stream(SAGEMAKER_STREAM, EVENT_STREAM, chunks, {"visible": deltas}, Usage(12, 30), "eos_token", len(chunks) - 1)


def sagemaker_outputs(deltas: int = 3) -> Stream:
    """LMI's dynamic batch: text without counts and without an end marker."""
    chunks = [part(dumps({"outputs": [f" word {n}"]}) + b"\n") for n in range(deltas)]
    return Stream(SAGEMAKER_STREAM, EVENT_STREAM, chunks, {"visible": deltas}, None, None, None)


STREAMS: dict[str, Callable[[int], Stream]] = {
    "converse_stream": converse_stream,
    "anthropic_sse": anthropic_sse,
    "openai_sse": openai_sse,
    "invoke_claude": invoke_claude,
    "invoke_nova": invoke_nova,
    "invoke_llama": invoke_llama,
    "sagemaker_vllm": sagemaker_vllm,
    "sagemaker_vllm_repartitioned": sagemaker_vllm_repartitioned,
    "sagemaker_lmi": sagemaker_lmi,
    "sagemaker_tgi": sagemaker_tgi,
    "sagemaker_outputs": sagemaker_outputs,
}


# --------------------------------------------------------------------------------------------------------- whole bodies

CONVERSE_BODY = {
    "output": {"message": {"role": "assistant", "content": [{"text": "made up"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 4, "outputTokens": 30, "totalTokens": 34},
    "metrics": {"latencyMs": 522},
}
CLAUDE_BODY = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-made-up",
    "content": [{"type": "text", "text": "made up"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 4, "output_tokens": 30, "service_tier": "standard"},
}
OPENAI_BODY = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-made-up",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "made up"}, "finish_reason": "stop"}],
    "usage": OPENAI_USAGE,
}
WHOLE: dict[str, tuple[Operation, bytes]] = {
    "converse": (CONVERSE, dumps(CONVERSE_BODY)),
    "anthropic": (ANTHROPIC, dumps(CLAUDE_BODY)),
    "openai_chat": (OPENAI_CHAT, dumps(OPENAI_BODY)),
    "invoke": (INVOKE, dumps(CLAUDE_BODY)),
    "sagemaker": (SAGEMAKER, dumps(OPENAI_BODY)),
}
