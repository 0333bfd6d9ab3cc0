"""The files of tenants: whole or not at all, secrets for this user alone, and what is wrong with them in words that quote nothing of them."""

from __future__ import annotations

import hashlib
import stat
import threading
from pathlib import Path

import pytest

from streamgauge.authorization import read_authorization
from streamgauge.errors import CouldNotRun, UsageError
from streamgauge.tenancy.issued import Credential, TenantEntry, TenantFile, add, issue
from streamgauge.tenancy.tenant_settings import TenantSettings
from streamgauge.tenant_files import TenantStore, new_key_pair, new_token, read_files, stamps

AT = "2026-11-25T10:00:00Z"


def store_in(directory: Path) -> TenantStore:
    return TenantStore(directory / "tenants.json", directory / "secrets.json")


def filled(directory: Path) -> TenantStore:
    store = store_in(directory)
    store.keep_secret("SGAK1", "the-secret")
    store.write(issue(add(TenantFile(), TenantEntry("team-a")), Credential("SGAK1", "team-a", "key_pair", AT)))
    return store


def settings(store: TenantStore) -> TenantSettings:
    return TenantSettings(file=str(store.file), secrets_file=str(store.secrets_file))


def test_what_was_written_is_found(tmp_path: Path) -> None:
    issued = read_files(settings(filled(tmp_path))).issued
    assert issued.key_pair("SGAK1") is not None
    assert issued.secret("SGAK1") == "the-secret"


def test_the_secrets_are_for_this_user_alone_and_in_no_other_file(tmp_path: Path) -> None:
    store = filled(tmp_path)
    assert stat.S_IMODE(store.secrets_file.stat().st_mode) == 0o600
    assert b"the-secret" not in store.file.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secrets.json", "tenants.json"]


def test_a_secrets_file_that_others_can_read_takes_no_secret(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.secrets_file.chmod(0o644)
    with pytest.raises(UsageError, match="can be read by others"):
        store.keep_secret("SGAK2", "x")


def test_a_revoked_keys_secret_is_forgotten(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.forget_secrets(("SGAK1",))
    assert read_files(settings(store)).issued.secret("SGAK1") is None


def test_many_may_add_at_the_same_time(tmp_path: Path) -> None:
    def one(number: int) -> None:
        store = store_in(tmp_path)
        with store.locked():
            store.write(add(store.read(), TenantEntry(f"team-{number}")))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store_in(tmp_path).read().tenants) == 8


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"{", "is no JSON table of texts"), (b'{"SGAK1": {"secret": "the-secret"}}', "is no JSON table"), (None, "cannot be read")],
)
def test_a_secrets_file_that_cannot_be_used_is_named_and_not_quoted(tmp_path: Path, content: bytes | None, told: str) -> None:
    store = filled(tmp_path)
    if content is None:
        store.secrets_file.unlink()
    else:
        store.secrets_file.write_bytes(content)
    with pytest.raises(UsageError, match=told) as caught:
        read_files(settings(store))
    assert str(caught.value).startswith("tenants.secrets_file: ")
    assert "the-secret" not in str(caught.value)


def test_key_pairs_without_their_secrets_are_no_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has key pairs; name the file with their secrets"):
        read_files(TenantSettings(file=str(filled(tmp_path).file)))


def test_a_file_that_is_not_there_is_named_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"tenants\.file: .* cannot be read .*streamgauge tenants add"):
        read_files(TenantSettings(file=str(tmp_path / "none")))
    with pytest.raises(UsageError, match=r"tenants\.mapping_file: "):
        read_files(TenantSettings(mapping_file=str(tmp_path / "none")))


def test_a_change_of_any_file_shows(tmp_path: Path) -> None:
    store = filled(tmp_path)
    before = stamps(settings(store))
    store.write(store.read())
    assert stamps(settings(store)) != before
    assert stamps(TenantSettings(file=str(tmp_path / "none"))) == stamps(TenantSettings())


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "in-the-way").touch()
    store = TenantStore(tmp_path / "in-the-way" / "tenants.json", tmp_path / "secrets.json")
    with pytest.raises(CouldNotRun, match="in-the-way"), store.locked():
        pass
    with pytest.raises(CouldNotRun, match="in-the-way"):
        store.write(TenantFile())
    with pytest.raises(UsageError, match="a file of their own"):
        TenantStore(tmp_path / "a", tmp_path / "a")


def test_what_is_issued_is_what_sdks_take_and_never_twice_the_same() -> None:
    pairs = [new_key_pair() for _ in range(50)]
    assert len({key_id for key_id, _ in pairs}) == len({secret for _, secret in pairs}) == 50
    claims = read_authorization(
        f"AWS4-HMAC-SHA256 Credential={pairs[0][0]}/20261125/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=00"
    )
    assert claims is not None
    assert claims.access_key_id == pairs[0][0]
    token_id, token, sha256 = new_token()
    assert token.startswith(token_id + "_")
    assert sha256 == hashlib.sha256(token.encode()).hexdigest()
