"""Whether a request keeps the authorization it came with or gets the proxy's signature.

Knows: which authorization covers what, what a browser says of itself.
Must not know: how a signature is made (``sigv4``), where credentials come from (``credentials``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from streamgauge.authorization import Authorization
from streamgauge.errors import TargetNotAllowed
from streamgauge.targets import Target

SigningMode = Literal["auto", "passthrough", "resign"]
Signing = Literal["passthrough", "resign"]


def decide(mode: SigningMode, authorization: Authorization | None, target: Target, headers: Mapping[str, str]) -> Signing:
    """Whether the request goes on with its own authorization or is signed with the proxy's role. ``headers`` by lower-case name.

    ``auto`` replaces exactly one thing: a SigV4 signature that cannot hold, because it covers another Host or path than will be sent.
    Whatever the mode, the role stays here where the target is neither AWS's nor a configured upstream (``Target.role_allowed``).
    Raises ``TargetNotAllowed`` where a web page may be asking for the role.
    """
    if mode == "passthrough" or not target.role_allowed or (mode == "auto" and not _cannot_hold(authorization, target)):
        return "passthrough"
    _refuse_web_pages(target, headers)
    return "resign"


def _cannot_hold(authorization: Authorization | None, target: Target) -> bool:
    if authorization is None or authorization.kind not in ("sigv4", "sigv4a"):
        return False
    return target.rewritten or "host" not in authorization.signed_headers


def _refuse_web_pages(target: Target, headers: Mapping[str, str]) -> None:
    """A page that somebody looks at on this machine can send requests to a local port; what it gets signed, the proxy's role pays for.

    A page of another origin cannot set ``Authorization`` without asking first, but it needs none where all is signed. And a page whose name was
    led to us after it was loaded is of our own origin for the browser, which then asks nobody.
    """
    # Not Sec-Fetch-Mode: Node's fetch, and so SDKs, send it. Browsers send the other two by themselves, and no page can take them away;
    # Sec-Fetch-Site comes with every request to a loopback address, but not to other names without TLS: hence the look at the name as well.
    if "origin" in headers or "sec-fetch-site" in headers:
        raise TargetNotAllowed(
            "the request comes from a web page (it has Origin or Sec-Fetch-Site) and is not signed with the proxy's role: "
            "call from a program, or with a bearer key"
        )
    if not target.ours:
        raise TargetNotAllowed(
            f"host {headers.get('host', '')[:80]!r} is not known to be this proxy's, so the request is not signed with the proxy's role, "
            "which a web page under that name could spend: if it is a name of this proxy, add it to targets.own_hosts"
        )
