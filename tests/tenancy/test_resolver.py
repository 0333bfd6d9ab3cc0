"""One tenant of all that is said: what is verified beats what is declared, then the order counts, and what contradicts is told."""

from __future__ import annotations

from typing import Any

import pytest

from streamgauge.authorization import Authorization
from streamgauge.tenancy.claims import Claim, Names
from streamgauge.tenancy.org_mapping import read_mapping
from streamgauge.tenancy.resolver import NOBODY, Resolver, Said, Tenant
from streamgauge.tenancy.tenant_settings import SOURCES, FixedIdentity, TenantSettings

DAY = "2026-11-25"
ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"
SIGNED = Authorization("sigv4", "AKIDEXAMPLE", "20261125", "us-east-1", "bedrock", ("host",))
SHORT_TERM = Authorization("bearer", "ASIDEXAMPLE", "20261125", "us-east-1", "bedrock")
PROVEN = Claim("key_pair", "verified", Names("team-a", "search", None), "CC-1")


def resolved(proven: Claim | None = None, settings: TenantSettings | None = None, **said: Any) -> Tenant:
    return Resolver(settings or TenantSettings()).resolve(Said(**{"headers": {}, **said}), proven, DAY)


def test_who_says_nothing_is_nobody() -> None:
    assert resolved() == NOBODY == Tenant(trust="none")


@pytest.mark.parametrize(
    ("said", "settings", "source", "name"),
    [
        ({"authorization": SIGNED}, {"aliases": {"AKIDEXAMPLE": "team-a"}}, "access_key_id", "team-a"),
        ({"authorization": SIGNED}, {}, "access_key_id", "AKIDEXAMPLE"),
        ({"authorization": SHORT_TERM}, {}, "bedrock_key", "ASIDEXAMPLE"),
        ({"model": ARN}, {"aliases": {ARN: "team-a"}}, "inference_profile", "team-a"),
        ({"model": ARN}, {"aliases": {"abc123": "team-a"}}, "inference_profile", "team-a"),
        ({"metadata": b'{"tenant":"team-a"}'}, {}, "request_metadata", "team-a"),
        ({"headers": {"x-amzn-bedrock-request-metadata": '{"tenant":"team-a"}'}}, {}, "request_metadata", "team-a"),
        ({"headers": {"x-amzn-sagemaker-custom-attributes": "tenant=team-a"}}, {}, "custom_attributes", "team-a"),
        ({"headers": {"x-tenant": "team-a"}}, {"header": "x-tenant"}, "header", "team-a"),
        ({"prefix": Names("team-a")}, {}, "url_prefix", "team-a"),
        ({}, {"identity": FixedIdentity("team-a")}, "fixed", "team-a"),
        ({"prefix": Names("old-name")}, {"aliases": {"old-name": "team-a"}}, "url_prefix", "team-a"),
    ],
)
def test_every_source_alone_names_the_tenant_and_is_only_declared(
    said: dict[str, Any], settings: dict[str, Any], source: str, name: str
) -> None:
    found = resolved(settings=TenantSettings(**settings), **said)
    assert (found.name, found.source, found.trust, found.conflict) == (name, source, "declared", None)


def test_what_is_verified_beats_what_is_declared_and_the_contradiction_is_told() -> None:
    settings = TenantSettings(header="x-tenant", sources=("header", "key_pair"))
    found = resolved(PROVEN, settings, headers={"x-tenant": "team-b"})
    assert found == Tenant("team-a", "search", None, "CC-1", "key_pair", "verified", "header:team-b")


def test_of_what_is_declared_the_first_in_the_configured_order_counts() -> None:
    said: dict[str, Any] = {"headers": {"x-tenant": "team-b"}, "prefix": Names("team-c")}
    by_default = resolved(settings=TenantSettings(header="x-tenant"), **said)
    turned = resolved(settings=TenantSettings(header="x-tenant", sources=("url_prefix", "header")), **said)
    assert (by_default.name, by_default.conflict) == ("team-b", "url_prefix:team-c")
    assert (turned.name, turned.conflict) == ("team-c", "header:team-b")


def test_sources_that_agree_are_no_contradiction() -> None:
    assert resolved(PROVEN, TenantSettings(header="x-tenant"), headers={"x-tenant": "team-a"}).conflict is None


def test_a_source_that_is_not_listed_says_nothing() -> None:
    assert resolved(settings=TenantSettings(sources=("header",)), prefix=Names("team-c"), authorization=SIGNED) == NOBODY


def test_a_key_that_nobody_gave_a_name_to_counts_only_where_nothing_else_is_said() -> None:
    found = resolved(authorization=SIGNED, prefix=Names("team-c"))
    assert (found.name, found.source, found.conflict) == ("team-c", "url_prefix", None)


def test_the_key_id_of_an_issued_pair_is_no_second_source() -> None:
    settings = TenantSettings(aliases={"AKIDEXAMPLE": "somebody"})
    assert resolved(PROVEN, settings, authorization=SIGNED).conflict is None


def test_team_and_application_are_taken_from_whoever_states_them_first() -> None:
    found = resolved(PROVEN, metadata=b'{"app":"chat","team":"other"}')
    assert (found.team, found.app) == ("search", "chat")


def test_what_an_issuer_calls_a_tenant_can_be_given_a_name_of_ones_own() -> None:
    settings = TenantSettings(aliases={"00u1ab": "team-a", "team-a": "nobody"})
    assert resolved(Claim("jwt", "verified", Names("00u1ab")), settings).name == "team-a"
    assert resolved(PROVEN, settings).name == "team-a"


def test_beside_a_verified_tenant_a_declared_team_does_not_count() -> None:
    found = resolved(Claim("token", "verified", Names("team-a")), metadata=b'{"app":"chat","team":"other"}')
    assert (found.name, found.team, found.app) == ("team-a", None, "chat")


def test_a_team_without_a_tenant_is_told_with_its_source() -> None:
    found = resolved(settings=TenantSettings(team_header="x-team"), headers={"x-team": "search"})
    assert found == Tenant(None, "search", None, None, "header", "declared")


def test_the_mapping_decides_about_team_and_cost_centre_on_the_calls_own_day() -> None:
    mapping = read_mapping(
        "kind,name,team,cost_centre,from\ntenant,team-a,search,,2026-01-01\ntenant,team-a,ads,,2026-11-26\n"
        "team,search,,CC-7,2026-01-01\nteam,ads,,CC-8,2026-01-01\n",
        "m.csv",
    )
    resolver = Resolver(TenantSettings(), mapping)
    before, after = (resolver.resolve(Said({}), PROVEN, day) for day in (DAY, "2026-11-26"))
    assert (before.team, before.cost_centre) == ("search", "CC-7")
    assert (after.team, after.cost_centre) == ("ads", "CC-8")


def test_the_default_order_names_every_source_once() -> None:
    assert len(SOURCES) == len({*SOURCES}) == 12
