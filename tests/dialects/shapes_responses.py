"""Bytes of OpenAI's Responses API. Event and member names are those of the openai Python SDK's types (Apache-2.0); the order of the events,
the padding member ``obfuscation`` and Mantle's ``event:`` line behind the data are as wire recordings of Bedrock show them. Texts are made up.
"""

from __future__ import annotations

from typing import Any

from streamgauge.records import Operation, Usage
from tests.dialects.shapes import SSE, Stream, dumps, sse

RESPONSES = Operation("bedrock-mantle", "Responses", "openai_responses")

USAGE_MEMBERS = {
    "input_tokens": 1104,
    "input_tokens_details": {"cached_tokens": 1000, "cache_write_tokens": 100},
    "output_tokens": 30,
    "output_tokens_details": {"reasoning_tokens": 12},
    "total_tokens": 1134,
}
USAGE = Usage(1104, 30, 1000, 100, reasoning_tokens=12)


def response(**members: Any) -> dict[str, Any]:
    """A response object; ``members`` over those of one that goes on."""
    base = {"id": "resp_1", "object": "response", "model": "gpt-made-up", "service_tier": "auto", "status": "in_progress"}
    return base | {"error": None, "incomplete_details": None, "output": [], "usage": None} | members


COMPLETED = response(status="completed", service_tier="default", usage=USAGE_MEMBERS)


def responses_events(deltas: int) -> list[dict[str, Any]]:
    """A stream: reasoning, its summary, text, a tool call; the finished response last."""
    message = {"type": "message", "role": "assistant", "content": []}
    text = {"type": "response.output_text.delta", "item_id": "m1", "logprobs": [], "obfuscation": "abcdefgh"}
    arguments = {"type": "response.function_call_arguments.delta", "item_id": "f1"}
    return [
        {"type": "response.created", "response": response()},
        {"type": "response.in_progress", "response": response()},
        {"type": "response.output_item.added", "item": {"type": "reasoning", "summary": [], "encrypted_content": "c2VjcmV0"}},
        {"type": "response.reasoning_text.delta", "delta": "Let me"},
        {"type": "response.reasoning_summary_text.delta", "delta": " see"},
        {"type": "response.output_item.done", "item": {"type": "reasoning", "summary": []}},
        {"type": "response.output_item.added", "item": message},
        {"type": "response.content_part.added", "part": {"type": "output_text", "text": ""}},
        text | {"delta": ""},
        *(text | {"delta": f" word {n}"} for n in range(deltas)),
        {"type": "response.output_text.done", "text": "made up"},
        {"type": "response.output_item.added", "item": {"type": "function_call", "name": "find", "arguments": ""}},
        arguments | {"delta": '{"a":1}'},
        {"type": "response.function_call_arguments.done", "arguments": '{"a":1}'},
        {"type": "response.completed", "response": COMPLETED},
    ]


def _stream(chunks: list[bytes], deltas: int) -> Stream:
    outputs = {"reasoning": 2, "visible": deltas, "tool": 2}
    return Stream(RESPONSES, SSE, chunks, outputs, USAGE, "completed", len(chunks) - 1)


def responses_sse(deltas: int = 3) -> Stream:
    """As OpenAI frames it."""
    return _stream([sse(event, event["type"]) for event in responses_events(deltas)], deltas)


def responses_mantle(deltas: int = 3) -> Stream:
    """As Mantle frames it: the data first, then the event's name."""
    chunks = [b"data: " + dumps(event) + b"\nevent: " + event["type"].encode() + b"\n\n" for event in responses_events(deltas)]
    return _stream(chunks, deltas)


STREAMS = {"responses_sse": responses_sse, "responses_mantle": responses_mantle}
WHOLE = {"openai_responses": (RESPONSES, dumps(COMPLETED))}
