"""Which protocol a request speaks, and the frames a script gives in it.

Knows: paths of Bedrock, SageMaker, OpenAI- and Anthropic-compatible routes.
Must not know: sockets, clocks, how an answer is cut and timed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from streamgauge.testing import shapes_claude as claude
from streamgauge.testing import shapes_converse as converse
from streamgauge.testing import shapes_errors as errors
from streamgauge.testing import shapes_eventstream as eventstream
from streamgauge.testing import shapes_invoke as invoke
from streamgauge.testing import shapes_openai as openai
from streamgauge.testing import shapes_sagemaker as sagemaker
from streamgauge.testing.received import Received
from streamgauge.testing.script import Frame, Script

Headers = tuple[tuple[str, str], ...]

JSON: Headers = (("Content-Type", "application/json"),)
SSE: Headers = (("Content-Type", "text/event-stream; charset=utf-8"),)
EVENTS: Headers = (("Content-Type", eventstream.CONTENT_TYPE),)
VARIANT: Headers = (("x-Amzn-Invoked-Production-Variant", "AllTraffic"),)


@dataclass(frozen=True)
class Answer:
    """A good answer in one protocol: its head, its frames in order, and the bytes of its in-stream faults by name."""

    operation: str
    style: errors.Style
    headers: Headers
    frames: tuple[Frame, ...]
    streamed: bool
    faults: Mapping[str, bytes] = field(default_factory=dict)


def answer(received: Received, script: Script) -> Answer | None:
    """The answer to a request, or None where the real service would not know the path."""
    for pattern, make in _TABLE:
        if pattern.search(received.path):
            return make(received, script)
    return None


def eventstream_faults(name: str, members: dict[str, object]) -> dict[str, bytes]:
    """The in-stream faults of an event stream: a modelled exception and an unmodelled error."""
    return {"exception": eventstream.exception(name, members), "error_frame": eventstream.error("InternalFailure", "scripted")}


def whole(operation: str, style: errors.Style, headers: Headers, body: bytes) -> Answer:
    """An answer that is one body."""
    return Answer(operation, style, headers, (Frame(body, ("body",)),), streamed=False)


def _converse(_: Received, script: Script) -> Answer:
    return whole("Converse", "bedrock", JSON, converse.whole(script))


def _converse_stream(_: Received, script: Script) -> Answer:
    faults = _bedrock_faults(script)
    return Answer("ConverseStream", "bedrock", EVENTS, converse.stream(script), streamed=True, faults=faults)


def _invoke(received: Received, script: Script) -> Answer:
    body = invoke.nova_whole(script) if _is_nova(received) else claude.whole(script)
    return whole("InvokeModel", "bedrock", JSON + invoke.headers(script), body)


def _invoke_stream(received: Received, script: Script) -> Answer:
    frames = invoke.nova_stream(script) if _is_nova(received) else invoke.claude_stream(script)
    headers = (*EVENTS, ("X-Amzn-Bedrock-Content-Type", "application/json"), *invoke.served_headers(script))
    faults = _bedrock_faults(script)
    return Answer("InvokeModelWithResponseStream", "bedrock", headers, frames, streamed=True, faults=faults)


def _endpoint(received: Received, script: Script) -> Answer:
    body = sagemaker.lmi_whole(script) if _is_lmi(received, script) else openai.whole(script)
    return whole("InvokeEndpoint", "sagemaker", JSON + VARIANT, body)


def _endpoint_stream(received: Received, script: Script) -> Answer:
    lmi = _is_lmi(received, script)
    inner = sagemaker.lmi_stream(script) if lmi else openai.stream(script, include_usage=_asks_usage(received))
    kind = "application/jsonlines" if lmi else "text/event-stream"
    name = script.exception or "ModelStreamError"
    faults = eventstream_faults(name, {"ErrorCode": "ModelInvocationTimeExceeded", "Message": script.error_message})
    if lmi:
        faults["error_line"] = sagemaker.part(sagemaker.lmi_error_line())
    headers = (*EVENTS, ("X-Amzn-SageMaker-Content-Type", kind), *VARIANT)
    frames = sagemaker.parts(inner, script.part_shift)
    return Answer("InvokeEndpointWithResponseStream", "sagemaker", headers, frames, streamed=True, faults=faults)


def _chat(received: Received, script: Script) -> Answer:
    if received.json.get("stream") is not True:
        return whole("ChatCompletions", "openai", JSON, openai.whole(script))
    frames = openai.stream(script, include_usage=_asks_usage(received))
    faults = {"exception": openai.sse_error(script.exception or "internal_error", script.error_message)}
    return Answer("ChatCompletions", "openai", SSE, frames, streamed=True, faults=faults)


def _messages(received: Received, script: Script) -> Answer:
    if received.json.get("stream") is not True:
        return whole("Messages", "anthropic", JSON, claude.whole(script))
    faults = {"exception": claude.sse_error(script.exception or "overloaded_error", script.error_message)}
    return Answer("Messages", "anthropic", SSE, claude.sse_stream(script), streamed=True, faults=faults)


def _bedrock_faults(script: Script) -> dict[str, bytes]:
    return eventstream_faults(script.exception or converse.EXCEPTION, {"message": script.error_message})


def _is_nova(received: Received) -> bool:
    return "nova" in (received.model or "")


def _is_lmi(received: Received, script: Script) -> bool:
    return script.container == "lmi" or (script.container is None and "messages" not in received.json)


def _asks_usage(received: Received) -> bool:
    options = received.json.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


_TABLE: tuple[tuple[re.Pattern[str], Callable[[Received, Script], Answer]], ...] = (
    (re.compile(r"/model/.+/converse$"), _converse),
    (re.compile(r"/model/.+/converse-stream$"), _converse_stream),
    (re.compile(r"/model/.+/invoke$"), _invoke),
    (re.compile(r"/model/.+/invoke-with-response-stream$"), _invoke_stream),
    (re.compile(r"/endpoints/[^/]+/invocations$"), _endpoint),
    (re.compile(r"/endpoints/[^/]+/invocations-response-stream$"), _endpoint_stream),
    (re.compile(r"/chat/completions$"), _chat),
    (re.compile(r"/messages$"), _messages),
)
