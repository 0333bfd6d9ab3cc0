"""The calls that carry the canaries: what a client writes to its socket, and what the upstream answers it."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from streamgauge.testing import Script
from streamgauge.testing.received import Received
from streamgauge.testing.shapes_eventstream import error, event
from tests.e2e.canaries import canary

QUICK: dict[str, Any] = {"ttft": 0.0, "gap": 0.0}
KEY_ID = "AKIDCALLER"
MODEL = "anthropic.claude-made-up-v1:0"
SIGNED = (
    f"Authorization: AWS4-HMAC-SHA256 Credential={KEY_ID}/20261125/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date,"
    f" Signature={canary('caller signature')}"
)
"""Not what was signed: re-signing does not ask."""

CUT = "cut"
LARGEST_BODY = 1 << 20
"""``max_request_bytes`` of the proxy these calls go to."""


@dataclass(frozen=True)
class Call:
    """One connection: these bytes; the answer that the upstream gives them, if it is no ordinary one. ``leaves``: the client closes
    without reading.
    """

    name: str
    request: bytes
    answer: Script | None = None
    leaves: bool = False


def calls(host: str) -> list[Call]:
    """All of them, for a proxy that listens on ``host`` (with its port)."""
    return [*_asked(host), *_addressed(host), *_refused(host), *_answered(host), *_raw_answers(host), *_malformed(host)]


def answer(received: Received) -> Script:
    """What the upstream answers: the script of the case a request names."""
    return _ANSWERS.get(received.header("x-case") or "", Script(**QUICK))


def send(address: tuple[str, int], call: Call) -> bytes:
    """Make the call on a connection of its own, and read until its end."""
    got = b""
    with socket.create_connection(address, timeout=20) as connection:
        try:
            connection.sendall(call.request)
            while not call.leaves and (part := connection.recv(65_536)):
                got += part
        except ConnectionError:
            pass  # the case asked for it
    return got


def _request(name: str, host: str, target: str, body: Any, *headers: str, method: str = "POST") -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", f"x-case: {name}", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(content)}", "Connection: close", "", ""]).encode("latin-1") + content


def _model(operation: str, model: str = MODEL) -> str:
    return f"/model/{model}/{operation}"


def _asked(host: str) -> Iterator[Call]:
    tool = {"toolSpec": {"name": "level", "description": canary("tool description"), "inputSchema": {"json": {"type": "object"}}}}
    use = {"toolUse": {"toolUseId": "t1", "name": "level", "input": {"at": canary("tool argument")}}}
    result = {"toolResult": {"toolUseId": "t1", "content": [{"text": canary("tool result")}]}}
    body = {
        "system": [{"text": canary("system prompt")}],
        "messages": [
            {"role": "user", "content": [{"text": canary("prompt")}]},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [result]},
        ],
        "toolConfig": {"tools": [tool]},
        "guardrailConfig": {"guardrailIdentifier": f"see {canary('guardrail')}"},
        "serviceTier": {"type": f"see {canary('tier')}"},
        "performanceConfig": {"latency": f"see {canary('latency mode')}"},
        "requestMetadata": {"team": canary("metadata")},
    }
    head = (
        SIGNED,
        f"x-custom: {canary('custom header')}",
        f"X-Amzn-Bedrock-Request-Metadata: {json.dumps({'who': canary('request metadata')})}",
        f"Cookie: session={canary('cookie')}",
        f"X-Amz-Security-Token: {canary('caller token')}",
        f"User-Agent: made-up/1.0 ({canary('user agent')}) app/canaries",
        f"traceparent: {canary('trace header')}",
        f"amz-sdk-invocation-id: {canary('retry header')}",
        f"{canary('header name')[:12]}: 1",
    )
    yield Call("asked", _request("asked", host, _model("converse-stream"), body, *head))
    bearer = f"Authorization: Bearer {canary('bearer key')}"
    yield Call("bearer", _request("bearer", host, _model("converse"), body, bearer))
    password = base64.b64encode(f"user:{canary('basic password')}".encode()).decode()
    proxied = base64.b64encode(f"user:{canary('proxy password')}".encode()).decode()
    yield Call(
        "basic",
        _request("basic", host, _model("converse"), body, f"Authorization: Basic {password}", f"Proxy-Authorization: Basic {proxied}"),
    )
    yield Call("key", _request("key", host, "/anthropic/v1/messages", {"messages": [], "stream": True}, f"x-api-key: {canary('api key')}"))
    endpoint = (
        f"X-Amzn-SageMaker-Custom-Attributes: {canary('custom attributes')}",
        f"X-Amzn-SageMaker-Session-Id: {canary('session id')}",
    )
    inputs = {"inputs": canary("sagemaker prompt"), "parameters": {"max_new_tokens": 4}}
    yield Call("endpoint", _request("endpoint", host, "/endpoints/llama/invocations", inputs, *endpoint))
    yield Call("unknown", _request("unknown", host, "/nobody/knows", canary("unknown body").encode(), bearer))


def _addressed(host: str) -> Iterator[Call]:
    true_host = "bedrock-runtime.us-east-1.amazonaws.com"
    body: dict[str, Any] = {"messages": []}
    yield Call("query", _request("query", host, f"/nobody/knows?q={canary('query')}#{canary('fragment')}", body))
    yield Call("path", _request("path", host, f"/nobody/{canary('path')}/knows", b"", method="PATCH"))
    yield Call("model query", _request("model query", host, f"{_model('converse')}?q={canary('model query')}", body))
    yield Call(
        "forward", _request("forward", true_host, f"http://{true_host}{_model('converse')}?q={canary('forward query')}", body, SIGNED)
    )
    user = f"http://user:{canary('forward user')[:12]}@{true_host}{_model('converse')}"
    yield Call("forward user", _request("forward user", true_host, user, body))
    foreign = f"{canary('forward host')[:12]}.example.com"
    yield Call("forward host", _request("forward host", foreign, f"http://{foreign}/model/m/converse", body))
    yield Call("foreign host", _request("foreign host", f"{canary('foreign host')[:12]}.example.com", "/model/m/converse", body))


def _refused(host: str) -> Iterator[Call]:
    large = canary("oversized body").encode() * (LARGEST_BODY // 20)
    yield Call("oversized", _request("oversized", host, _model("converse"), large))
    whole = _request("abandoned", host, _model("converse"), canary("abandoned body").encode() * 50)
    yield Call("abandoned", whole[:-20], leaves=True)


def _answered(host: str) -> Iterator[Call]:
    body: dict[str, Any] = {"messages": [], "stream": True, "stream_options": {"include_usage": True}}
    for name, (target, _) in _SCRIPTED.items():
        whole: dict[str, Any] = {"messages": []} if name.startswith("whole") else {"inputs": "x"} if name.startswith("lmi") else body
        yield Call(name, _request(name, host, target, whole), _ANSWERS[name])


def _raw_answers(host: str) -> Iterator[Call]:
    for name in _RAW:
        target = "/v1/chat/completions" if "sse" in name else _model("converse-stream")
        yield Call(name, _request(name, host, target, {"messages": [], "stream": True}), _ANSWERS[name])


def _malformed(host: str) -> Iterator[Call]:
    def text(name: str, *lines: str) -> Call:
        return Call(name, "\r\n".join([*lines, "", ""]).encode("latin-1"))

    line, field = f"POST {_model('converse')} HTTP/1.1", f"Host: {host}"
    chunked = (line, field, "Transfer-Encoding: chunked", "")
    secret = canary
    yield text("request line", f"POST {secret('request line')} and more HTTP/1.1", field, "")
    yield text("control characters", line, field, f"x-custom: {secret('control characters')}\x00\x07", "")
    yield text("folded header", line, field, "x-custom: a", f" {secret('folded header')}", "")
    yield text("header without colon", line, field, secret("header without colon"), "")
    yield text("two lengths", line, field, "Content-Length: 5", "Content-Length: 6", "", secret("two lengths"))
    yield text("chunk size", *chunked, secret("chunk size"))
    yield text("chunk end", *chunked, "5", f"12345{secret('chunk end')}")
    yield text("over-long header", line, field, f"x-custom: {secret('over-long header') * 4000}", "")
    yield text("over-long target", f"GET /{secret('over-long target') * 2000} HTTP/1.1", field, "")
    yield Call("http2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\x20\x04\0\0\0\0\0" + secret("http2 preface").encode() * 3)
    yield text(
        "connect", f"CONNECT {secret('connect')[:12]}.example.com:443 HTTP/1.1", f"Host: {secret('connect')[:12]}.example.com:443", ""
    )
    yield text("body after refusal", f"{line[:-3]}9.9", field, "Content-Length: 40", "", secret("body after refusal"))


def _streamed(content_type: str, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (content_type.encode(), len(body), body)


def _raw_bytes() -> dict[str, bytes]:
    stream, sse = "application/vnd.amazon.eventstream", "text/event-stream"
    start = event("messageStart", b'{"role":"assistant"}')

    def text(name: str) -> bytes:
        return canary(name).encode()

    return {
        "undecodable frame": _streamed(stream, start + b"\0\0\1\0" + text("undecodable frame") * 20),
        "undecodable json": _streamed(stream, start + event("contentBlockDelta", b'{"delta":{"text":[' + text("undecodable json"))),
        "stream error frame": _streamed(stream, start + error("InternalFailure", canary("stream error frame"))),
        "undecodable sse": _streamed(sse, b'data: {"choices": "' + text("undecodable sse") + b"\n\n"),
        "sse error": _streamed(sse, b'data: {"error":{"message":"' + text("sse error") + b'","code":"' + text("error code") + b' x"}}\n\n'),
        "bad head": b"HTTP/1.1 200 OK\r\nno colon " + text("bad head") + b"\r\n\r\n",
        "no http": text("no http") * 3 + b"\r\n\r\n",
        "reason phrase": b"HTTP/1.1 200 " + text("reason phrase") + b"\r\nContent-Length: 0\r\n\r\n",
        "trailer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx-trailer: " + text("trailer") + b"\r\n\r\n",
        "html error": b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 40\r\n\r\n" + text("html error").ljust(40),
        "early hint": b"HTTP/1.1 103 Early Hints\r\nLink: " + text("early hint") + b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        CUT: _streamed(stream, start + event("contentBlockDelta", b'{"delta":{"text":"' + text(CUT) + b'"}}') * 9)[:-25],
    }


_RAW = _raw_bytes()
_SCRIPTED: dict[str, tuple[str, dict[str, Any]]] = {
    "answer": (
        _model("converse-stream"),
        {
            "text": canary("answer"),
            "reasoning": canary("reasoning"),
            "headers": (("Set-Cookie", canary("set-cookie")), ("x-answer", canary("answer's header"))),
            "stop_reason": f"because of {canary('stop reason')} and more",
        },
    ),
    "whole answer": (
        _model("converse"),
        {
            "text": canary("whole answer"),
            "tool": ("level", json.dumps({"at": canary("answer's tool argument")})),
            "stop_reason": f"because of {canary('stop reason')}",
        },
    ),
    "whole openai answer": ("/v1/chat/completions", {"text": canary("whole openai answer")}),
    "anthropic answer": ("/v1/messages", {"text": canary("anthropic answer")}),
    "openai answer": ("/v1/chat/completions", {"text": canary("openai answer")}),
    "invoke answer": (_model("invoke-with-response-stream"), {"text": canary("invoke answer")}),
    "nova answer": (_model("invoke-with-response-stream", "amazon.nova-made-up"), {"text": canary("nova answer")}),
    "sagemaker answer": ("/endpoints/llama/invocations-response-stream", {"text": canary("sagemaker answer")}),
    "lmi answer": ("/endpoints/llama/invocations-response-stream", {"text": canary("lmi answer")}),
    "responses answer": (
        "/v1/responses",
        {
            "text": canary("responses answer"),
            "reasoning": canary("responses reasoning"),
            "tool": ("level", json.dumps({"at": canary("responses tool argument")})),
        },
    ),
    "llama answer": (_model("invoke-with-response-stream", "meta.llama-made-up"), {"text": canary("llama answer")}),
    "command answer": (_model("invoke", "cohere.command-r-made-up"), {"text": canary("command answer"), "guardrail_intervened": True}),
    "tgi answer": ("/endpoints/llama/invocations-response-stream", {"text": canary("tgi answer"), "container": "tgi"}),
    "error under 200": (
        _model("converse"),
        {"error_code": f"{canary('code under 200')} is no code", "error_message": canary("error under 200")},
    ),
    "responses error": (
        "/v1/responses",
        {"fault": "exception", "exception": canary("responses error code") + " x", "error_message": canary("responses error")},
    ),
    "throttled": (_model("converse-stream"), {"status": 429, "error_message": canary("throttled")}),
    "invalid": (_model("converse"), {"status": 400, "error_message": canary("invalid")}),
    "failed": (_model("converse"), {"status": 500, "error_message": canary("failed"), "error_code": f"{canary('error code')} is no code"}),
    "model error": ("/endpoints/llama/invocations", {"status": 424, "error_code": "ModelError", "error_message": canary("model error")}),
    "openai error": ("/v1/chat/completions", {"status": 401, "error_message": canary("openai error")}),
    "anthropic error": ("/v1/messages", {"status": 529, "error_message": canary("anthropic error")}),
    "stream exception": (_model("converse-stream"), {"fault": "exception", "error_message": canary("stream exception")}),
    "sse exception": ("/v1/messages", {"fault": "exception", "error_message": canary("sse exception")}),
    "lmi error": ("/endpoints/llama/invocations-response-stream", {"fault": "error_line", "text": f"{canary('lmi error')} a b c d"}),
}
_ANSWERS = {name: Script(**QUICK, **script) for name, (_, script) in _SCRIPTED.items()}
_ANSWERS |= {name: Script(raw=raw, close=True) for name, raw in _RAW.items()}
