"""Whether AWS bills an exchange at all, from how it ended. No page of AWS says so for every case; each rule here names its ground."""

from __future__ import annotations

from typing import Literal

from streamgauge.pricing.facts import Exchange

Verdict = Literal["billed", "cut_off", "not_billed"]
"""``cut_off``: the model may have run, and what of it is billed is not documented, so that its cost is an estimate."""

NEVER_SENT = frozenset(
    {
        "connect_error",
        "name_error",
        "tls_error",
        "egress_proxy_error",
        "name_timeout",
        "connect_timeout",
        "tls_timeout",
        "proxy_credentials",
        "target_not_allowed",
    }
)
"""Error types of requests that never reached the provider."""

BEFORE_MODEL = frozenset(
    {
        "AccessDeniedException",
        "ModelNotReadyException",
        "ResourceNotFoundException",
        "ServiceQuotaExceededException",
        "ServiceUnavailableException",
        "ThrottlingException",
        "ValidationException",
    }
)
"""Errors by which a model does not start; they also come as the first frame of an answer with status 200."""

FREE_OPERATIONS = frozenset({"CountTokens", "CountMessageTokens"})
"""Documented as free of charge."""

_LOCAL = frozenset({"shed", "rejected"})
"""The proxy refused: nothing was sent."""

_REFUSED = frozenset({"client_error", "throttled", "upstream_error", "timeout", "proxy_error"})

_CUT = frozenset({"stream_error", "client_cancelled", "timeout", "upstream_error", "lost", "proxy_error", "client_error", "throttled"})

BLOCKED = frozenset({"guardrail_intervened"})


def verdict(exchange: Exchange) -> Verdict:
    """How the end of the exchange shows on the bill."""
    outcome = exchange.outcome
    if outcome in _LOCAL or exchange.error_type in NEVER_SENT or exchange.operation in FREE_OPERATIONS:
        return "not_billed"
    if outcome == "completed":
        # A guardrail that blocks the input is charged for itself; the model did not run (AWS's guide to guardrails).
        return "not_billed" if exchange.finish_reason in BLOCKED and not exchange.output_tokens else "billed"
    if outcome in _REFUSED and _answered(exchange.http_status) and not _reported(exchange):
        # An error before the model ran: no usage comes back, and AWS's list has no usage type it could be billed by.
        return "not_billed"
    if exchange.error_type in BEFORE_MODEL and not _reported(exchange):
        return "not_billed"
    if outcome == "client_cancelled" and exchange.usage_source == "reported" and exchange.output_tokens is not None:
        return "billed"  # it was read on to the provider's last word
    return "cut_off" if outcome in _CUT else "billed"


def _reported(exchange: Exchange) -> bool:
    return bool(exchange.output_tokens) or (exchange.usage_source == "reported" and exchange.input_tokens is not None)


def _answered(status: int | None) -> bool:
    """An error status of the provider; a gateway's timeout (408, 504) says nothing about the model."""
    return status is not None and status >= 400 and status not in (408, 424, 504)
