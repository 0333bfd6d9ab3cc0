"""Each of our errors: whose doing it is, and what the application is told."""

from __future__ import annotations

import pytest

from streamgauge.errors import (
    NameTimeout,
    ProxyCredentials,
    StreamgaugeError,
    TargetNotAllowed,
    TlsTimeout,
    UpstreamNameUnknown,
    UpstreamTimeout,
    UpstreamTlsFailed,
    UpstreamUnreachable,
)
from streamgauge.measure.outcome import Verdict
from streamgauge.relay.local_reply import KINDS
from streamgauge.relay.refusal import BREAKS, PROXY_ERROR, BadBody, BodyTooLarge, Busy, ClientGone, ClientLimit, Full, refusal, reply_reason


@pytest.mark.parametrize(
    ("error", "reason", "verdict"),
    [
        (ClientGone(), None, ("client_cancelled", "downstream", None)),
        (TargetNotAllowed(), "target_not_allowed", ("rejected", "downstream", "target_not_allowed")),
        (BodyTooLarge(), "body_too_large", ("rejected", "downstream", "body_too_large")),
        (Busy(), "busy", ("shed", "proxy", "busy")),
        (Full(), "max_connections", ("shed", "proxy", "max_connections")),
        (ClientLimit(), "client_limit", ("rejected", "downstream", "client_limit")),
        (BadBody(), "bad_request", ("rejected", "downstream", "bad_request")),
        (ProxyCredentials(), "proxy_credentials", ("proxy_error", "proxy", "proxy_credentials")),
        (NameTimeout(), "upstream_timeout", ("timeout", "upstream", "name_timeout")),
        (UpstreamTimeout(), "upstream_timeout", ("timeout", "upstream", "connect_timeout")),
        (TlsTimeout(), "upstream_timeout", ("timeout", "upstream", "tls_timeout")),
        (UpstreamNameUnknown(), "upstream_unreachable", ("upstream_error", "upstream", "name_error")),
        (UpstreamUnreachable(), "upstream_unreachable", ("upstream_error", "upstream", "connect_error")),
        (UpstreamTlsFailed(), "upstream_unreachable", ("upstream_error", "upstream", "tls_error")),
        (StreamgaugeError(), "proxy_error", PROXY_ERROR),
    ],
)
def test_an_error_has_a_verdict_and_a_reason(error: StreamgaugeError, reason: str | None, verdict: Verdict) -> None:
    assert refusal(error) == (reason, verdict)
    assert reason is None or reason in KINDS


def test_every_way_in_which_an_upstream_breaks_before_its_answer_has_a_reply() -> None:
    assert {reply_reason(error_type) for error_type in BREAKS} <= set(KINDS)
