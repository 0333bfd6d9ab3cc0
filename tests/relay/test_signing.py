"""Whose signature a request carries."""

from __future__ import annotations

import pytest

from streamgauge.authorization import Authorization
from streamgauge.errors import TargetNotAllowed
from streamgauge.relay.signing import Signing, SigningMode, decide
from streamgauge.targets import Target

SIGNED = Authorization("sigv4", "AKIDEXAMPLE", "20150830", "us-east-1", "bedrock", ("host", "x-amz-date"))
BEARER = Authorization("bearer")


def target(*, rewritten: bool, ours: bool = True, role_allowed: bool = True) -> Target:
    host = "bedrock-runtime.us-east-1.amazonaws.com"
    return Target(
        "https", host, 443, b"/", host.encode(), "us-east-1", "bedrock-runtime", "bedrock", "base_url", rewritten, ours, role_allowed
    )


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
    assert decide("auto", authorization, target(rewritten=rewritten), {}) == expected


@pytest.mark.parametrize("mode", ["passthrough", "resign"])
@pytest.mark.parametrize("authorization", [SIGNED, BEARER, None])
@pytest.mark.parametrize("rewritten", [True, False])
def test_the_two_plain_modes_ask_nothing(mode: SigningMode, authorization: Authorization | None, rewritten: bool) -> None:
    assert decide(mode, authorization, target(rewritten=rewritten), {}) == mode


def test_a_web_page_cannot_spend_the_role_since_a_request_without_authorization_is_never_signed() -> None:
    assert decide("auto", None, target(rewritten=True), {}) == "passthrough"


@pytest.mark.parametrize("mode", ["auto", "resign"])
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "localhost:8787", "origin": "http://evil.example:8787"},
        {"host": "localhost:8787", "origin": "null"},
        {"host": "localhost:8787", "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"},
    ],
)
def test_a_request_of_a_web_page_is_not_signed_whatever_authorization_it_made_up(mode: SigningMode, headers: dict[str, str]) -> None:
    with pytest.raises(TargetNotAllowed, match=r"comes from a web page.* not signed with the proxy's role"):
        decide(mode, SIGNED, target(rewritten=True), headers)


@pytest.mark.parametrize("mode", ["auto", "resign"])
def test_a_request_to_a_name_that_may_be_anybodys_is_not_signed_and_the_setting_is_named(mode: SigningMode) -> None:
    with pytest.raises(TargetNotAllowed, match=r"'evil\.example:8787' is not known to be this proxy's.* add it to targets\.own_hosts"):
        decide(mode, SIGNED, target(rewritten=True, ours=False), {"host": "evil.example:8787"})


@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"host": "evil.example"}])
def test_what_keeps_its_own_authorization_may_come_from_anywhere(headers: dict[str, str]) -> None:
    assert decide("passthrough", SIGNED, target(rewritten=True, ours=False), headers) == "passthrough"
    assert decide("auto", BEARER, target(rewritten=True, ours=False), headers) == "passthrough"


def test_the_fetch_of_a_server_side_javascript_is_no_web_page() -> None:
    # Node's fetch says so much of itself, and neither Origin nor Sec-Fetch-Site.
    assert decide("auto", SIGNED, target(rewritten=True), {"sec-fetch-mode": "cors", "user-agent": "node"}) == "resign"


@pytest.mark.parametrize("mode", ["auto", "resign"])
@pytest.mark.parametrize("authorization", [SIGNED, BEARER, None])
def test_neither_a_signature_nor_a_session_token_of_ours_goes_where_the_role_does_not_count(
    mode: SigningMode, authorization: Authorization | None
) -> None:
    assert decide(mode, authorization, target(rewritten=True, role_allowed=False), {"origin": "http://page.example"}) == "passthrough"
