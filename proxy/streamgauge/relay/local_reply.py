"""Answers that the proxy makes itself, in the shape of the caller's protocol, so that its SDK understands them.

Each carries ``x-streamgauge-reply: <reason>``; nothing else that leaves the proxy is marked. No ``Date``, no ``Server``.
"""

from __future__ import annotations

import math
import struct

import msgspec

from streamgauge.records import Operation


class Kind(msgspec.Struct, frozen=True):
    """One reason: HTTP status and phrase, the error's name for AWS, OpenAI and Anthropic, whether a retry can help and after how many seconds."""

    status: int
    phrase: str
    aws: str
    openai: str
    anthropic: str
    retry: bool = False
    wait: float | None = None
    """Seconds after which it can."""


KINDS = {
    "bad_request": Kind(400, "Bad Request", "ValidationException", "invalid_request_error", "invalid_request_error"),
    "target_not_allowed": Kind(403, "Forbidden", "AccessDeniedException", "permission_error", "permission_error"),
    "proxy_credentials": Kind(403, "Forbidden", "AccessDeniedException", "permission_error", "permission_error"),
    "body_too_large": Kind(413, "Content Too Large", "ValidationException", "invalid_request_error", "request_too_large"),
    "upstream_unreachable": Kind(502, "Bad Gateway", "InternalServerException", "server_error", "api_error", retry=True),
    "upstream_reset": Kind(502, "Bad Gateway", "InternalServerException", "server_error", "api_error", retry=True),
    "upstream_protocol": Kind(502, "Bad Gateway", "InternalServerException", "server_error", "api_error", retry=True),
    "upstream_timeout": Kind(504, "Gateway Timeout", "InternalServerException", "server_error", "timeout_error", retry=True),
    "busy": Kind(503, "Service Unavailable", "ServiceUnavailableException", "server_error", "overloaded_error", retry=True, wait=1.0),
    "max_connections": Kind(
        503, "Service Unavailable", "ServiceUnavailableException", "server_error", "overloaded_error", retry=True, wait=1.0
    ),
    "client_limit": Kind(429, "Too Many Requests", "ThrottlingException", "rate_limit_error", "rate_limit_error", retry=True, wait=1.0),
    "tenant_unknown": Kind(403, "Forbidden", "UnrecognizedClientException", "authentication_error", "authentication_error"),
    "tenant_signature": Kind(403, "Forbidden", "InvalidSignatureException", "authentication_error", "authentication_error"),
    "tenant_required": Kind(403, "Forbidden", "MissingAuthenticationTokenException", "authentication_error", "authentication_error"),
    "tenant_limit": Kind(429, "Too Many Requests", "ThrottlingException", "rate_limit_error", "rate_limit_error", retry=True, wait=1.0),
    "tenant_issuer": Kind(
        503, "Service Unavailable", "ServiceUnavailableException", "server_error", "overloaded_error", retry=True, wait=1.0
    ),
    "proxy_error": Kind(500, "Internal Server Error", "InternalServerException", "server_error", "api_error", retry=True),
}
"""``proxy_credentials`` is 403, which no SDK repeats: a missing role does not come back within a retry's second."""

SAGEMAKER = {
    "ValidationException": "ValidationError",
    "InternalServerException": "InternalFailure",
    "ServiceUnavailableException": "ServiceUnavailable",
}
"""The names that SageMaker's runtime gives to the same errors; its SDKs raise their own class only for these."""

OPENAI_OPERATIONS = frozenset({"ChatCompletions", "Responses"})
ANTHROPIC_OPERATIONS = frozenset({"Messages", "CountMessageTokens"})
"""Operations of the compatible routes, by the protocol of their errors; all others are AWS's own."""


def build(reason: str, text: str, operation: Operation, retry_after: float | None = None) -> tuple[int, bytes]:
    """(status, whole HTTP/1.1 answer). ``text`` is one sentence without content or secrets, ``retry_after`` seconds to wait at least."""
    kind = KINDS[reason]
    body, extra = _body(kind, reason, f"streamgauge: {text}", operation)
    retry_after = kind.wait if retry_after is None else retry_after
    lines = [
        f"HTTP/1.1 {kind.status} {kind.phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        f"x-streamgauge-reply: {reason}",
        f"x-should-retry: {'true' if kind.retry else 'false'}",
        *extra,
        *(_pace(retry_after) if retry_after is not None else ()),
        "connection: close",
    ]
    return kind.status, "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body


def build_for_connect(reason: str, text: str, operation: Operation) -> tuple[int, bytes]:
    """The same as ``build`` with the text also in the status line: nothing else of an answer to CONNECT reaches a user, of any HTTP client."""
    status, raw = build(reason, text, operation)
    phrase = "".join(char if " " <= char <= "~" else "?" for char in text)
    return status, raw.replace(KINDS[reason].phrase.encode(), phrase.encode(), 1)


def _pace(seconds: float) -> tuple[str, str, str]:
    """The same wait for everybody: botocore reads only ``x-amz-retry-after`` (milliseconds), the openai and anthropic SDKs the others."""
    milliseconds = math.ceil(seconds * 1000)
    return f"retry-after: {math.ceil(seconds)}", f"retry-after-ms: {milliseconds}", f"x-amz-retry-after: {milliseconds}"


def _body(kind: Kind, reason: str, text: str, operation: Operation) -> tuple[bytes, list[str]]:
    if operation.name in OPENAI_OPERATIONS:
        return msgspec.json.encode({"error": {"message": text, "type": kind.openai, "code": reason, "param": None}}), []
    if operation.name in ANTHROPIC_OPERATIONS:
        return msgspec.json.encode({"type": "error", "error": {"type": kind.anthropic, "message": text}}), []
    if operation.service.startswith("sagemaker"):
        return msgspec.json.encode({"Message": text}), [f"x-amzn-errortype: {SAGEMAKER.get(kind.aws, kind.aws)}"]
    return msgspec.json.encode({"message": text}), [f"x-amzn-errortype: {kind.aws}"]


HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a caller sends first who speaks HTTP/2 without asking, as the AWS SDK for JavaScript does to Bedrock."""

HTTP2_TEXT = "streamgauge speaks HTTP/1.1: give the AWS client requestHandler: new NodeHttpHandler()"
_SETTINGS, _GOAWAY, _HTTP_1_1_REQUIRED = 0x4, 0x7, 0xD


def http2_refusal() -> bytes:
    """The answer to ``HTTP2_PREFACE``: empty SETTINGS, then GOAWAY with HTTP_1_1_REQUIRED and the remedy as its debug data (RFC 9113).

    An HTTP/1.1 answer would reach such a caller as a bare "Protocol error"; this one names its code, and the text shows in traces.
    """
    return _frame(_SETTINGS, b"") + _frame(_GOAWAY, struct.pack(">II", 0, _HTTP_1_1_REQUIRED) + HTTP2_TEXT.encode())


def _frame(kind: int, payload: bytes) -> bytes:
    """An HTTP/2 frame without flags on stream 0."""
    return len(payload).to_bytes(3, "big") + bytes((kind, 0, 0, 0, 0, 0)) + payload
