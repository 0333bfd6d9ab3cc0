"""OpenAI's chat completions: bodies and chunks as SSE. vLLM and Bedrock's OpenAI-compatible routes speak it too.

Knows: member names, which chunk carries the counts.
Must not know: HTTP, sockets, clocks.
"""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.records import Usage
from streamgauge.testing.script import Frame, Script
from streamgauge.testing.shapes_claude import Event, compact

DONE = b"data: [DONE]\n\n"

_MODEL = "chat-scripted"
_FINISH = {"end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls"}
_CREATED = 1_700_000_000
"""A fixed moment: equal scripts give equal bytes."""


def stream(script: Script, *, include_usage: bool) -> tuple[Frame, ...]:
    """All chunks of a scripted answer; counts only where the caller asked for them."""
    usage = script.usage() if include_usage and script.usage_reported else None
    frames = [Frame(sse(event.members), (event.kind,)) for event in chunks(script, include_usage=include_usage)]
    frames.append(Frame(sse(last_chunk(script, include_usage=include_usage)), ("block",)))
    if usage:
        frames.append(Frame(sse({**_chunk(script, None, include_usage), "usage": usage_members(usage)}), ("metadata",)))
    return (*frames, Frame(DONE, ("end",)))


def chunks(script: Script, *, include_usage: bool = False) -> Iterator[Event]:
    """The chunks before the reason to stop, without framing."""
    for members, kind in _deltas(script):
        yield Event(_chunk(script, members, include_usage), kind)


def last_chunk(script: Script, *, include_usage: bool = False) -> dict[str, object]:
    """The chunk with the reason to stop, without framing."""
    return _chunk(script, {}, include_usage, finish_reason(script.stop_reason))


def sse(members: dict[str, object]) -> bytes:
    """One chunk as server-sent event."""
    return f"data: {compact(members)}\n\n".encode()


def sse_error(code: str, text: str) -> bytes:
    """An error inside the stream."""
    return sse({"error": {"code": code, "message": text, "param": None, "type": "server_error"}})


def whole(script: Script) -> bytes:
    """The body of an answer that is not streamed."""
    return compact(whole_members(script)).encode()


def whole_members(script: Script) -> dict[str, object]:
    """The members of such a body."""
    message: dict[str, object] = {"content": "".join(script.words()) or None, "role": "assistant"}
    if script.reasoning:
        message["reasoning_content"] = script.reasoning
    if script.tool:
        message["tool_calls"] = [_call(0, script.tool[0], script.tool[1])]
    members: dict[str, object] = {
        "choices": [{"finish_reason": finish_reason(script.stop_reason), "index": 0, "logprobs": None, "message": message}],
        "created": _CREATED,
        "id": "chatcmpl-scripted",
        "model": script.model or _MODEL,
        "object": "chat.completion",
    }
    if script.service_tier:
        members["service_tier"] = script.service_tier
    if script.usage_reported:
        members["usage"] = usage_members(script.usage())
    return members


def usage_members(usage: Usage) -> dict[str, object]:
    """The ``usage`` object: here the input contains the cached tokens."""
    prompt, output = usage.input_tokens or 0, usage.output_tokens or 0
    members: dict[str, object] = {"completion_tokens": output, "prompt_tokens": prompt, "total_tokens": prompt + output}
    if usage.cache_read_tokens:
        members["prompt_tokens_details"] = {"cached_tokens": usage.cache_read_tokens}
    if usage.reasoning_tokens is not None:
        members["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return members


def finish_reason(stop_reason: str) -> str:
    """OpenAI's word for a stop reason."""
    return _FINISH.get(stop_reason, stop_reason)


def _deltas(script: Script) -> Iterator[tuple[dict[str, object], str]]:
    yield {"content": "", "role": "assistant"}, "start"
    for piece in script.thoughts():
        yield {"reasoning_content": piece}, "reasoning"
    if script.empty_delta:
        yield {"content": ""}, "empty"
    for piece in script.words():
        yield {"content": piece}, "output" if piece else "empty"
    if script.tool:
        yield {"tool_calls": [_call(0, script.tool[0], "")]}, "tool"
        for piece in script.arguments():
            yield {"tool_calls": [{"function": {"arguments": piece}, "index": 0}]}, "tool"


def _call(index: int, name: str, arguments: str) -> dict[str, object]:
    return {"function": {"arguments": arguments, "name": name}, "id": "call_scripted", "index": index, "type": "function"}


def _chunk(script: Script, delta: dict[str, object] | None, include_usage: bool, finish: str | None = None) -> dict[str, object]:
    choices = [] if delta is None else [{"delta": delta, "finish_reason": finish, "index": 0, "logprobs": None}]
    members: dict[str, object] = {
        "choices": choices,
        "created": _CREATED,
        "id": "chatcmpl-scripted",
        "model": script.model or _MODEL,
        "object": "chat.completion.chunk",
    }
    return members | {"usage": None} if include_usage else members
