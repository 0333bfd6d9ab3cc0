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
from streamgauge.testing import shapes_families as families
from streamgauge.testing import shapes_invoke as invoke
from streamgauge.testing import shapes_openai as openai
from streamgauge.testing import shapes_responses as responses
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
    family = families.family_of(received.model)
    generates = family is None or family.events is not None or "j2" in (received.model or "")
    headers = invoke.headers(script, generates=generates, ranks="rerank" in (received.model or ""))
    return whole("InvokeModel", "bedrock", JSON + headers, invoke.whole(script, family, nova=_is_nova(received)))


def _invoke_stream(received: Received, script: Script) -> Answer:
    family = families.family_of(received.model)
    if family is not None:
        frames = invoke.family_stream(script, family)
    else:
        frames = invoke.nova_stream(script) if _is_nova(received) else invoke.claude_stream(script)
    headers = (*EVENTS, ("X-Amzn-Bedrock-Content-Type", "application/json"), *invoke.served_headers(script))
    faults = _bedrock_faults(script)
    return Answer("InvokeModelWithResponseStream", "bedrock", headers, frames, streamed=True, faults=faults)


def _endpoint(received: Received, script: Script) -> Answer:
    make = {"lmi": sagemaker.lmi_whole, "outputs": sagemaker.lmi_whole, "tgi": sagemaker.tgi_whole, "vllm": openai.whole}
    return whole("InvokeEndpoint", "sagemaker", JSON + VARIANT, make[_container(received, script)](script))


def _endpoint_stream(received: Received, script: Script) -> Answer:
    container = _container(received, script)
    lmi = container in ("lmi", "outputs")
    streams = {"lmi": sagemaker.lmi_stream, "outputs": sagemaker.outputs_stream, "tgi": sagemaker.tgi_stream}
    inner = streams[container](script) if container in streams else openai.stream(script, include_usage=_asks_usage(received))
    kind = "application/jsonlines" if lmi else "text/event-stream"
    name = script.exception or "ModelStreamError"
    faults = eventstream_faults(name, {"ErrorCode": "ModelInvocationTimeExceeded", "Message": script.error_message})
    if lmi:
        faults["error_line"] = sagemaker.part(sagemaker.lmi_error_line())
    headers = (*EVENTS, ("X-Amzn-SageMaker-Content-Type", kind), *VARIANT)
    frames = sagemaker.parts(inner, script.part_shift)
    return Answer("InvokeEndpointWithResponseStream", "sagemaker", headers, frames, streamed=True, faults=faults)


def _endpoint_async(_: Received, __: Script) -> Answer:
    """The answer goes to S3; what comes back is where."""
    headers = (*JSON, ("X-Amzn-SageMaker-OutputLocation", "s3://scripted/out"))
    return whole("InvokeEndpointAsync", "sagemaker", headers, b'{"InferenceId":"scripted"}')


def _async_invoke(_: Received, __: Script) -> Answer:
    return whole("StartAsyncInvoke", "bedrock", JSON, b'{"invocationArn":"arn:aws:bedrock:us-east-1:111122223333:async-invoke/scripted"}')


def _rerank(_: Received, __: Script) -> Answer:
    return whole("Rerank", "bedrock", JSON, b'{"results":[{"index":0,"relevanceScore":0.75}]}')


def _responses(received: Received, script: Script) -> Answer:
    if received.json.get("stream") is not True:
        return whole("Responses", "openai", JSON, responses.whole(script))
    faults = {"exception": responses.sse_error(script.exception or "server_error", script.error_message)}
    return Answer("Responses", "openai", SSE, responses.stream(script), streamed=True, faults=faults)


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


def _container(received: Received, script: Script) -> str:
    return script.container or ("vllm" if "messages" in received.json else "lmi")


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
    (re.compile(r"/endpoints/[^/]+/async-invocations$"), _endpoint_async),
    (re.compile(r"^/async-invoke$"), _async_invoke),
    (re.compile(r"^/rerank$"), _rerank),
    (re.compile(r"/responses$"), _responses),
    (re.compile(r"/chat/completions$"), _chat),
    (re.compile(r"/messages$"), _messages),
)
