"""`streamgauge tenants`: a secret is shown once, two keys are valid during a change-over, and what cannot be is said with the fix."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamgauge.__main__ import run
from streamgauge.tenancy.tenant_settings import TenantSettings
from streamgauge.tenant_files import read_files


class Command:
    """The command with its files in one directory."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.file, self.secrets = directory / "tenants.json", directory / "tenants-secrets.json"
        self._capsys = capsys

    def __call__(self, *words: str, code: int = 0) -> str:
        assert run(["tenants", *words, "--file", str(self.file)]) == code
        said = self._capsys.readouterr()
        return said.out if code == 0 else said.err

    def listed(self) -> list[dict[str, str]]:
        return list(json.loads(self("list", "--format", "json")))


@pytest.fixture
def tenants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(tmp_path, capsys)


def exported(said: str) -> tuple[str, str]:
    lines = dict(line.strip().removeprefix("export ").split("=", 1) for line in said.splitlines() if "export " in line)
    return lines["AWS_ACCESS_KEY_ID"], lines["AWS_SECRET_ACCESS_KEY"]


def test_a_key_pairs_secret_is_shown_once_and_kept_in_the_secrets_file_alone(tenants: Command) -> None:
    said = tenants("add", "team-a", "--team", "search")
    key_id, secret = exported(said)
    assert said.count(secret) == 1
    assert secret not in tenants("list") + tenants("list", "--format", "json") + tenants.file.read_text()
    assert json.loads(tenants.secrets.read_text()) == {key_id: secret}
    issued = read_files(TenantSettings(file=str(tenants.file), secrets_file=str(tenants.secrets))).issued
    assert issued.secret(key_id) == secret


def test_a_token_is_shown_once_and_only_its_hash_is_kept(tenants: Command) -> None:
    said = tenants("add", "team-a", "--kind", "token")
    token = next(line.strip() for line in said.splitlines() if line.startswith("  sgt_"))
    assert token not in tenants.file.read_text()
    assert token.rpartition("_")[2] not in tenants.file.read_text()
    assert not tenants.secrets.exists()


def test_a_tenant_may_have_both_kinds(tenants: Command) -> None:
    tenants("add", "team-a")
    tenants("add", "team-a", "--kind", "token")
    assert [row["kind"] for row in tenants.listed()] == ["key_pair", "token"]
    assert "is there already" in tenants("add", "team-a", code=2)
    assert "is there already" in tenants("add", "team-a", "--team", "other", "--kind", "token", code=2)


def test_two_keys_are_valid_during_rotation_and_a_third_waits(tenants: Command) -> None:
    tenants("add", "team-a")
    assert "What was valid before ends " in tenants("rotate", "team-a", "--overlap", "2h")
    old, new = tenants.listed()
    assert old["state"].startswith("valid until ")
    assert new["state"] == "valid"
    assert "are both valid" in tenants("rotate", "team-a", code=2)


def test_without_an_overlap_the_old_key_ends_at_once(tenants: Command) -> None:
    tenants("add", "team-a")
    tenants("rotate", "team-a", "--overlap", "0s")
    assert [row["state"].split()[0] for row in tenants.listed()] == ["expired", "valid"]


def test_a_revoked_key_is_gone_for_good_and_its_secret_with_it(tenants: Command) -> None:
    key_id, secret = exported(tenants("add", "team-a"))
    assert tenants("revoke", key_id) == f"revoked: {key_id}\n"
    assert secret not in tenants.secrets.read_text()
    assert tenants.listed()[0]["state"].startswith("revoked ")
    assert "is revoked already" in tenants("revoke", key_id, code=2)
    assert "--kind key-pair` issues one" in tenants("rotate", "team-a", code=2)
    assert exported(tenants("add", "team-a"))[0] != key_id


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("list",), "is not there: `streamgauge tenants add TENANT` makes it"),
        (("add", "a b"), "'a b' is not a name"),
        (("add", "a", "--role-arn", "x"), "is not the ARN of a role"),
        (("add", "a", "--tag", "x"), "expected KEY=VALUE"),
        (("rotate", "a", "--overlap", "soon"), "expected a length of time"),
        (("rotate", "a"), "'a' is no tenant and no credential in this file"),
        (("revoke", "a"), "'a' is no tenant and no credential in this file"),
    ],
)
def test_what_cannot_be_is_said_with_the_fix(tenants: Command, words: tuple[str, ...], told: str) -> None:
    assert told in " ".join(tenants(*words, code=2).split())


def test_the_files_may_be_named_by_the_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMGAUGE_TENANTS__FILE", str(tmp_path / "t.json"))
    monkeypatch.setenv("STREAMGAUGE_TENANTS__SECRETS_FILE", str(tmp_path / "s.json"))
    assert run(["tenants", "add", "team-a"]) == 0
    assert "secrets_file: " + str(tmp_path / "s.json") in capsys.readouterr().out
    assert (tmp_path / "t.json").exists()
    assert (tmp_path / "s.json").exists()


def test_the_list_is_a_table_for_people(tenants: Command) -> None:
    tenants("add", "team-a", "--team", "search", "--cost-centre", "CC-1")
    shown = tenants("list")
    assert "team-a" in shown
    assert "search" in shown
    assert "CC-1" in shown
