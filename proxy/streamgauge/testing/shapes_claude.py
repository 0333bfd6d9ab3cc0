"""Anthropic's Messages protocol: bodies, events, and events as SSE.

Knows: member names, order of events, what is counted where.
Must not know: HTTP, sockets, clocks, Bedrock's envelope.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from streamgauge.records import Usage
from streamgauge.testing.script import Frame, Script

_MODEL = "claude-scripted"
_SIGNATURE = "c2lnbmVk"
_TOOL_ID = "toolu_scripted"


class Event(NamedTuple):
    """One event of the stream, and the kind of frame it is."""

    members: dict[str, object]
    kind: str


def events(script: Script) -> list[Event]:
    """All events of a scripted answer in the order of the real service."""
    stop: dict[str, object] = {"delta": {"stop_reason": script.stop_reason, "stop_sequence": None}, "type": "message_delta"}
    if script.usage_reported:
        stop["usage"] = _output_usage(script.usage())
    return [
        Event({"message": _message(script), "type": "message_start"}, "start"),
        *([Event({"type": "ping"}, "ping")] if script.pings else []),
        *_blocks(script),
        Event(stop, "metadata"),
        Event({"type": "message_stop"}, "end"),
    ]


def sse(members: dict[str, object]) -> bytes:
    """One event as server-sent event."""
    return f"event: {members['type']}\ndata: {compact(members)}\n\n".encode()


def sse_stream(script: Script) -> tuple[Frame, ...]:
    """The answer as server-sent events."""
    return tuple(Frame(sse(event.members), (event.kind,)) for event in events(script))


def sse_error(code: str, text: str) -> bytes:
    """An error inside the stream."""
    return sse({"error": {"message": text, "type": code}, "type": "error"})


def whole(script: Script) -> bytes:
    """The body of an answer that is not streamed."""
    content: list[dict[str, object]] = []
    if script.reasoning:
        content.append({"signature": _SIGNATURE, "thinking": script.reasoning, "type": "thinking"})
    if script.words():
        content.append({"text": "".join(script.words()), "type": "text"})
    if script.tool:
        name, argument = script.tool
        content.append({"id": _TOOL_ID, "input": json.loads(argument), "name": name, "type": "tool_use"})
    members = {**_message(script), "content": content, "stop_reason": script.stop_reason}
    if script.usage_reported:
        members["usage"] = _input_usage(script.usage()) | _output_usage(script.usage())
    return compact(members).encode()


def compact(members: object) -> str:
    """JSON without spaces."""
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False)


def _message(script: Script) -> dict[str, object]:
    members: dict[str, object] = {
        "content": [],
        "id": "msg_bdrk_scripted",
        "model": script.model or _MODEL,
        "role": "assistant",
        "stop_reason": None,
        "stop_sequence": None,
        "type": "message",
    }
    if script.usage_reported:
        # The first count of output is no count of the answer: the real service says 1 to 8 here.
        members["usage"] = _input_usage(script.usage()) | {"output_tokens": 1}
    return members


def _input_usage(usage: Usage) -> dict[str, object]:
    read, write, hour = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0, usage.cache_write_1h_tokens or 0
    return {
        "cache_creation": {"ephemeral_1h_input_tokens": hour, "ephemeral_5m_input_tokens": write - hour},
        "cache_creation_input_tokens": write,
        "cache_read_input_tokens": read,
        "input_tokens": (usage.input_tokens or 0) - read - write,
    }


def _output_usage(usage: Usage) -> dict[str, object]:
    members: dict[str, object] = {"output_tokens": usage.output_tokens}
    if usage.reasoning_tokens is not None:
        members["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return members


def _blocks(script: Script) -> Iterator[Event]:
    index = 0
    if script.thoughts():
        yield _opened(index, {"signature": "", "thinking": "", "type": "thinking"}, "block")
        for piece in script.thoughts():
            yield _delta(index, {"thinking": piece, "type": "thinking_delta"}, "reasoning")
        yield _delta(index, {"signature": _SIGNATURE, "type": "signature_delta"}, "block")
        yield _closed(index)
        index += 1
    if script.words() or script.empty_delta:
        yield from _text(index, script)
        index += 1
    if script.tool:
        # The name is generated output; it stands in the block's start.
        yield _opened(index, {"id": _TOOL_ID, "input": {}, "name": script.tool[0], "type": "tool_use"}, "tool")
        for piece in script.arguments():
            yield _delta(index, {"partial_json": piece, "type": "input_json_delta"}, "tool")
        yield _closed(index)


def _text(index: int, script: Script) -> Iterator[Event]:
    yield _opened(index, {"text": "", "type": "text"}, "block")
    if script.empty_delta:
        yield _delta(index, {"text": "", "type": "text_delta"}, "empty")
    for piece in script.words():
        yield _delta(index, {"text": piece, "type": "text_delta"}, "output" if piece else "empty")
    yield _closed(index)


def _opened(index: int, block: dict[str, object], kind: str) -> Event:
    return Event({"content_block": block, "index": index, "type": "content_block_start"}, kind)


def _delta(index: int, delta: dict[str, object], kind: str) -> Event:
    return Event({"delta": delta, "index": index, "type": "content_block_delta"}, kind)


def _closed(index: int) -> Event:
    return Event({"index": index, "type": "content_block_stop"}, "block")
