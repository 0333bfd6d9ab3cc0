"""Issued credentials: two of a kind are valid during a change-over, what is revoked opens nothing, and the file holds no secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.errors import UsageError
from streamgauge.tenancy.claims import Claim, Names
from streamgauge.tenancy.issued import (
    Credential,
    Issued,
    TenantEntry,
    TenantFile,
    add,
    issue,
    of,
    read_tenants,
    revoke,
    rotate,
    write_tenants,
)

T0, T1, T2 = "2026-11-25T10:00:00Z", "2026-11-25T11:00:00Z", "2026-11-26T11:00:00Z"


def pair(number: int, created: str = T0, tenant: str = "team-a") -> Credential:
    return Credential(f"SGAK{number}", tenant, "key_pair", created)


ONE = issue(add(TenantFile(), TenantEntry("team-a", "search", cost_centre="CC-1")), pair(1))


def test_a_new_key_leaves_the_old_one_valid_for_a_while() -> None:
    file = rotate(ONE, pair(2, T1), T2)
    old, new = of(file, "team-a", "key_pair")
    assert [old.valid(T1), new.valid(T1)] == [True, True]
    assert [old.valid(T2), new.valid(T2)] == [False, True]
    assert (old.state(T1), old.state(T2), new.state(T2)) == (f"valid until {T2}", f"expired {T2}", "valid")


def test_a_third_key_has_to_wait_for_the_first_to_end() -> None:
    file = rotate(ONE, pair(2, T1), T2)
    with pytest.raises(UsageError, match="SGAK1 and SGAK2 are both valid"):
        rotate(file, pair(3, T1), T2)
    rotate(file, pair(3, T2), T2)


def test_rotating_never_prolongs() -> None:
    file = rotate(ONE, pair(2, T0), T1)
    assert of(rotate(file, pair(3, T1), T2), "team-a", "key_pair")[0].until == T1


def test_a_revoked_key_opens_nothing_and_stays_listed() -> None:
    file, ids = revoke(ONE, "SGAK1", T1)
    assert ids == ("SGAK1",)
    assert not file.credentials[0].valid(T0)
    assert file.credentials[0].state(T2) == f"revoked {T1}"
    with pytest.raises(UsageError, match="is revoked already"):
        revoke(file, "SGAK1", T2)


def test_all_keys_of_a_tenant_can_be_revoked_at_once() -> None:
    assert revoke(rotate(ONE, pair(2, T1), T2), "team-a", T1)[1] == ("SGAK1", "SGAK2")


@pytest.mark.parametrize("name", ["team-b", "SGAK2"])
def test_whom_nobody_knows_is_named_with_the_nearest(name: str) -> None:
    with pytest.raises(UsageError, match=r"is no tenant and no credential in this file; did you mean"):
        revoke(ONE, name, T1)
    with pytest.raises(UsageError, match="list` shows them"):
        issue(ONE, Credential("x", "zzzzzzzz", "token", T0))


def test_what_ended_cannot_be_rotated() -> None:
    with pytest.raises(UsageError, match="has no valid key pair to rotate"):
        rotate(revoke(ONE, "team-a", T1)[0], pair(2, T1), T2)


def test_a_tenant_is_added_once() -> None:
    with pytest.raises(UsageError, match="is there already"):
        add(ONE, TenantEntry("team-a"))


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (TenantEntry("a b"), "is not a name"),
        (TenantEntry("a", team="\n"), "team '\\\\n' is not a name"),
        (TenantEntry("a", role_arn="team-a"), "is not the ARN of a role"),
        (TenantEntry("a", max_in_flight=0), "must be above zero"),
        (TenantEntry("a", session_tags={str(number): "x" for number in range(46)}), "more than 45 session tags"),
    ],
)
def test_what_cannot_be_is_refused(entry: TenantEntry, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        add(TenantFile(), entry)


def test_a_file_is_read_as_it_was_written() -> None:
    file = rotate(ONE, pair(2, T1), T2)
    assert read_tenants(write_tenants(file), "f") == file


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"{", "is no JSON"),
        (b"\xff", "is no JSON"),
        (b'{"tenant": []}', "unknown field"),
        (b'{"version": 2}', "has version 2"),
        (b'{"credentials":[{"id":"x","tenant":"t","kind":"token","created":"2026"}]}', "which is not in the file"),
        (b'{"tenants":[{"name":"a"},{"name":"a"}]}', "has a tenant twice"),
        (b'{"tenants":[{"name":"a b"}]}', "is not a name"),
    ],
)
def test_a_file_that_is_none_of_ours_is_named_with_its_mistake(raw: bytes, told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        read_tenants(raw, "tenants.json")
    assert str(caught.value).startswith("tenants.json: ")


@given(st.binary(max_size=100))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    try:
        read_tenants(raw, "f")
    except UsageError:
        pass


def test_credentials_are_found_by_id_and_by_hash_and_say_whose_they_are() -> None:
    token = Credential("sgt_1", "team-a", "token", T0, sha256="ab")
    issued = Issued(issue(ONE, token), {"SGAK1": "secret"})
    assert issued.key_pair("SGAK1") == pair(1)
    assert (issued.secret("SGAK1"), issued.secret("SGAK2")) == ("secret", None)
    assert (issued.key_pair("sgt_1"), issued.key_pair("SGAK2"), issued.token("xy")) == (None, None, None)
    assert issued.claim(token) == Claim("token", "verified", Names("team-a", "search"), "CC-1")
    assert issued.tenant("team-a") == ONE.tenants[0]
    assert issued.tenant(None) is None
