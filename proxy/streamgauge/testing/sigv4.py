"""Checks that a request is signed (AWS Signature Version 4) as AWS would check it, with botocore's own signer.

Knows: the ``Authorization`` header, which headers must be covered, how old a signature may be.
Must not know: sockets, scripts. The signed host is the one the request carries.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from streamgauge.testing.received import Received
from streamgauge.testing.shapes_errors import signature_refusal

MAX_AGE = timedelta(minutes=5)
"""AWS allows five minutes of difference between its clock and the caller's."""

_HEADER = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request,"
    r"\s*SignedHeaders=(?P<names>[^,]+),\s*Signature=(?P<signature>[0-9a-f]{64})$"
)
_UNKNOWN = ("UnrecognizedClientException", "The security token included in the request is invalid.")
_MISMATCH = ("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")


class Verifier:
    """A gate that lets only requests pass that are signed with one of these secrets (by access key id), or carry one of these bearer keys.

    With ``host`` the request must also name that host, as a real service insists on its own name.
    """

    def __init__(self, credentials: Mapping[str, str], bearer_keys: Collection[str] = (), host: str | None = None) -> None:
        self._credentials = dict(credentials)
        self._bearers = {f"Bearer {key}" for key in bearer_keys}
        self._host = host

    def __call__(self, received: Received) -> tuple[int, tuple[tuple[str, str], ...], bytes] | None:
        """The refusal in AWS's shape, or None for a good signature."""
        fault = self.fault(received, datetime.now(UTC))
        return None if fault is None else (403, *signature_refusal(*fault))

    def fault(self, received: Received, now: datetime) -> tuple[str, str] | None:
        """What is wrong with the signature, as AWS's error code and a text; None if nothing is."""
        authorization = received.header("authorization") or ""
        if self._host is not None and received.header("host") != self._host:
            return _MISMATCH
        if authorization.startswith("Bearer "):
            return None if authorization in self._bearers else _UNKNOWN
        parsed = _HEADER.match(authorization)
        if parsed is None:
            return "MissingAuthenticationToken", "Missing Authentication Token"
        secret = self._credentials.get(parsed["key"])
        if secret is None:
            return _UNKNOWN
        stamp = received.header("x-amz-date") or ""
        names = parsed["names"].split(";")
        if "host" not in names or not _fresh(stamp, now):
            return "InvalidSignatureException", "Signature expired, from the future, or not over the host."
        said = received.header("x-amz-content-sha256")
        if said not in (None, "UNSIGNED-PAYLOAD", hashlib.sha256(received.body).hexdigest()):
            return _MISMATCH
        expected = _signature(received, parsed, secret, stamp, names)
        return None if hmac.compare_digest(expected, parsed["signature"]) else _MISMATCH


def _fresh(stamp: str, now: datetime) -> bool:
    try:
        made = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs(now - made) <= MAX_AGE


def _signature(received: Received, parsed: re.Match[str], secret: str, stamp: str, names: list[str]) -> str:
    target = received.path + (f"?{query}" if (query := received.raw_target.partition("?")[2]) else "")
    request: Any = AWSRequest(received.method, f"http://{received.header('host')}{target}", data=received.body)
    for name, value in received.headers:
        request.headers[name.decode("latin-1")] = value.decode("latin-1")
    request.context["timestamp"] = stamp
    auth = _Listed(Credentials(parsed["key"], secret), parsed["service"], parsed["region"])
    auth.names = names
    return str(auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request))


class _Listed(SigV4Auth):  # type: ignore[misc] # botocore has no types
    """The signer, but over exactly the headers that the caller says it covered."""

    names: Sequence[str] = ()

    def headers_to_sign(self, request: Any) -> HTTPHeaders:
        """botocore: the headers of the canonical request."""
        listed = HTTPHeaders()
        for name in self.names:
            for value in request.headers.get_all(name, []):
                listed[name] = value
        return listed
