"""Settings of tenants: where identity may come from, in which order it counts, and what it is needed for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

SourceName = Literal[
    "key_pair",
    "token",
    "service_account",
    "jwt",
    "fixed",
    "access_key_id",
    "bedrock_key",
    "inference_profile",
    "request_metadata",
    "custom_attributes",
    "header",
    "url_prefix",
]
"""Where a name can come from, in the order in which sources count by default; also the values of ``tenant_source``."""

SOURCES: tuple[SourceName, ...] = get_args(SourceName)
"""The order in which they count: what was issued first, what anybody can write last."""

PROVEN = frozenset({"key_pair", "token", "service_account", "jwt"})
"""Sources that are verified before they are believed."""

Required = Literal["role", "all", "never"]


@dataclass(frozen=True)
class FixedIdentity:
    """Whose calls all are that come by here: of a proxy beside one application."""

    tenant: str | None = None
    team: str | None = None
    app: str | None = None


@dataclass(frozen=True)
class TokenIssuer:
    """Somebody whose JSON Web Tokens name a tenant.

    ``issuer`` and ``audience`` are compared with ``iss`` and ``aud``. The keys are read from ``jwks_file``, or fetched from ``jwks_url``, with ``ca_file`` as the
    authority of its certificate and the content of ``bearer_file`` as authorization. ``kubernetes``: tokens of service accounts, whose namespace
    is the tenant and whose name the application; keys, CA and authorization are the cluster's if nothing else is said. Else ``tenant_claim``,
    ``team_claim`` and ``app_claim`` name claims, dots leading into nested ones.
    """

    issuer: str
    audience: str
    jwks_file: str | None = None
    jwks_url: str | None = None
    ca_file: str | None = None
    bearer_file: str | None = None
    kubernetes: bool = False
    tenant_claim: str = "sub"
    team_claim: str | None = None
    app_claim: str | None = None


@dataclass(frozen=True)
class TenantSettings:
    """Who calls are for.

    ``file``: issued keys and tokens, written by ``streamgauge tenants``; ``secrets_file``: the secrets of the key pairs (mode 0600).
    ``issuers``: whose JSON Web Tokens are believed. ``required``: ``role``: who wants the proxy's role must be verified, as soon as there is a ``file`` or an
    issuer; ``all``: everybody must; ``never``: nobody. ``sources``: which count, the first most. ``identity``: of all calls.
    ``aliases``: names for access key ids, ARNs of inference profiles, and names that callers state. ``header``, ``team_header``, ``app_header``: which
    headers state them, and are not sent on. ``url_prefix``: a pattern such as ``/t/{tenant}``, taken off the path. ``metadata_tenant``,
    ``metadata_team``, ``metadata_app``: which keys of request metadata and custom attributes state them. ``mapping_file``: tenants to teams to
    cost centres, dated. ``refuse_replays``: each worker takes a signature once.
    ``sts_endpoint``: where roles of tenants are assumed, instead of AWS's.
    """

    file: str | None = None
    secrets_file: str | None = None
    issuers: tuple[TokenIssuer, ...] = ()
    required: Required = "role"
    sources: tuple[SourceName, ...] = SOURCES
    identity: FixedIdentity = field(default_factory=FixedIdentity)
    aliases: dict[str, str] = field(default_factory=dict)
    header: str | None = None
    team_header: str | None = None
    app_header: str | None = None
    url_prefix: str | None = None
    metadata_tenant: str = "tenant"
    metadata_team: str = "team"
    metadata_app: str = "app"
    mapping_file: str | None = None
    refuse_replays: bool = False
    sts_endpoint: str | None = None

    @property
    def proves(self) -> bool:
        """Whether there is any way for a caller to be verified."""
        return self.file is not None or bool(self.issuers)
