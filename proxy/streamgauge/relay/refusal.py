"""What stands in the way of a request, as a verdict and as the reason of a local reply.

Knows: which of our errors is whose doing. Must not know: connections, the wording of replies (``local_reply``).
"""

from __future__ import annotations

from streamgauge.errors import (
    UPSTREAM_TIMEOUTS,
    EgressProxyRefused,
    ProxyCredentials,
    StreamgaugeError,
    TargetNotAllowed,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from streamgauge.measure.outcome import CLIENT_CANCELLED, Verdict, of_break

PROXY_ERROR: Verdict = ("proxy_error", "proxy", "proxy_error")
"""Also of what was still open when draining ended."""

BREAKS = {
    "first_byte_timeout": "did not begin to answer within relay.first_byte_timeout",
    "read_timeout": "kept silent for longer than relay.read_timeout",
    "upstream_reset": "ended the connection before it answered",
    "upstream_protocol": "answered with what is no HTTP/1.1 response",
}
"""How an upstream broke before its answer, by error type, as the end of a sentence."""


def reply_reason(error_type: str) -> str:
    """The reason of the local reply to an upstream that broke before its answer."""
    return "upstream_timeout" if error_type in UPSTREAM_TIMEOUTS else error_type


class BodyTooLarge(StreamgaugeError):
    """A request body is over ``max_request_bytes``."""

    error_type = "body_too_large"


class Busy(StreamgaugeError):
    """Too much of other requests is held already."""

    error_type = "busy"


class Full(StreamgaugeError):
    """More connections are open than the proxy takes."""

    error_type = "max_connections"


class ClientLimit(StreamgaugeError):
    """A client has more open than it may."""

    error_type = "client_limit"


class TenantRefused(StreamgaugeError):
    """Who calls is nobody that was issued a credential, or not any more."""

    side = "downstream"
    error_type = "tenant_unknown"


class BadSignature(TenantRefused):
    """A signature with an issued key, or a token, does not hold."""

    error_type = "tenant_signature"


class IdentityNeeded(TenantRefused):
    """Nobody is verified where somebody must be."""

    error_type = "tenant_required"


class TenantLimit(TenantRefused):
    """A tenant has as much under way as it may, or has asked as often as it may. ``retry_after`` in seconds."""

    error_type = "tenant_limit"

    def __init__(self, text: str, retry_after: float) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class IssuerUnreachable(StreamgaugeError):
    """The keys that tokens are verified with could not be fetched."""

    error_type = "tenant_issuer"


class BadBody(StreamgaugeError):
    """A request body's framing makes no sense."""

    error_type = "bad_request"


class ClientGone(StreamgaugeError):
    """The application went away before its request was complete."""

    error_type = "client_cancelled"


def refusal(error: StreamgaugeError) -> tuple[str | None, Verdict]:
    """(reason of the local reply or ``None`` where nobody is there to read one, verdict)."""
    if isinstance(error, ClientGone):
        return None, CLIENT_CANCELLED
    if isinstance(error, TargetNotAllowed):
        return "target_not_allowed", ("rejected", "downstream", error.error_type)
    if isinstance(error, (BodyTooLarge, BadBody)):
        return error.error_type, ("rejected", "downstream", error.error_type)
    if isinstance(error, TenantRefused):
        return error.error_type, ("rejected", "downstream", error.error_type)
    if isinstance(error, IssuerUnreachable):
        return error.error_type, ("proxy_error", "proxy", error.error_type)
    if isinstance(error, (Busy, Full)):
        return error.error_type, ("shed", "proxy", error.error_type)
    if isinstance(error, ClientLimit):
        return error.error_type, ("rejected", "downstream", error.error_type)
    if isinstance(error, ProxyCredentials):
        return "proxy_credentials", ("proxy_error", "proxy", error.error_type)
    if isinstance(error, UpstreamTimeout):
        return "upstream_timeout", of_break(error.error_type, streaming=False)
    if isinstance(error, EgressProxyRefused):
        return "upstream_unreachable", ("proxy_error", "proxy", error.error_type)
    if isinstance(error, UpstreamUnreachable):
        return "upstream_unreachable", of_break(error.error_type, streaming=False)
    return "proxy_error", PROXY_ERROR
