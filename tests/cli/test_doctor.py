"""``streamgauge doctor`` as people run it: exit code 1 where something needs a fix."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from streamgauge.__main__ import run
from streamgauge.testing import Script, ScriptedUpstream
from streamgauge.testing.profiles import plain


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("AWS_", "STREAMGAUGE_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def settings(tmp_path: Path, upstream: str, signing: str) -> str:
    file = tmp_path / "s.yaml"
    targets = dict.fromkeys(("bedrock-runtime", "sagemaker-runtime"), upstream)
    file.write_text(
        json.dumps({"listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "targets": {"upstreams": targets}, "relay": {"signing": signing}})
    )
    return str(file)


def test_a_machine_on_which_all_is_well_exits_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedUpstream(Script(status=403)) as upstream:
        assert run(["doctor", "--config", settings(tmp_path, upstream.url, "passthrough")]) == 0
    shown = capsys.readouterr().out
    assert "FIX" not in shown
    for subject in ("credentials", "reachability", "clock", "loops", "proxies", "streams"):
        assert f" {subject}: " in shown


def test_a_missing_role_exits_with_1_and_says_how_to_give_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedUpstream(Script(status=403)) as upstream:
        assert run(["doctor", "--config", settings(tmp_path, upstream.url, "auto"), "--format", "jsonl"]) == 1
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["subject"] for each in found if each["verdict"] == "finding"] == ["credentials"]
    assert all(each["fix"] for each in found if each["verdict"] == "finding")


def test_a_chain_is_measured_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedUpstream(plain) as upstream:
        assert run(["doctor", "--url", upstream.url]) == 0
    assert capsys.readouterr().out.startswith("ok    streams: ")


def test_mistaken_settings_exit_with_2(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMGAUGE_WORKERS", "0")
    assert run(["doctor"]) == 2
    assert run(["doctor", "--url", "nowhere"]) == 2
    assert "$STREAMGAUGE_WORKERS" in capsys.readouterr().err
