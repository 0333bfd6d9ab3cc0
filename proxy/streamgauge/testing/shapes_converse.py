"""Converse and ConverseStream: the bodies and events of Bedrock's own protocol.

Knows: member names, order of events, which blocks have a start.
Must not know: HTTP, sockets, clocks.
"""

from __future__ import annotations

import json

from streamgauge.records import Usage
from streamgauge.testing.script import Frame, Script
from streamgauge.testing.shapes_eventstream import event, padded

EXCEPTION = "modelStreamErrorException"


def start() -> Frame:
    """``messageStart``: the role, no output."""
    return Frame(event("messageStart", padded({"role": "assistant"})), ("start",))


def text(piece: str, index: int = 0) -> Frame:
    """A delta of visible text; an empty one is no output."""
    return _delta({"text": piece}, index, "output" if piece else "empty")


def thought(piece: str, index: int = 0) -> Frame:
    """A delta of reasoning text."""
    return _delta({"reasoningContent": {"text": piece}}, index, "reasoning")


def signature(index: int = 0) -> Frame:
    """The signature that closes a reasoning block; no output."""
    return _delta({"reasoningContent": {"signature": "c2lnbmVk"}}, index, "block")


def tool_start(name: str, index: int) -> Frame:
    """The start of a tool call; its name is generated output."""
    body = {"contentBlockIndex": index, "start": {"toolUse": {"name": name, "toolUseId": "tooluse_scripted"}}}
    return Frame(event("contentBlockStart", padded(body)), ("tool",))


def tool_argument(piece: str, index: int) -> Frame:
    """A fragment of a tool call's JSON argument."""
    return _delta({"toolUse": {"input": piece}}, index, "tool")


def block_stop(index: int = 0) -> Frame:
    """The end of one content block."""
    return Frame(event("contentBlockStop", padded({"contentBlockIndex": index})), ("block",))


def stop(reason: str = "end_turn") -> Frame:
    """``messageStop``: the stream's own end marker."""
    return Frame(event("messageStop", padded({"stopReason": reason})), ("end",))


def metadata(usage: Usage, latency_ms: int, extra: dict[str, object] | None = None) -> Frame:
    """``metadata``: counts and the service's own latency in milliseconds."""
    body = {"metrics": {"latencyMs": latency_ms}, "usage": usage_members(usage), **(extra or {})}
    return Frame(event("metadata", padded(body)), ("metadata",))


def usage_members(usage: Usage) -> dict[str, object]:
    """The ``usage`` object: input without the cached tokens, the cache members (under both their names) only where there was a cache."""
    read, write = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    fresh = (usage.input_tokens or 0) - read - write
    output = usage.output_tokens or 0
    members: dict[str, object] = {"inputTokens": fresh, "outputTokens": output, "serverToolUsage": {}}
    members["totalTokens"] = fresh + output + read + write
    if read or write:
        members |= {"cacheReadInputTokens": read, "cacheReadInputTokenCount": read}
        members |= {"cacheWriteInputTokens": write, "cacheWriteInputTokenCount": write}
    if hour := usage.cache_write_1h_tokens:
        members["cacheDetails"] = [{"ttl": "1h", "inputTokens": hour}, {"ttl": "5m", "inputTokens": write - hour}]
    return members


def stream(script: Script) -> tuple[Frame, ...]:
    """All frames of a scripted ConverseStream, in the order of the real service."""
    frames, index = [start()], 0
    if script.thoughts():
        frames += [*(thought(piece, index) for piece in script.thoughts()), signature(index), block_stop(index)]
        index += 1
    if script.empty_delta:
        frames.append(text("", index))
    if script.words():
        frames += [*(text(piece, index) for piece in script.words()), block_stop(index)]
        index += 1
    if script.tool:
        frames += [tool_start(script.tool[0], index), *(tool_argument(piece, index) for piece in script.arguments()), block_stop(index)]
    frames.append(stop(script.stop_reason))
    if script.usage_reported:
        frames.append(metadata(script.usage(), _latency_ms(script), _served(script)))
    return tuple(frames)


def whole(script: Script) -> bytes:
    """The body of a scripted Converse answer."""
    content: list[dict[str, object]] = []
    if script.reasoning:
        content.append({"reasoningContent": {"reasoningText": {"text": script.reasoning, "signature": "c2lnbmVk"}}})
    if script.words():
        content.append({"text": "".join(script.words())})
    if script.tool:
        name, argument = script.tool
        content.append({"toolUse": {"input": json.loads(argument), "name": name, "toolUseId": "tooluse_scripted"}})
    return body(content, script.stop_reason, script.usage(), _latency_ms(script), _served(script))


def body(content: list[dict[str, object]], reason: str, usage: Usage, latency_ms: int, extra: dict[str, object] | None = None) -> bytes:
    """A Converse body from its parts."""
    members = {
        "metrics": {"latencyMs": latency_ms},
        "output": {"message": {"content": content, "role": "assistant"}},
        "stopReason": reason,
        "usage": usage_members(usage),
        **(extra or {}),
    }
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _delta(delta: dict[str, object], index: int, kind: str) -> Frame:
    return Frame(event("contentBlockDelta", padded({"contentBlockIndex": index, "delta": delta})), (kind,))


def _latency_ms(script: Script) -> int:
    return round(1000 * script.ends_at(script.outputs()))


def _served(script: Script) -> dict[str, object]:
    served: dict[str, object] = {}
    if script.latency_mode:
        served["performanceConfig"] = {"latency": script.latency_mode}
    if script.service_tier:
        served["serviceTier"] = {"type": script.service_tier}
    return served
