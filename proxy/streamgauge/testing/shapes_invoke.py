"""InvokeModel and its stream: Claude's, Nova's and the other families' bodies, Bedrock's envelope, headers and invocation metrics.

Knows: member names, what goes into ``chunk.bytes``, the token-count headers.
Must not know: HTTP framing, sockets, clocks.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from streamgauge.testing import shapes_claude as claude
from streamgauge.testing.script import Frame, Script
from streamgauge.testing.shapes_claude import Event, compact
from streamgauge.testing.shapes_converse import usage_members
from streamgauge.testing.shapes_eventstream import event, padded
from streamgauge.testing.shapes_families import Family

METRICS = "amazon-bedrock-invocationMetrics"
INTERVENED: dict[str, object] = {"amazon-bedrock-guardrailAction": "INTERVENED", "amazon-bedrock-trace": {"guardrail": {}}}


def claude_stream(script: Script) -> tuple[Frame, ...]:
    """Claude's events as chunks; the last carries Bedrock's own metrics."""
    return _chunks(claude.events(script), script)


def nova_stream(script: Script) -> tuple[Frame, ...]:
    """Nova's events as chunks: a ``contentBlockStop`` after every delta."""
    return _chunks(list(_nova_events(script)), script)


def nova_whole(script: Script) -> bytes:
    """The body of a Nova answer."""
    content = [{"text": "".join(script.words())}]
    members: dict[str, object] = {"output": {"message": {"content": content, "role": "assistant"}}, "stopReason": script.stop_reason}
    if script.usage_reported:
        members["usage"] = _nova_usage(script)
    return compact(members).encode()


def family_stream(script: Script, family: Family) -> tuple[Frame, ...]:
    """Another family's chunks. Raises ``ValueError`` for one that does not stream."""
    if family.events is None:
        raise ValueError("this model does not stream")
    frames = _chunks(list(family.events(script)), script)
    return (*frames, Frame(_enveloped(b'"[DONE]"'), ("block",))) if family.says_done else frames


def whole(script: Script, family: Family | None, *, nova: bool) -> bytes:
    """The body of any family's answer, with what a guardrail adds."""
    body = compact(family.whole(script)).encode() if family is not None else nova_whole(script) if nova else claude.whole(script)
    return body[:-1] + b"," + compact(INTERVENED).encode()[1:] if script.guardrail_intervened else body


def headers(script: Script, *, generates: bool = True, ranks: bool = False) -> tuple[tuple[str, str], ...]:
    """What Bedrock's own headers say on a whole answer: counts without the cached tokens, latency in milliseconds.

    An embedding (not ``generates``) has no output count, a reranking (``ranks``) no count at all.
    """
    metrics = invocation_metrics(script)
    named = {
        "X-Amzn-Bedrock-Input-Token-Count": metrics["inputTokenCount"],
        "X-Amzn-Bedrock-Output-Token-Count": metrics["outputTokenCount"],
        "X-Amzn-Bedrock-Cache-Read-Input-Token-Count": metrics.get("cacheReadInputTokenCount", 0),
        "X-Amzn-Bedrock-Cache-Write-Input-Token-Count": metrics.get("cacheWriteInputTokenCount", 0),
        "X-Amzn-Bedrock-Invocation-Latency": metrics["invocationLatency"],
    }
    if ranks:
        named = {name: value for name, value in named.items() if "Token" not in name}
    elif not generates:
        named = {name: value for name, value in named.items() if "Output" not in name and "Cache" not in name}
    counts = tuple((name, str(value)) for name, value in named.items()) if script.usage_reported else ()
    return counts + served_headers(script)


def served_headers(script: Script) -> tuple[tuple[str, str], ...]:
    """Tier and latency mode as Bedrock returns them on whole and streamed answers."""
    tier = (("X-Amzn-Bedrock-Service-Tier", script.service_tier),) if script.service_tier else ()
    mode = (("X-Amzn-Bedrock-PerformanceConfig-Latency", script.latency_mode),) if script.latency_mode else ()
    return tier + mode


def invocation_metrics(script: Script) -> dict[str, int]:
    """Bedrock's family-independent second source of counts and latencies (milliseconds)."""
    usage = script.usage()
    read, write = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    outputs = script.outputs()
    second = script.second_output_tokens
    metrics = {
        "inputTokenCount": (usage.input_tokens or 0) - read - write,
        "outputTokenCount": (usage.output_tokens or 0) if second is None else second,
        "invocationLatency": round(1000 * script.ends_at(outputs)),
        "firstByteLatency": round(1000 * script.output_at(0)),
    }
    return metrics | ({"cacheReadInputTokenCount": read, "cacheWriteInputTokenCount": write} if read or write else {})


def chunk(members: dict[str, object]) -> bytes:
    """One model event in Bedrock's envelope."""
    return _enveloped(compact(members).encode())


def _enveloped(data: bytes) -> bytes:
    return event("chunk", padded({"bytes": base64.b64encode(data).decode()}))


def _chunks(events: list[Event], script: Script) -> tuple[Frame, ...]:
    *most, last = events
    end = {**last.members, METRICS: invocation_metrics(script)} if script.usage_reported else last.members
    if script.guardrail_intervened:
        end = {**end, **INTERVENED}
    return tuple(Frame(chunk(made.members), (made.kind,)) for made in (*most, Event(end, last.kind)))


def _nova_events(script: Script) -> Iterator[Event]:
    yield Event({"messageStart": {"role": "assistant"}}, "start")
    for index, (delta, kind) in enumerate(_nova_deltas(script)):
        yield Event({"contentBlockDelta": {"contentBlockIndex": index, "delta": delta}}, kind)
        yield Event({"contentBlockStop": {"contentBlockIndex": index}}, "block")
    if script.tool:
        index = len(tuple(_nova_deltas(script)))
        yield Event(
            {"contentBlockStart": {"contentBlockIndex": index, "start": {"toolUse": {"name": script.tool[0], "toolUseId": "t"}}}}, "tool"
        )
        for piece in script.arguments():
            yield Event({"contentBlockDelta": {"contentBlockIndex": index, "delta": {"toolUse": {"input": piece}}}}, "tool")
        yield Event({"contentBlockStop": {"contentBlockIndex": index}}, "block")
    yield Event({"messageStop": {"stopReason": script.stop_reason}}, "end")
    if script.usage_reported:
        yield Event({"metadata": {"metrics": {}, "trace": {}, "usage": _nova_usage(script)}}, "metadata")


def _nova_deltas(script: Script) -> Iterator[tuple[dict[str, object], str]]:
    if script.empty_delta:
        yield {"text": ""}, "empty"
    for piece in script.thoughts():
        yield {"reasoningContent": {"reasoningText": {"text": piece}}}, "reasoning"
    for piece in script.words():
        yield {"text": piece}, "output" if piece else "empty"


def _nova_usage(script: Script) -> dict[str, object]:
    usage = script.usage()
    members = usage_members(usage)
    return {
        "cacheReadInputTokenCount": usage.cache_read_tokens or 0,
        "cacheWriteInputTokenCount": usage.cache_write_tokens or 0,
        "inputTokens": members["inputTokens"],
        "outputTokens": members["outputTokens"],
        "totalTokens": members["totalTokens"],
    }
