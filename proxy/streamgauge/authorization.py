"""What a request's ``Authorization`` header says without any secret: scheme, access key id, date, region, service, covered headers.

Knows: SigV4 and SigV4A headers, bearer keys and the scope readable inside Bedrock's short-term keys.
Must not know: secrets. Neither a signature nor a token is kept in what is returned; nothing here is verified.
"""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache
from typing import Literal
from urllib.parse import parse_qs

import msgspec

Kind = Literal["sigv4", "sigv4a", "bearer", "other"]

SHORT_TERM_PREFIX = "bedrock-api-key-"
MAX_KEY_CHARS = 16_384
"""A short-term key holds a session token of 1-2 KiB twice encoded; what is longer is not looked into."""

_SIGV4 = re.compile(
    r"AWS4-(HMAC-SHA256|ECDSA-P256-SHA256)[ \t]+Credential=([^,\s]+?)/([0-9]{8})/(?:([^/,\s]+)/)?([^/,\s]+)/aws4_request[ \t]*,"
    r"[ \t]*SignedHeaders=([^,\s]+)[ \t]*,[ \t]*"
)


_KEY_ID = re.compile(r"[A-Z0-9]{4,128}")
"""What AWS issues as access key ids. Anything else in their place may be the secret, written there by mistake, and the id goes into the ledger."""

_DATE = re.compile(r"[0-9]{8}")


class Authorization(msgspec.Struct, frozen=True):
    """The claims of one header. ``date`` is YYYYMMDD, ``signed_headers`` in lower case; absent is ``None``,
    and so is an access key id that cannot be one.

    ``service`` is the signing name (``bedrock``, ``sagemaker``, ...). A long-term bearer key and an unknown scheme have claims of no kind.
    """

    kind: Kind
    access_key_id: str | None = None
    date: str | None = None
    region: str | None = None
    service: str | None = None
    signed_headers: tuple[str, ...] = ()


_OTHER = Authorization("other")
_BEARER = Authorization("bearer")


def read_authorization(value: str | bytes | None) -> Authorization | None:
    """The claims of a header's value; ``None`` where there is no header. Never raises: what is not understood is ``other``."""
    if value is None:
        return None
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if text.startswith("AWS4-"):
        # All before the signature is the same for every request of an application's day, and holds no secret: safe to remember.
        claims, found, _ = text.rpartition("Signature=")
        return _read_sigv4(claims) if found and len(claims) <= 2_048 else _OTHER
    if text[:7].lower() == "bearer ":
        return _read_bearer(text[7:].strip())
    return _OTHER


@lru_cache(maxsize=1_024)
def _read_sigv4(claims: str) -> Authorization:
    found = _SIGV4.fullmatch(claims)
    if found is None:
        return _OTHER
    algorithm, key_id, date, region, service, headers = found.groups()
    kind: Kind = "sigv4" if algorithm == "HMAC-SHA256" else "sigv4a"
    if kind == "sigv4" and region is None:
        return _OTHER
    return Authorization(kind, _key_id(key_id), date, region, service, tuple(headers.lower().split(";")))


def _read_bearer(key: str) -> Authorization:
    """A short-term key is a presigned URL in base64; its credential scope says who and where. Long-term keys are opaque."""
    if not key.startswith(SHORT_TERM_PREFIX) or len(key) > MAX_KEY_CHARS:
        return _BEARER
    try:
        encoded = key[len(SHORT_TERM_PREFIX) :].encode("ascii")
        url = base64.b64decode(encoded + b"=" * (-len(encoded) % 4)).decode("ascii")
        scope = parse_qs(url.partition("?")[2], max_num_fields=64)["X-Amz-Credential"][0].rsplit("/", 4)
    except (binascii.Error, UnicodeError, ValueError, LookupError):
        return _BEARER
    if len(scope) != 5 or scope[4] != "aws4_request" or not _DATE.fullmatch(scope[1]):
        return _BEARER
    return Authorization("bearer", _key_id(scope[0]), scope[1], scope[2], scope[3])


def _key_id(claimed: str) -> str | None:
    return claimed if _KEY_ID.fullmatch(claimed) else None
