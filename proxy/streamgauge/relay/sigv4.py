"""AWS Signature Version 4 of requests that will leave with the proxy's own role.

Knows: the signing algorithm, on raw header lists and the exact raw path that will be sent.
Signs few headers (``host``, ``content-type``, every ``x-amz-*``), so that nothing on the way can break the signature.
The source is AWS's "Create a signed AWS API request"; botocore's own signer is the oracle in the tests.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from urllib.parse import quote

import msgspec

ALGORITHM = "AWS4-HMAC-SHA256"
REPLACED = frozenset({b"authorization", b"x-amz-date", b"x-amz-security-token", b"x-amz-content-sha256"})
"""The caller's own, which name the caller's role or time; all other headers stay as they are."""

Headers = list[tuple[bytes, bytes]]


class Credentials(msgspec.Struct, frozen=True):
    """One set of AWS credentials. ``repr`` shows no secret."""

    access_key: str
    secret_key: str
    token: str | None = None

    def __repr__(self) -> str:
        """The key id is no secret, the rest is."""
        return f"Credentials({self.access_key})"


def payload_hash(content: bytes) -> str:
    """SHA-256 of a body, in hex. Releases the interpreter for all but small bodies, so that a thread can do it."""
    return hashlib.sha256(content).hexdigest()


def sign(
    method: str,
    origin_path: bytes,
    headers: Headers,
    content_hash: str,
    credentials: Credentials,
    region: str,
    service: str,
    amz_date: str,
) -> Headers:
    """``headers`` with the proxy's identity in place of the caller's.

    ``origin_path`` is the raw target as it will be sent, query included; ``service`` the signing name; ``amz_date`` is ``YYYYMMDDTHHMMSSZ``.
    """
    ours: Headers = [(b"X-Amz-Date", amz_date.encode())]
    if credentials.token is not None:
        ours.append((b"X-Amz-Security-Token", credentials.token.encode()))
    kept = [pair for pair in headers if pair[0].lower() not in REPLACED]
    names, block = _canonical_headers(kept + ours)
    path, _, query = origin_path.partition(b"?")
    canonical = f"{method}\n{_canonical_path(path)}\n{_canonical_query(query)}\n{block}\n{names}\n{content_hash}"
    scope = f"{amz_date[:8]}/{region}/{service}/aws4_request"
    to_sign = f"{ALGORITHM}\n{amz_date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = _signing_key(credentials.secret_key, amz_date[:8], region, service)
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    value = f"{ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    ours.append((b"Authorization", value.encode()))
    place = next((index for index, pair in enumerate(headers) if pair[0].lower() in REPLACED), len(headers))
    before = sum(1 for pair in headers[:place] if pair[0].lower() not in REPLACED)
    return kept[:before] + ours + kept[before:]


def _canonical_headers(headers: Headers) -> tuple[str, str]:
    """(names joined by a semicolon, the canonical header block)."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        lowered = name.lower().decode("latin-1")
        if lowered in ("host", "content-type") or lowered.startswith("x-amz"):
            if lowered == "x-amzn-trace-id":  # hops rewrite it
                continue
            found.setdefault(lowered, []).append(" ".join(value.decode("utf-8", "surrogateescape").split()))
    names = sorted(found)
    return ";".join(names), "".join(f"{name}:{','.join(found[name])}\n" for name in names)


@lru_cache(maxsize=1_024)
def _canonical_path(path: bytes) -> str:
    """The path, quoted once more: AWS signs what is already percent-encoded as if it were plain text."""
    return quote(_without_dots(path), safe="/~") or "/"


def _without_dots(path: bytes) -> bytes:
    """RFC 3986 section 5.2.4, as signers apply it before quoting; the path that is sent stays as it is."""
    if b"/." not in path and b"//" not in path:
        return path
    out: list[bytes] = []
    for part in path.split(b"/"):
        if part == b"..":
            if out:
                out.pop()
        elif part and part != b".":
            out.append(part)
    return b"/" + b"/".join(out) + (b"/" if path.endswith((b"/", b"/.", b"/..")) and out else b"")


def _canonical_query(query: bytes) -> str:
    if not query:
        return ""
    pairs = [part.partition(b"=")[::2] for part in query.split(b"&")]
    return "&".join(f"{key.decode('latin-1')}={value.decode('latin-1')}" for key, value in sorted(pairs))


@lru_cache(maxsize=64)
def _signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    """The key of one day, region and service: four hashes saved per request."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
