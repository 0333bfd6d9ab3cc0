"""Refusals in the shape of each protocol: status, headers, body.

Knows: which exception name belongs to which status, where each protocol puts it.
Must not know: HTTP framing, sockets, clocks.
"""

from __future__ import annotations

import json
from typing import Literal

Style = Literal["bedrock", "sagemaker", "openai", "anthropic"]

_BEDROCK = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
_SAGEMAKER = {400: "ValidationError", 424: "ModelError", 429: "ModelNotReadyException", 500: "InternalFailure", 503: "ServiceUnavailable"}
_ANTHROPIC = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_CORAL = ":http://internal.amazon.com/coral/com.amazon."

Refusal = tuple[tuple[tuple[str, str], ...], bytes]
"""Headers and body."""


def refusal(style: Style, status: int, code: str | None, text: str) -> Refusal:
    """The error answer of a protocol; ``code`` None picks the usual one for the status."""
    if style == "bedrock":
        return _bedrock(code or _BEDROCK.get(status, "InternalServerException"), text)
    if style == "sagemaker":
        return _sagemaker(code or _SAGEMAKER.get(status, "InternalFailure"), text, status)
    kind = ("content-type", "application/json")
    if style == "openai":
        members = {"error": {"message": text, "type": code or "server_error", "code": code, "param": None}}
        return (kind,), json.dumps(members).encode()
    named = code or _ANTHROPIC.get(status, "api_error")
    return (kind,), json.dumps({"type": "error", "error": {"type": named, "message": text}}).encode()


def signature_refusal(code: str, text: str) -> Refusal:
    """What AWS answers (403) to credentials it does not accept."""
    headers = (("Content-Type", "application/json"), ("x-amzn-ErrorType", f"{code}{_CORAL}coral.service/"))
    return headers, json.dumps({"message": text}).encode()


def unknown_operation() -> Refusal:
    """What Bedrock's runtime answers (404) to a path it does not know."""
    members = {"Output": {"__type": "com.amazon.coral.service#UnknownOperationException"}, "Version": "1.0"}
    return (("Content-Type", "application/json"),), json.dumps(members, separators=(",", ":")).encode()


def _bedrock(code: str, text: str) -> Refusal:
    headers = (("Content-Type", "application/json"), ("x-amzn-ErrorType", f"{code}{_CORAL}bedrock/"))
    return headers, json.dumps({"message": text}).encode()


def _sagemaker(code: str, text: str, status: int) -> Refusal:
    members: dict[str, object] = {"Message": text}
    if code == "ModelError":
        members |= {"ErrorCode": "CLIENT_ERROR_FROM_MODEL", "LogStreamArn": "", "OriginalMessage": text, "OriginalStatusCode": status}
    return (("Content-Type", "application/json"), ("x-amzn-ErrorType", code)), json.dumps(members).encode()
