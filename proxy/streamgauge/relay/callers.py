"""Who calls: what each request proves and says of its caller, and what follows from it. One per worker, where tenants are configured at all.

Verifies what was issued (``inbound_sigv4``, tokens, ``token_issuers``), asks the resolver, keeps limits and roles of tenants, and takes what was meant for the
proxy out of what is sent on. The files are read again when they change.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import logging
import time
from collections.abc import Mapping
from time import perf_counter_ns
from typing import TYPE_CHECKING

import msgspec

from streamgauge.authorization import Authorization
from streamgauge.errors import ProxyCredentials, TargetNotAllowed, UsageError
from streamgauge.records import Measurement, RequestFacts
from streamgauge.relay import inbound_sigv4, sigv4
from streamgauge.relay.assumed_roles import AssumedRoles
from streamgauge.relay.inbound_sigv4 import Replays, Signed
from streamgauge.relay.refusal import BadSignature, IdentityNeeded, TenantRefused
from streamgauge.relay.request_signer import IN_THREAD_BYTES
from streamgauge.relay.tenant_limits import TenantLimits
from streamgauge.relay.token_issuers import TokenIssuers
from streamgauge.tenancy.claims import Claim, Names, UrlPrefix
from streamgauge.tenancy.issued import KEY_PREFIX, TOKEN_PREFIX, Credential, Issued, TenantEntry, TenantFile
from streamgauge.tenancy.resolver import NOBODY, Resolver, Said, Tenant
from streamgauge.tenancy.tenant_settings import TenantSettings
from streamgauge.tenant_files import read_files, stamps

if TYPE_CHECKING:
    from aiohttp.http_parser import RawRequestMessage

    from streamgauge.relay.exchange import Exchange
    from streamgauge.relay.request_signer import RequestSigner
    from streamgauge.targets import Target

_log = logging.getLogger("streamgauge.relay.tenants")


class Caller:
    """One request's: shown, verified, identified, and signed for, in that order."""

    __slots__ = (
        "_all",
        "_authorization",
        "_counted",
        "_entry",
        "_headers",
        "_ours",
        "_prefix",
        "_proven",
        "_secret",
        "_signed",
        "_tenant",
        "sha256",
    )

    def __init__(self, all_of_them: Callers, prefix: Names | None) -> None:
        self._all = all_of_them
        self._prefix = prefix
        self._headers: Mapping[str, str] = {}
        self._authorization: Authorization | None = None
        self._proven: Claim | None = None
        self._signed: Signed | None = None
        self._secret = ""
        self._ours = False
        self._tenant = NOBODY
        self._entry: TenantEntry | None = None
        self._counted = False
        self.sha256: str | None = None
        """Of the body, once it is known."""

    async def admit(self, m: Measurement, headers: Mapping[str, str], authorization: Authorization | None) -> None:
        """Before the body: look at what the caller shows. Raises ``TenantRefused``."""
        self._headers, self._authorization = headers, authorization
        key_id = authorization.access_key_id if authorization is not None else None
        if authorization is not None and key_id is not None and key_id.startswith(KEY_PREFIX):
            self._proven, self._secret = self._all.key_pair(key_id, m.started_at)
            self._signed = inbound_sigv4.read_signature(headers["authorization"], authorization, headers, _now())
            self._ours = True
            return
        for place, value in shown(headers):
            self._proven = await self._all.proven(value, m.started_at)
            if self._proven is not None:
                self._ours = place != "proxy-authorization"  # that one never leaves anyway
                return

    async def identify(self, m: Measurement, message: RawRequestMessage, content: bytes, facts: RequestFacts) -> None:
        """With the body: verify a signature with what was sent, say in ``m`` who it is, and count the request as its tenant's.

        Raises ``TenantRefused``.
        """
        if self._signed is not None:
            await self._verify(self._signed, message, content)
        said = Said(self._headers, self._authorization, facts.model, facts.metadata, self._prefix)
        tenant = self._tenant = self._all.resolve(said, self._proven, m)
        self._entry = self._all.entry(tenant.name)
        if self._entry is not None:
            self._counted = self._all.limits.begin(self._entry, perf_counter_ns())

    async def _verify(self, signed: Signed, message: RawRequestMessage, content: bytes) -> None:
        if len(content) > IN_THREAD_BYTES:
            self.sha256 = await asyncio.get_running_loop().run_in_executor(None, sigv4.payload_hash, content)
        else:
            self.sha256 = sigv4.payload_hash(content)
        target = message.path.encode("utf-8", "surrogateescape")
        if not inbound_sigv4.matches(signed, message.method, target, message.raw_headers, self.sha256, self._secret):
            raise BadSignature(
                f"the signature with access key {signed.key_id} does not match: another secret, or something on the way changed method, path, "
                "a signed header or the body"
            )
        if self._all.replays is not None:
            self._all.replays.take(signed.signature, _now())

    def is_signed_for(self, target: Target, signer: RequestSigner) -> bool:
        """Whether the proxy's role, or the tenant's, is spent for it. Raises where it may not be, or where nothing can stand in the place of what we issued."""
        if self._ours:
            if not target.role_allowed:
                raise TargetNotAllowed(
                    f"{target.host} is neither AWS nor a configured upstream, so a credential of this proxy opens nothing there"
                )
            if signer.mode == "passthrough":
                raise ProxyCredentials(
                    "the credential was issued for this proxy, which does not sign (relay.signing: passthrough): set relay.signing: auto"
                )
            return True
        if self._prefix is not None:  # the path is not what was signed
            target = msgspec.structs.replace(target, rewritten=True)
        if not signer.resigns(self._authorization, target, self._headers):
            return False
        settings = self._all.settings
        if settings.required != "never" and settings.proves and self._tenant.trust != "verified":
            raise IdentityNeeded(f"the request is to be signed with the proxy's role, and who calls is not verified: {NEEDED}")
        return True

    async def sent_on(
        self, exchange: Exchange, signer: RequestSigner, method: str, target: Target, headers: sigv4.Headers, content: bytes
    ) -> sigv4.Headers:
        """The headers as they go on: with the caller's own authorization, or signed with the proxy's role or the tenant's own.

        Raises ``ProxyCredentials``, and what ``is_signed_for`` raises.
        """
        exchange.resigned = self.is_signed_for(target, signer)
        headers = self._without_names(headers, signed_anew=exchange.resigned)
        if not exchange.resigned:
            return headers
        exchange.measurement.signing = "resigned"
        return await signer.sign(method, target, headers, content, self.sha256, await self._role(target.region))

    async def _role(self, region: str | None) -> sigv4.Credentials | None:
        """Credentials of the tenant's own role; ``None`` where it has none."""
        if self._entry is None or self._entry.role_arn is None or self._tenant.trust != "verified":
            return None
        return await self._all.roles.credentials(self._entry, self._tenant, region)

    def _without_names(self, headers: sigv4.Headers, *, signed_anew: bool) -> sigv4.Headers:
        """The headers without those that name a tenant; one that a signature covers stays where that signature goes on."""
        out = self._all.taken_out
        if not out:
            return headers
        if not signed_anew and self._authorization is not None and self._authorization.signed_headers:
            out = out - {name.encode("latin-1") for name in self._authorization.signed_headers}
        return [pair for pair in headers if pair[0].lower() not in out]

    def end(self, m: Measurement) -> None:
        """The provider's part is over, and ``m`` has what it answered."""
        if m.tenant_source in BY_AWS and m.signing == "passthrough" and m.http_status is not None and 200 <= m.http_status < 300:
            m.tenant_trust = "verified"
        if self._counted and self._entry is not None:
            self._all.limits.end(self._entry.name)


class Callers:
    """Settings and files, ready to ask."""

    def __init__(self, settings: TenantSettings, loop: asyncio.AbstractEventLoop) -> None:
        self.settings = settings
        self.limits = TenantLimits()
        self.roles = AssumedRoles(loop, settings.sts_endpoint)
        self.replays = Replays() if settings.refuse_replays else None
        self.taken_out = frozenset(
            name.lower().encode("latin-1") for name in (settings.header, settings.team_header, settings.app_header) if name is not None
        )
        self._loop = loop
        self._prefix = UrlPrefix(settings.url_prefix) if settings.url_prefix is not None else None
        self._issuers = TokenIssuers(settings.issuers, loop) if settings.issuers else None
        self._stamps: tuple[tuple[int, int], ...] = ()
        self._looking: asyncio.Future[None] | None = None
        self._issued = Issued(TenantFile(), {})
        self._resolver = Resolver(settings)
        self._read()

    def enter(self, path: str) -> tuple[str, Caller]:
        """(the path without a tenant's prefix, the caller as far as it tells)."""
        if self._prefix is None:
            return path, Caller(self, None)
        rest, names = self._prefix.take(path)
        return rest, Caller(self, names)

    def key_pair(self, key_id: str, at: str) -> tuple[Claim, str]:
        """What an issued key says, and its secret; ``at`` is now. Raises ``TenantRefused``."""
        credential = _valid(self._issued.key_pair(key_id), f"access key {key_id}", at)
        secret = self._issued.secret(key_id)
        if secret is None:
            raise TenantRefused(
                f"the secret of access key {key_id} is not in tenants.secrets_file: `streamgauge tenants rotate` issues another"
            )
        return self._issued.claim(credential), secret

    async def proven(self, token: str, at: str) -> Claim | None:
        """What a token proves, issued by us or by somebody we believe; ``None`` if it is neither's. Raises ``TenantRefused``, ``IssuerUnreachable``."""
        if token.startswith(TOKEN_PREFIX):
            sha256 = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
            return self._issued.claim(_valid(self._issued.token(sha256), "the token", at))
        return await self._issuers.claim(token, _now()) if self._issuers is not None else None

    def resolve(self, said: Said, proven: Claim | None, m: Measurement) -> Tenant:
        """Who it is, written into ``m`` as well. Raises ``IdentityNeeded``."""
        tenant = self._resolver.resolve(said, proven, m.started_at[:10])
        m.tenant, m.team, m.cost_centre = tenant.name, tenant.team, tenant.cost_centre
        m.app = tenant.app or m.app
        m.tenant_source, m.tenant_trust, m.tenant_conflict = tenant.source, tenant.trust, tenant.conflict
        if self.settings.required == "all" and tenant.trust != "verified":
            raise IdentityNeeded(f"who calls is not verified (tenants.required: all): {NEEDED}")
        return tenant

    def entry(self, name: str | None) -> TenantEntry | None:
        """What the file says of a tenant."""
        return self._issued.tenant(name)

    def look(self) -> None:
        """Once a second: whether the files have changed, in a thread."""
        if self._looking is None or self._looking.done():
            self._looking = self._loop.run_in_executor(None, self._read_if_changed)

    def close(self) -> None:
        """Assume no more roles."""
        self.roles.close()

    def _read_if_changed(self) -> None:
        if stamps(self.settings) != self._stamps:
            self._read()

    def _read(self) -> None:
        self._stamps = stamps(self.settings)
        try:
            files = read_files(self.settings)
            self._resolver, self._issued = Resolver(self.settings, files.mapping), files.issued
        except UsageError as error:
            _log.error("%s; what was known before still holds", error)
        except Exception as error:  # what a file holds must not end a worker
            _log.error("the tenants' files cannot be read: %s; what was known before still holds", type(error).__name__)


BY_AWS = frozenset({"access_key_id", "bedrock_key"})
"""What only AWS can verify, and has verified where it did what was asked with the caller's own signature or key."""

NEEDED = "sign with a key pair, or send a token, that `streamgauge tenants add` issued"


def _valid(credential: Credential | None, what: str, at: str) -> Credential:
    if credential is None:
        raise TenantRefused(f"{what} was not issued by this proxy: `streamgauge tenants list` shows what was")
    if not credential.valid(at):
        raise TenantRefused(f"{what} of tenant {credential.tenant} is {credential.state(at)}: use its newer one")
    return credential


def _now() -> float:
    return time.time_ns() / 1e9


def shown(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Tokens that a request shows, with the header each stands in."""
    found: list[tuple[str, str]] = []
    for place in ("authorization", "x-api-key", "proxy-authorization"):
        value = headers.get(place)
        if value is None:
            continue
        scheme, _, rest = value.partition(" ")
        if place == "x-api-key":
            found.append((place, value.strip()))
        elif scheme.lower() == "bearer":
            found.append((place, rest.strip()))
        elif scheme.lower() == "basic" and place == "proxy-authorization":
            found.append((place, _password(rest)))
    return found


def _password(basic: str) -> str:
    """Of a proxy's URL ``http://anything:TOKEN@host``; empty where it cannot be read."""
    try:
        return base64.b64decode(basic.strip(), validate=True).decode("latin-1").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def callers(settings: TenantSettings, loop: asyncio.AbstractEventLoop) -> Callers | None:
    """``None`` where nothing is configured, which then costs nothing."""
    return Callers(settings, loop) if settings != TenantSettings() else None
