"""OpenAI's Responses API: the response object, and its events as SSE in Mantle's order, the data before the event's name.

Knows: member names, which event carries the counts.
Must not know: HTTP, sockets, clocks.
"""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.records import Usage
from streamgauge.testing.script import Frame, Script
from streamgauge.testing.shapes_claude import Event, compact

_MODEL = "responses-scripted"
_CREATED = 1_700_000_000
"""A fixed moment: equal scripts give equal bytes."""
_PADDING = "abcdefgh"


def stream(script: Script) -> tuple[Frame, ...]:
    """All events of a scripted response."""
    events = enumerate(_events(script))
    return tuple(Frame(sse({**event.members, "sequence_number": number}), (event.kind,)) for number, event in events)


def sse(members: dict[str, object]) -> bytes:
    """One event as Mantle writes it."""
    return f"data: {compact(members)}\nevent: {members['type']}\n\n".encode()


def sse_error(code: str, text: str) -> bytes:
    """An error inside the stream."""
    return sse({"code": code, "message": text, "param": None, "sequence_number": 0, "type": "error"})


def whole(script: Script) -> bytes:
    """The body of a response that is not streamed."""
    return compact(_finished(script)).encode()


def usage_members(usage: Usage) -> dict[str, object]:
    """The ``usage`` object: here the input contains the cached tokens."""
    asked, said = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "input_tokens": asked,
        "input_tokens_details": {"cached_tokens": usage.cache_read_tokens or 0, "cache_write_tokens": usage.cache_write_tokens or 0},
        "output_tokens": said,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": asked + said,
    }


def _response(script: Script, **members: object) -> dict[str, object]:
    return {
        "id": "resp_scripted",
        "created_at": _CREATED,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": script.model or _MODEL,
        "object": "response",
        "output": [],
        "parallel_tool_calls": True,
        "service_tier": "auto",
        "status": "in_progress",
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": None,
    } | members


def _finished(script: Script) -> dict[str, object]:
    cut = script.stop_reason == "max_tokens"
    return _response(
        script,
        incomplete_details={"reason": "max_output_tokens"} if cut else None,
        output=list(_items(script)),
        service_tier=script.service_tier or "default",
        status="incomplete" if cut else "completed",
        usage=usage_members(script.usage()) if script.usage_reported else None,
    )


def _items(script: Script) -> Iterator[dict[str, object]]:
    if script.reasoning:
        thoughts = [{"type": "reasoning_text", "text": script.reasoning}]
        yield {"id": "rs", "type": "reasoning", "summary": [], "content": thoughts}
    if script.words():
        content: list[dict[str, object]] = [{"type": "output_text", "text": "".join(script.words()), "annotations": []}]
        yield {"id": "msg", "type": "message", "role": "assistant", "status": "completed", "content": content}
    if script.tool:
        yield {**_call(script.tool[0]), "arguments": script.tool[1], "status": "completed"}


def _call(name: str) -> dict[str, object]:
    return {"id": "fc", "type": "function_call", "call_id": "call_scripted", "name": name, "arguments": "", "status": "in_progress"}


def _events(script: Script) -> Iterator[Event]:
    for kind in ("response.created", "response.in_progress"):
        yield Event({"type": kind, "response": _response(script)}, "start")
    index = 0
    if script.thoughts():
        yield _added(index, {"id": "rs", "type": "reasoning", "summary": []}, "block")
        for piece in script.thoughts():
            yield _delta("response.reasoning_text", "rs", index, piece, "reasoning")
        index += 1
    if script.words() or script.empty_delta:
        yield from _message(index, script)
        index += 1
    if script.tool:
        # The name is generated output; it stands where the item is added.
        yield _added(index, _call(script.tool[0]), "tool")
        for piece in script.arguments():
            yield _delta("response.function_call_arguments", "fc", index, piece, "tool")
    finished = _finished(script)
    yield Event({"type": f"response.{finished['status']}", "response": finished}, "end")


def _message(index: int, script: Script) -> Iterator[Event]:
    yield _added(index, {"id": "msg", "type": "message", "role": "assistant", "status": "in_progress", "content": []}, "block")
    part: dict[str, object] = {"type": "output_text", "text": "", "annotations": []}
    yield Event({"type": "response.content_part.added", "item_id": "msg", "output_index": index, "content_index": 0, "part": part}, "block")
    for piece in ("", *script.words()) if script.empty_delta else script.words():
        yield _delta("response.output_text", "msg", index, piece, "output" if piece else "empty")


def _added(index: int, item: dict[str, object], kind: str) -> Event:
    return Event({"type": "response.output_item.added", "output_index": index, "item": item}, kind)


def _delta(name: str, item: str, index: int, piece: str, kind: str) -> Event:
    text = {"content_index": 0, "logprobs": []} if name.endswith("text") else {}
    members = {"type": f"{name}.delta", "item_id": item, "output_index": index, **text, "delta": piece, "obfuscation": _PADDING}
    return Event(members, kind)
