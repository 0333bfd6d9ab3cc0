"""Whose signature a request carries."""

from __future__ import annotations

import pytest

from streamgauge.authorization import Authorization
from streamgauge.relay.signing import Signing, SigningMode, decide
from streamgauge.targets import Target

SIGNED = Authorization("sigv4", "AKIDEXAMPLE", "20150830", "us-east-1", "bedrock", ("host", "x-amz-date"))
BEARER = Authorization("bearer")


def target(*, rewritten: bool) -> Target:
    host = "bedrock-runtime.us-east-1.amazonaws.com"
    return Target("https", host, 443, b"/", host.encode(), "us-east-1", "bedrock-runtime", "bedrock", "base_url", rewritten)


@pytest.mark.parametrize(
    ("authorization", "rewritten", "expected"),
    [
        (SIGNED, False, "passthrough"),
        (SIGNED, True, "resign"),
        (Authorization("sigv4a", "AKIDEXAMPLE", "20150830", None, "bedrock", ("host",)), True, "resign"),
        (Authorization("sigv4", "AKIDEXAMPLE", "20150830", "us-east-1", "bedrock", ("x-amz-date",)), False, "resign"),
        (BEARER, True, "passthrough"),
        (Authorization("other"), True, "passthrough"),
        (None, True, "passthrough"),
        (None, False, "passthrough"),
    ],
)
def test_auto_replaces_a_signature_exactly_where_it_cannot_hold(
    authorization: Authorization | None, rewritten: bool, expected: Signing
) -> None:
    assert decide("auto", authorization, target(rewritten=rewritten)) == expected


@pytest.mark.parametrize("mode", ["passthrough", "resign"])
@pytest.mark.parametrize("authorization", [SIGNED, BEARER, None])
@pytest.mark.parametrize("rewritten", [True, False])
def test_the_two_plain_modes_ask_nothing(mode: SigningMode, authorization: Authorization | None, rewritten: bool) -> None:
    assert decide(mode, authorization, target(rewritten=rewritten)) == mode


def test_a_web_page_cannot_spend_the_role_since_a_request_without_authorization_is_never_signed() -> None:
    assert decide("auto", None, target(rewritten=True)) == "passthrough"
