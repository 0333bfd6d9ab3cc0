"""The role is found as the relay finds it, its end is told, and nothing of it is shown."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from streamgauge.doctor.role import look_at_role, minutes
from tests.relay.metadata_service import MetadataService

KEY, SECRET, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI-EXAMPLE", "session-token-EXAMPLE"


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_who_only_passes_signatures_through_needs_none() -> None:
    assert look_at_role("passthrough", {}).verdict == "ok"


def test_none_at_all_is_a_finding_with_the_ways_to_give_one() -> None:
    found = look_at_role("auto", os.environ)
    assert (found.verdict, found.subject) == ("finding", "credentials")
    assert found.text.startswith("no AWS credentials were found (tried env, ")
    assert (found.fix or "").startswith("give the proxy a role: AWS_ACCESS_KEY_ID")


def test_keys_for_good_are_fine_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    found = look_at_role("auto", os.environ)
    assert (found.verdict, found.text) == ("ok", "AWS credentials found by env; they do not expire")


def test_temporary_keys_set_by_hand_may_end_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_SESSION_TOKEN", TOKEN)):
        monkeypatch.setenv(name, value)
    found = look_at_role("auto", os.environ)
    assert found.verdict == "note"
    assert "nothing says when they expire" in found.text
    assert not any(part in repr(found) for part in (KEY, SECRET, TOKEN))


@pytest.mark.parametrize(
    ("lifetime", "verdict", "said"), [(3600, "ok", "expire in 60 min and are renewed"), (300, "finding", "were not renewed")]
)
def test_a_role_of_a_container_says_when_it_expires(lifetime: float, verdict: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with MetadataService(lifetime) as service:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{service.url}/role")
        found = look_at_role("resign", os.environ)
    assert found.verdict == verdict
    assert said in found.text
    assert "KEY-1" not in repr(found)


def test_a_place_that_does_not_answer_does_not_hold_us_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{silent.getsockname()[1]}/role")
        found = look_at_role("auto", os.environ, seconds=0.05)
    assert (found.verdict, found.text) == ("finding", "no answer about AWS credentials within 0.05 s")


def test_time_is_told_as_people_do() -> None:
    assert [minutes(timedelta(seconds=seconds)) for seconds in (-5, 59, 3600, 86_400)] == ["0 min", "1 min", "60 min", "24 h"]
