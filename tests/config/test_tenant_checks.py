"""What cannot work about tenants is named before anything listens: key, value, reason and fix, and no secret."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from streamgauge.__main__ import run
from streamgauge.config import Config
from streamgauge.config.checks import check
from streamgauge.config.tenant_checks import check_tenants, verifies_everybody
from streamgauge.relay.settings import RelaySettings
from streamgauge.tenancy.tenant_settings import FixedIdentity, TenantSettings, TokenIssuer

ISSUER: dict[str, Any] = {"issuer": "https://login.example", "audience": "streamgauge"}


def lines(**settings: Any) -> list[str]:
    return [mistake.text(None) for mistake in check_tenants(TenantSettings(**settings))]


def test_nothing_is_wrong_with_the_defaults() -> None:
    assert lines() == []
    assert not verifies_everybody(TenantSettings())


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"url_prefix": "t/{tenant}"}, "tenants.url_prefix: 't/{tenant}' - must begin with a slash"),
        ({"url_prefix": "/t"}, "tenants.url_prefix: '/t' - holds no {tenant}"),
        ({"header": "x tenant"}, "tenants.header: 'x tenant' - must be the name of a header"),
        ({"team_header": "Host"}, "tenants.team_header: 'Host' - is a header that the provider needs"),
        ({"app_header": "X-Amzn-Bedrock-Request-Metadata"}, "tenants.app_header: "),
        ({"identity": FixedIdentity("team a")}, "tenants.identity.tenant: 'team a' - must be a name"),
        ({"aliases": {"AKIAX": "team a"}}, "tenants.aliases.AKIAX: 'team a' - must be a name"),
        ({"sources": ("header", "header")}, "tenants.sources: header - names a source twice"),
        ({"issuers": (TokenIssuer(**ISSUER),)}, "tenants.issuers.0: needs jwks_file or jwks_url, one of them"),
        ({"issuers": (TokenIssuer(**ISSUER, jwks_file="a", jwks_url="https://b"),)}, "tenants.issuers.0: needs jwks_file or jwks_url"),
        (
            {"issuers": (TokenIssuer(**ISSUER, jwks_url="http://keys.example"),)},
            "tenants.issuers.0.jwks_url: 'http://keys.example' - must be https",
        ),
        ({"issuers": (TokenIssuer("", "a", jwks_file="f"),)}, "tenants.issuers.0: needs issuer and audience"),
        ({"file": "/no/such.json"}, "tenants.file: /no/such.json cannot be read (No such file or directory)"),
        ({"mapping_file": "/no/such.csv"}, "tenants.mapping_file: /no/such.csv cannot be read"),
    ],
)
def test_what_cannot_work_is_named(settings: dict[str, Any], expected: str) -> None:
    (line,) = lines(**settings)
    assert line.startswith(expected)


def test_a_clusters_own_issuer_needs_no_place_for_its_keys() -> None:
    assert lines(issuers=(TokenIssuer("https://kubernetes.default.svc", "streamgauge", kubernetes=True),)) == []


def test_without_the_library_issuers_are_refused_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jwt", None)
    (line,) = lines(issuers=(TokenIssuer(**ISSUER, jwks_file="f"),))
    assert line == "tenants.issuers: need the packages PyJWT and cryptography: pip install 'streamgauge[jwt]'"


def test_a_mapping_with_a_circle_is_refused_by_check_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "teams.csv").write_text("kind,name,team,cost_centre,from\nteam,a,b,,2026-01-01\nteam,b,a,,2026-01-01\n")
    (tmp_path / "s.yaml").write_text(f"tenants:\n  mapping_file: {tmp_path / 'teams.csv'}\n")
    assert run(["check-config", str(tmp_path / "s.yaml")]) == 2
    told = capsys.readouterr().err
    assert "tenants.mapping_file: " in told
    assert "line 3: from 2026-01-01 on the teams go round in a circle: b -> a -> b" in told


def test_a_tenants_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tenants.json"
    path.write_text(json.dumps({"secret": "hunter2"}))
    (line,) = lines(file=str(path))
    assert line.startswith(f"tenants.file: {path}: ")
    assert "hunter2" not in line


def exposed(tenants: TenantSettings) -> list[str]:
    config = dataclasses.replace(Config(), listen=("0.0.0.0:8787",), relay=RelaySettings(signing="auto"), tenants=tenants)
    return [mistake.key for mistake in check(config)]


def test_others_may_reach_a_signing_proxy_that_verifies_whom_it_signs_for(tmp_path: Path) -> None:
    (tmp_path / "tenants.json").write_text("{}")
    file = str(tmp_path / "tenants.json")
    assert exposed(TenantSettings(file=file)) == []
    assert exposed(TenantSettings(file=file, required="all")) == []
    assert exposed(TenantSettings(file=file, required="never")) == ["listen"]
    assert exposed(TenantSettings(header="x-tenant", required="all")) == ["listen"]


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost.evil.com/k",
        "http://127.0.0.1.evil.com/k",
        "http://localhost@evil.com/k",
        "ftp://localhost/k",
        "https://",
        "http://[::1",
    ],
)
def test_keys_are_read_over_https_or_from_this_very_machine(url: str) -> None:
    (line,) = lines(issuers=(TokenIssuer(**ISSUER, jwks_url=url),))
    assert line.startswith("tenants.issuers.0.jwks_url: ")
    assert "must be https" in line
    for good in ("https://login.example/keys", "http://127.0.0.1:8080/k", "http://localhost/k", "http://[::1]:80/k"):
        assert lines(issuers=(TokenIssuer(**ISSUER, jwks_url=good),)) == []
