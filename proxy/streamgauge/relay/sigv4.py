"""AWS Signature Version 4 of requests that will leave with the proxy's own role.

Knows: the signing algorithm, on raw header lists and the exact raw path that will be sent.
Signs few headers (``host``, ``content-type``, every ``x-amz-*``), so that nothing on the way can break the signature.
The source is AWS's "Create a signed AWS API request"; botocore's own signer is the oracle in the tests.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

import msgspec

ALGORITHM = "AWS4-HMAC-SHA256"
REPLACED = frozenset({b"authorization", b"x-amz-date", b"x-amz-security-token", b"x-amz-content-sha256", b"x-api-key"})
"""The caller's own, which name the caller's role or time, or are a key of the caller's: AWS shall see one identity. All other headers stay
as they are."""

SIGNED = frozenset({b"host", b"content-type"})
"""Signed beside every ``x-amz-*``: what AWS demands, and the type of the body."""

PATH_REMEMBERED_BYTES = 512
"""Canonical forms of longer paths are not remembered: a thousand of them at most, so half a megabyte."""

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
    canonical = b"\n".join((method.encode(), path_in_canon(path), canonical_query(query), block, names, content_hash.encode()))
    scope = f"{amz_date[:8]}/{region}/{service}/aws4_request"
    to_sign = f"{ALGORITHM}\n{amz_date}\n{scope}\n{hashlib.sha256(canonical).hexdigest()}"
    key = signing_key(credentials.secret_key, amz_date[:8], region, service)
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    value = f"{ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={names.decode()}, Signature={signature}"
    ours.append((b"Authorization", value.encode()))
    place = next((index for index, pair in enumerate(headers) if pair[0].lower() in REPLACED), len(headers))
    before = sum(1 for pair in headers[:place] if pair[0].lower() not in REPLACED)
    return kept[:before] + ours + kept[before:]


def _canonical_headers(headers: Headers) -> tuple[bytes, bytes]:
    """(names joined by a semicolon, the canonical header block). Bytes throughout: a header's value need not be UTF-8."""
    found: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        lowered = name.lower()
        if lowered in SIGNED or (lowered.startswith(b"x-amz") and lowered != b"x-amzn-trace-id"):  # hops rewrite the trace id
            found.setdefault(lowered, []).append(b" ".join(value.split()))
    names = sorted(found)
    return b";".join(names), b"".join(b"%b:%b\n" % (name, b",".join(found[name])) for name in names)


def path_in_canon(path: bytes) -> bytes:
    """The path as it is signed."""
    return canonical_path(path) if len(path) <= PATH_REMEMBERED_BYTES else quoted_path(path)


def quoted_path(path: bytes) -> bytes:
    """The path, quoted once more: AWS signs what is already percent-encoded as if it were plain text."""
    return quote(_without_dots(path), safe="/~").encode() or b"/"


canonical_path = lru_cache(maxsize=1_024)(quoted_path)


def _without_dots(path: bytes) -> bytes:
    """RFC 3986 section 5.2.4 as AWS's signers apply it before quoting (no slash is left of a last dot); the path that is sent stays as it is."""
    if b"/." not in path and b"//" not in path:
        return path
    out: list[bytes] = []
    for part in path.split(b"/"):
        if part == b"..":
            if out:
                out.pop()
        elif part and part != b".":
            out.append(part)
    return b"/" + b"/".join(out) + (b"/" if path.endswith(b"/") and out else b"")


def canonical_query(query: bytes) -> bytes:
    """Names and values in AWS's own spelling, sorted: what a caller left unquoted is quoted, what he quoted stays."""
    if not query:
        return b""
    pairs = sorted((_respelled(name), _respelled(value)) for name, _, value in (part.partition(b"=") for part in query.split(b"&")))
    return "&".join(f"{name}={value}" for name, value in pairs).encode()


def _respelled(text: bytes) -> str:
    return quote(unquote_to_bytes(text), safe="~")


@lru_cache(maxsize=256)
def signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    """The key of one day, region and service: four hashes saved per request. There are some thirty regions and three services."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
