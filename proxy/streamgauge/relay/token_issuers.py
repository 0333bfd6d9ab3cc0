"""JSON Web Tokens of callers, those of Kubernetes' service accounts among them: verified with the issuer's published keys (RS256, ES256).

The library for it is imported with the first issuer, so that nobody else needs it. Keys are fetched in a thread when the first token needs them, and
anew every few minutes or for a key that is not known; a token that was verified is remembered until it ends.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from streamgauge.errors import UsageError
from streamgauge.relay.refusal import BadSignature, IssuerUnreachable
from streamgauge.tenancy.claims import Claim, Names, named
from streamgauge.tenancy.tenant_settings import SourceName, TokenIssuer

ALGORITHMS = ("RS256", "ES256")
REMEMBERED = 4_096
"""Verified tokens. Each saves 0.1 ms of the loop's time; callers beyond it are verified again."""

KEYS_SECONDS = 300.0
"""After so long keys are fetched anew, while those at hand are still used: a key that was withdrawn is refused then."""

UNKNOWN_KEY_SECONDS = 10.0
"""Not more often are keys fetched for the sake of a key that nobody knows, which anybody can write into a token."""

FETCH_SECONDS = 5.0
MAX_KEYS_BYTES = 1 << 20
MAX_TOKEN = 16_384
LEEWAY_SECONDS = 30.0
"""What clocks may differ."""

CLUSTER_KEYS = "https://kubernetes.default.svc/openid/v1/jwks"
CLUSTER_FILES = "/var/run/secrets/kubernetes.io/serviceaccount"


class _Body(msgspec.Struct):
    iss: str | None = None


class _Head(msgspec.Struct):
    kid: str | None = None
    alg: str | None = None


def library() -> Any:
    """PyJWT. Raises ``UsageError`` where it is not installed."""
    try:
        import jwt
        import jwt.algorithms

        jwt.algorithms.RSAAlgorithm  # noqa: B018 - it is there only with the package cryptography
    except (ImportError, AttributeError):
        raise UsageError("tenants.issuers: need the packages PyJWT and cryptography: pip install 'streamgauge[jwt]'") from None
    return jwt


class _Keys:
    """The published keys of one issuer, by id; ``at``: when they were fetched, on the loop's clock."""

    def __init__(self, issuer: TokenIssuer) -> None:
        self.issuer = issuer
        self.by_id: dict[str | None, Any] = {}
        self.at = float("-inf")
        self.problem = ""
        self.fetching: asyncio.Future[None] | None = None

    def fetch(self) -> dict[str | None, Any]:
        """In a thread. Raises anything."""
        jwt = library()
        keys = jwt.PyJWKSet.from_dict(msgspec.json.decode(published(self.issuer))).keys
        return {key.key_id: key.key for key in keys if key.algorithm_name in ALGORITHMS}


def published(issuer: TokenIssuer) -> bytes:
    """The JSON with an issuer's keys. Raises ``OSError``."""
    if issuer.jwks_file is not None:
        return Path(issuer.jwks_file).expanduser().read_bytes()[:MAX_KEYS_BYTES]
    inside = issuer.kubernetes and issuer.jwks_url is None
    ca_file = issuer.ca_file or (f"{CLUSTER_FILES}/ca.crt" if inside else None)
    bearer_file = issuer.bearer_file or (f"{CLUSTER_FILES}/token" if inside else None)
    request = urllib.request.Request(issuer.jwks_url or CLUSTER_KEYS)  # noqa: S310 - the operator's own URL, checked at start
    if bearer_file is not None:
        request.add_header("Authorization", f"Bearer {Path(bearer_file).read_text(encoding='ascii').strip()}")
    context = ssl.create_default_context(cafile=ca_file)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with opener.open(request, timeout=FETCH_SECONDS) as answer:
        return bytes(answer.read(MAX_KEYS_BYTES))


class TokenIssuers:
    """One per worker, where issuers are configured."""

    def __init__(self, issuers: tuple[TokenIssuer, ...], loop: asyncio.AbstractEventLoop) -> None:
        self._jwt = library()
        self._loop = loop
        self._keys = {issuer.issuer: _Keys(issuer) for issuer in issuers}
        self._verified: dict[bytes, tuple[float, Claim]] = {}

    async def claim(self, token: str, now: float) -> Claim | None:
        """What a token proves at ``now`` (seconds since 1970); ``None`` if it is none of our issuers'. Raises ``BadSignature``, ``IssuerUnreachable``."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        known = self._verified.get(digest)
        if known is not None and now < known[0]:
            return known[1]
        keys = self._issuer(token)
        if keys is None:
            return None
        key = await self._key(keys, _key_id(token))
        found = self._decoded(token, key, keys.issuer)
        claim = _claim(found, keys.issuer)
        if len(self._verified) >= REMEMBERED:
            self._verified.clear()
        # Not beyond the next look at the keys: one of them may have been withdrawn.
        self._verified[digest] = (min(float(found["exp"]), now + KEYS_SECONDS), claim)
        return claim

    def _issuer(self, token: str) -> _Keys | None:
        if len(token) > MAX_TOKEN or token.count(".") != 2 or not token.startswith("eyJ"):
            return None
        try:
            return self._keys.get(_part(token, 1, _Body).iss or "")
        except (ValueError, msgspec.DecodeError):
            return None

    async def _key(self, keys: _Keys, key_id: str | None) -> Any:
        now = self._loop.time()
        if key_id not in keys.by_id and now - keys.at > (UNKNOWN_KEY_SECONDS if keys.by_id else 1.0):
            await asyncio.shield(self._fetched(keys))
        elif now - keys.at > KEYS_SECONDS:
            self._fetched(keys)
        key = keys.by_id.get(key_id)
        if key is None and keys.problem and not keys.by_id:
            raise IssuerUnreachable(f"the keys of issuer {keys.issuer.issuer[:120]} cannot be had ({keys.problem}): try again")
        if key is None:
            raise BadSignature(f"the token is signed with a key that issuer {keys.issuer.issuer[:120]} does not publish")
        return key

    def _fetched(self, keys: _Keys) -> asyncio.Future[None]:
        """One fetch at a time, whoever waits for it."""
        if keys.fetching is None or keys.fetching.done():
            keys.at = self._loop.time()
            keys.fetching = self._loop.create_task(self._fetch(keys))
        return keys.fetching

    async def _fetch(self, keys: _Keys) -> None:
        try:
            keys.by_id, keys.problem = await self._loop.run_in_executor(None, keys.fetch), ""
        except Exception as error:  # files, sockets, TLS, JSON and the library have a dozen kinds; those at hand stay in use
            keys.problem = type(error).__name__

    def _decoded(self, token: str, key: Any, issuer: TokenIssuer) -> Mapping[str, Any]:
        try:
            found: dict[str, Any] = self._jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=issuer.audience,
                issuer=issuer.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud"]},
            )
        except self._jwt.ExpiredSignatureError:
            raise BadSignature("the token has expired: get a new one") from None
        except self._jwt.InvalidAudienceError:
            raise BadSignature(f"the token is for another audience than {issuer.audience[:120]}") from None
        except (self._jwt.PyJWTError, TypeError, ValueError) as error:  # TypeError: a key of another kind than the token's algorithm
            raise BadSignature(f"the token does not hold ({type(error).__name__})") from None
        return found


def _key_id(token: str) -> str | None:
    try:
        head: _Head = _part(token, 0, _Head)
    except (ValueError, msgspec.DecodeError):
        raise BadSignature("the token's head cannot be read: get a new one") from None
    return head.kid


def _part(token: str, index: int, kind: Any) -> Any:
    raw = token.split(".")[index]
    return msgspec.json.decode(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)), type=kind)


def _claim(found: Mapping[str, Any], issuer: TokenIssuer) -> Claim:
    source: SourceName = "service_account" if issuer.kubernetes else "jwt"
    if issuer.kubernetes:
        parts = str(found.get("sub", "")).split(":")
        account = parts[2:] if parts[:2] == ["system", "serviceaccount"] and len(parts) == 4 else ["", ""]
        names = Names(named(account[0]), None, named(account[1]))
    else:
        names = Names(*(named(_at(found, path)) for path in (issuer.tenant_claim, issuer.team_claim, issuer.app_claim)))
    if names.tenant is None:
        where = "sub" if issuer.kubernetes else issuer.tenant_claim
        raise BadSignature(f"the token's claim {where[:60]} names no tenant")
    return Claim(source, "verified", names)


def _at(found: Mapping[str, Any], path: str | None) -> Any:
    """The claim of that very name, or the one that dots lead to."""
    if path is None or path in found:
        return found.get(path) if path is not None else None
    value: Any = found
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
