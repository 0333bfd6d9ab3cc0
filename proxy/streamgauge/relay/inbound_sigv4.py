"""Signatures of callers, made with a secret that the proxy issued: read, looked at before the body comes, and verified with it.

Knows: AWS Signature Version 4 in ``Authorization``, as every SDK makes it; which headers must be covered, how old it may be.
Must not know: where secrets are kept, whose they are. botocore's own signer is the oracle in the tests.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from streamgauge.authorization import Authorization
from streamgauge.relay.refusal import BadSignature
from streamgauge.relay.sigv4 import ALGORITHM, canonical_query, path_in_canon, signing_key

SKEW_SECONDS = 300.0
"""AWS allows five minutes between its clock and the caller's."""

REPLAYS_KEPT = 65_536
"""Signatures that are remembered: five minutes at two hundred calls a second. Beyond it the oldest are forgotten first."""

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"

_SIGNATURE = re.compile(r"Signature=([0-9a-f]{64})\s*$")
_STAMP = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z")
_MUST_BE_SIGNED = ("x-amz-", "x-amzn-bedrock-", "x-amzn-sagemaker-")
"""What AWS acts on; unsigned, somebody on the way could have written it."""


class Signed(msgspec.Struct, frozen=True):
    """One signature with what it says of itself. ``payload`` is what stands for the body in it: ``None`` means the body's own hash."""

    key_id: str
    scope: str
    day: str
    region: str
    service: str
    names: tuple[str, ...]
    stamp: str
    signature: str
    payload: str | None


def read_signature(value: str, authorization: Authorization, headers: Mapping[str, str], now: float) -> Signed:
    """The signature of a header ``value`` whose claims are ``authorization``; ``now`` in seconds since 1970. ``headers`` by lower-case name.

    Raises ``BadSignature`` for all that can be seen without secret and body.
    """
    key_id, day, region, service = authorization.access_key_id, authorization.date, authorization.region, authorization.service
    found = _SIGNATURE.search(value)
    if authorization.kind != "sigv4" or found is None or key_id is None or day is None or region is None or service is None:
        raise BadSignature(f"the signature with the issued key is no {ALGORITHM} one: sign as botocore does, with signature version 4")
    names = authorization.signed_headers
    stamp = headers.get("x-amz-date", "")
    _check_time(stamp, day, now)
    missing = [name for name in names if name not in headers]
    if "host" not in names or missing:
        raise BadSignature("the signature must cover host, and only headers that are sent")
    uncovered = [name for name in headers if name.startswith(_MUST_BE_SIGNED) and name not in names]
    if uncovered:
        raise BadSignature(f"the signature does not cover {uncovered[0][:60]}, which is sent: sign it, or do not send it")
    payload = headers.get("x-amz-content-sha256")
    if payload is not None and payload.startswith("STREAMING-"):
        raise BadSignature("the body is signed chunk by chunk (aws-chunked), which is not taken here: send it with one hash")
    return Signed(key_id, f"{day}/{region}/{service}/aws4_request", day, region, service, names, stamp, found[1], payload)


def _check_time(stamp: str, day: str, now: float) -> None:
    found = _STAMP.fullmatch(stamp)
    try:
        year, month, date, hour, minute, second = (int(part) for part in found.groups()) if found is not None else (0,) * 6
        at = datetime(year, month, date, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:
        at = None
    if at is None or not stamp.startswith(day):
        raise BadSignature("X-Amz-Date is missing, no time such as 20261125T144200Z, or not of the day in the credential scope")
    if abs(now - at) > SKEW_SECONDS:
        off = round(now - at)
        raise BadSignature(
            f"the signature is {abs(off)} s {'old' if off > 0 else 'in the future'}, more than {SKEW_SECONDS:.0f} s are allowed: "
            "set the clock of the caller, or of the proxy"
        )


def matches(
    signed: Signed, method: str, raw_target: bytes, headers: Sequence[tuple[bytes, bytes]], content_sha256: str, secret: str
) -> bool:
    """Whether the signature was made with ``secret`` over this very request. ``raw_target`` and ``headers`` as they came."""
    payload = content_sha256
    if signed.payload is not None:
        if signed.payload not in (UNSIGNED_PAYLOAD, content_sha256):
            return False
        payload = signed.payload
    path, _, query = origin_form(raw_target).partition(b"?")
    block = _block(signed.names, headers)
    names = ";".join(signed.names).encode()
    key = signing_key(secret, signed.day, signed.region, signed.service)
    for spelled in dict.fromkeys((canonical_query(query), _as_it_stands(query))):
        canonical = b"\n".join((method.encode(), path_in_canon(path), spelled, block, names, payload.encode()))
        to_sign = f"{ALGORITHM}\n{signed.stamp}\n{signed.scope}\n{hashlib.sha256(canonical).hexdigest()}"
        if hmac.compare_digest(hmac.digest(key, to_sign.encode(), "sha256").hex(), signed.signature):
            return True
    return False


def origin_form(raw_target: bytes) -> bytes:
    """Path and query of a target, which may be absolute."""
    if raw_target.startswith(b"/"):
        return raw_target
    rest = raw_target.partition(b"://")[2]
    end = min((index for index in (rest.find(b"/"), rest.find(b"?")) if index >= 0), default=len(rest))
    path = rest[end:]
    return path if path.startswith(b"/") else b"/" + path


def _block(names: tuple[str, ...], headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    found: dict[bytes, list[bytes]] = {name.encode("latin-1"): [] for name in names}
    for name, value in headers:
        values = found.get(name.lower())
        if values is not None:
            values.append(b" ".join(value.split()))
    return b"".join(b"%b:%b\n" % (name, b",".join(values)) for name, values in found.items())


def _as_it_stands(query: bytes) -> bytes:
    """A query as it is written, which is how botocore signs it; AWS's documentation asks for its own spelling. SDKs write it so that both are the same."""
    return b"&".join(sorted(b"=".join(part.partition(b"=")[::2]) for part in query.split(b"&"))) if query else b""


class Replays:
    """Signatures that were taken, so that each is taken once. An SDK that tries again within the same second signs the same: it is refused too."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def take(self, signature: str, now: float) -> None:
        """Remember it. Raises ``BadSignature`` if it was taken before."""
        until = self._until
        while until and (len(until) >= REPLAYS_KEPT or next(iter(until.values())) < now):
            del until[next(iter(until))]
        if signature in until:
            raise BadSignature("this signature was used before (tenants.refuse_replays): sign each request anew")
        until[signature] = now + 2 * SKEW_SECONDS  # it may be from the future by as much as it may be old
