"""Answers that the proxy makes itself, in the shape of the caller's protocol, so that its SDK understands them.

Each carries ``x-streamgauge-reply: <reason>``; nothing else that leaves the proxy is marked. No ``Date``, no ``Server``.
"""

from __future__ import annotations

import msgspec

from streamgauge.records import Operation


class Kind(msgspec.Struct, frozen=True):
    """One reason: HTTP status and phrase, the error's name for AWS, OpenAI and Anthropic, whether a retry can help."""

    status: int
    phrase: str
    aws: str
    openai: str
    anthropic: str
    retry: bool = False


KINDS = {
    "bad_request": Kind(400, "Bad Request", "ValidationException", "invalid_request_error", "invalid_request_error"),
    "target_not_allowed": Kind(403, "Forbidden", "AccessDeniedException", "permission_error", "permission_error"),
    "proxy_credentials": Kind(403, "Forbidden", "AccessDeniedException", "permission_error", "permission_error"),
    "body_too_large": Kind(413, "Content Too Large", "ValidationException", "invalid_request_error", "request_too_large"),
    "upstream_unreachable": Kind(502, "Bad Gateway", "InternalServerException", "server_error", "api_error", retry=True),
    "upstream_reset": Kind(502, "Bad Gateway", "InternalServerException", "server_error", "api_error", retry=True),
    "upstream_protocol": Kind(502, "Bad Gateway", "InternalServerException", "server_error", "api_error", retry=True),
    "upstream_timeout": Kind(504, "Gateway Timeout", "InternalServerException", "server_error", "timeout_error", retry=True),
    "proxy_error": Kind(500, "Internal Server Error", "InternalServerException", "server_error", "api_error", retry=True),
}
"""``proxy_credentials`` is 403, which no SDK repeats: a missing role does not come back within a retry's second."""


def build(reason: str, text: str, operation: Operation) -> tuple[int, bytes]:
    """(status, whole HTTP/1.1 answer). ``text`` is one sentence without content or secrets."""
    kind = KINDS[reason]
    body, extra = _body(kind, reason, f"streamgauge: {text}", operation)
    lines = [
        f"HTTP/1.1 {kind.status} {kind.phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        f"x-streamgauge-reply: {reason}",
        f"x-should-retry: {'true' if kind.retry else 'false'}",
        *extra,
        "connection: close",
    ]
    return kind.status, "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body


def _body(kind: Kind, reason: str, text: str, operation: Operation) -> tuple[bytes, list[str]]:
    if operation.dialect == "openai_chat":
        return msgspec.json.encode({"error": {"message": text, "type": kind.openai, "code": reason, "param": None}}), []
    if operation.dialect == "anthropic":
        return msgspec.json.encode({"type": "error", "error": {"type": kind.anthropic, "message": text}}), []
    key = "Message" if operation.service.startswith("sagemaker") else "message"
    return msgspec.json.encode({key: text}), [f"x-amzn-ErrorType: {kind.aws}"]
