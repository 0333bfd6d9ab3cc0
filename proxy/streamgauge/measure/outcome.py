"""How an exchange ended and whose doing it was, decided from facts in one place."""

from __future__ import annotations

from streamgauge.errors import UPSTREAM_TIMEOUTS
from streamgauge.records import Outcome, Side

Verdict = tuple[Outcome, Side | None, str | None]
"""(outcome, side, error type)."""

_TIMEOUTS = frozenset({"ModelTimeoutException"})
_THROTTLES = frozenset(
    {"ThrottlingException", "ServiceQuotaExceededException", "TooManyRequestsException", "rate_limit_error", "rate_limit_exceeded"}
)


def of_response(status: int, fault: str | None, *, streaming: bool, resigned: bool) -> Verdict:
    """Verdict on a response that arrived whole. ``fault`` is the provider's error code, found in headers, body or stream.

    ``resigned``: the proxy signed with its own role, so a refused identity is the proxy's doing.
    """
    if status < 400:
        if fault is None:
            return "completed", None, None
        return ("stream_error" if streaming else "upstream_error"), "upstream", fault
    error = fault or str(status)
    if status == 429 or error in _THROTTLES:
        return "throttled", "upstream", error
    if status == 408 or error in _TIMEOUTS:
        return "timeout", "upstream", error
    if status >= 500 or status == 424:
        return "upstream_error", "upstream", error
    return "client_error", ("proxy" if status == 403 and resigned else "downstream"), error


def of_break(error_type: str, *, streaming: bool) -> Verdict:
    """Verdict on an upstream that broke: before the response an ``upstream_error``, within it a ``stream_error``."""
    if error_type in UPSTREAM_TIMEOUTS:
        return "timeout", "upstream", error_type
    return ("stream_error" if streaming else "upstream_error"), "upstream", error_type


CLIENT_CANCELLED: Verdict = ("client_cancelled", "downstream", None)
"""The application went away first."""
