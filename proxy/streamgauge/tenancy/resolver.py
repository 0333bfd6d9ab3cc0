"""From what a request says and what was proven of its caller to one tenant.

Knows: the order of the sources, that what is verified beats what is declared, names given to ids, teams and cost centres by date.
Must not know: how something is verified, where files are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from streamgauge.authorization import Authorization
from streamgauge.tenancy.claims import Claim, Names, Trust, in_attributes, in_headers, in_metadata, named, profile_ids
from streamgauge.tenancy.org_mapping import OrgMapping
from streamgauge.tenancy.tenant_settings import SourceName, TenantSettings


class Tenant(msgspec.Struct, frozen=True):
    """Who a call is for. ``conflict`` is ``source:name`` of somebody else whom another source names; it never decides anything."""

    name: str | None = None
    team: str | None = None
    app: str | None = None
    cost_centre: str | None = None
    source: SourceName | None = None
    trust: Trust = "none"
    conflict: str | None = None


NOBODY = Tenant()


class Said(msgspec.Struct, frozen=True):
    """What a request says: its headers by lower-case name, the claims of its authorization, its model, its metadata as JSON, its URL prefix."""

    headers: Mapping[str, str]
    authorization: Authorization | None = None
    model: str | None = None
    metadata: bytes | None = None
    prefix: Names | None = None


class Resolver:
    """The configured order, ready to ask."""

    def __init__(self, settings: TenantSettings, mapping: OrgMapping | None = None) -> None:
        self._settings = settings
        self._mapping = mapping or OrgMapping(())
        self._rank = {source: place for place, source in enumerate(settings.sources)}

    def resolve(self, said: Said, proven: Claim | None, day: str) -> Tenant:
        """The tenant of a call that began on ``day`` (YYYY-MM-DD, UTC); ``proven`` is what was verified of its caller."""
        claims = [claim for claim in self._claims(said, proven) if claim.source in self._rank]
        if not claims:
            return NOBODY
        claims.sort(key=lambda claim: (claim.fallback, claim.trust != "verified", self._rank[claim.source]))
        winner = next((claim for claim in claims if claim.names.tenant is not None), None)
        app = next((claim.names.app for claim in claims if claim.names.app is not None), None)
        trust = winner.trust if winner is not None else claims[0].trust
        # Beside a tenant that is verified, a team that anybody can write would pass for verified too. An application only names itself.
        stated = next((claim.names.team for claim in claims if claim.names.team is not None and claim.trust in ("verified", trust)), None)
        if winner is None:
            return Tenant(None, stated, app, None, claims[0].source, trust)
        name = winner.names.tenant
        assert name is not None
        placed = self._mapping.place(name, stated, day)
        return Tenant(
            name,
            placed.team,
            app,
            placed.cost_centre or winner.cost_centre,
            winner.source,
            winner.trust,
            self._conflict(name, claims),
        )

    @staticmethod
    def _conflict(name: str, claims: list[Claim]) -> str | None:
        for claim in claims:
            if claim.names.tenant not in (None, name) and not claim.fallback:
                return f"{claim.source}:{claim.names.tenant}"
        return None

    def _claims(self, said: Said, proven: Claim | None) -> Iterator[Claim]:
        if proven is not None:
            issued = proven.source in ("key_pair", "token")  # under the name that the operator gave it already
            yield proven if issued else msgspec.structs.replace(proven, names=self._with_alias(proven.names))
        yield from self._of_the_key(said.authorization, proven)
        settings = self._settings
        fixed = Names(settings.identity.tenant, settings.identity.team, settings.identity.app)
        profile = next((alias for name in profile_ids(said.model) if (alias := settings.aliases.get(name)) is not None), None)
        metadata = said.metadata or said.headers.get("x-amzn-bedrock-request-metadata")
        stated: tuple[tuple[SourceName, Names | None], ...] = (
            ("fixed", fixed if fixed != Names() else None),
            ("inference_profile", Names(profile) if profile is not None else None),
            ("request_metadata", in_metadata(metadata, settings)),
            ("custom_attributes", in_attributes(said.headers.get("x-amzn-sagemaker-custom-attributes"), settings)),
            ("header", in_headers(said.headers, settings)),
            ("url_prefix", said.prefix),
        )
        for source, names in stated:
            if names is not None:
                yield Claim(source, "declared", self._with_alias(names))

    def _of_the_key(self, authorization: Authorization | None, proven: Claim | None) -> Iterator[Claim]:
        """Of an AWS access key: its id is readable, that the caller has its secret only AWS can tell."""
        if authorization is None or authorization.access_key_id is None or (proven is not None and proven.source == "key_pair"):
            return
        key_id = authorization.access_key_id
        alias = self._settings.aliases.get(key_id)
        source: SourceName = "bedrock_key" if authorization.kind == "bearer" else "access_key_id"
        yield Claim(source, "declared", Names(alias or named(key_id)), fallback=alias is None)

    def _with_alias(self, names: Names) -> Names:
        alias = self._settings.aliases.get(names.tenant) if names.tenant is not None else None
        return names if alias is None else Names(alias, names.team, names.app)
