"""Whether a request keeps the authorization it came with or gets the proxy's signature.

Knows: which authorization covers what.
Must not know: how a signature is made (``sigv4``), where credentials come from (``credentials``).
"""

from __future__ import annotations

from typing import Literal

from streamgauge.authorization import Authorization
from streamgauge.targets import Target

SigningMode = Literal["auto", "passthrough", "resign"]
Signing = Literal["passthrough", "resign"]


def decide(mode: SigningMode, authorization: Authorization | None, target: Target) -> Signing:
    """Whether the request goes on with its own authorization or is signed with the proxy's role.

    ``auto`` replaces exactly one thing: a SigV4 signature that cannot hold, because it covers another Host or path than will be sent.
    A request without any signature is not signed on the caller's behalf: a web page can make a browser send one to a local port, but
    it cannot make it send an ``Authorization`` header without being asked first.
    """
    if mode != "auto":
        return mode
    if authorization is None or authorization.kind not in ("sigv4", "sigv4a"):
        return "passthrough"
    return "resign" if target.rewritten or "host" not in authorization.signed_headers else "passthrough"
