from __future__ import annotations

from streamgauge.tenancy.tenant_settings import PROVEN, SOURCES, TenantSettings, TokenIssuer


def test_a_caller_can_be_verified_where_there_are_keys_or_an_issuer() -> None:
    assert not TenantSettings().proves
    assert TenantSettings(file="f").proves
    assert TenantSettings(issuers=(TokenIssuer("i", "a"),)).proves


def test_what_is_proven_counts_first() -> None:
    assert {*SOURCES[: len(PROVEN)]} == PROVEN
