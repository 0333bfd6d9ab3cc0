"""``streamgauge check-config``: exit code, mistakes, what is in force, and the files it prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamgauge.__main__ import run
from streamgauge.config.sample import text


def test_a_file_without_mistakes_is_said_to_have_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.yaml").write_text("workers: 2\n")
    assert run(["check-config", str(tmp_path / "s.yaml")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 's.yaml'}: no mistakes\n"


def test_all_mistakes_are_named_and_the_exit_code_is_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s.yaml").write_text("wokers: 2\nrelay: {keepalive: soon}\n")
    monkeypatch.setenv("STREAMGAUGE_DRAIN", "5")
    assert run(["check-config", str(tmp_path / "s.yaml"), "--set", "log_level=LOUD", "--set", "zzz.b=1"]) == 2
    caught = capsys.readouterr()
    assert caught.out == ""
    assert caught.err.splitlines()[1:] == [
        "  wokers: unknown key; did you mean workers? (line 1)",
        "  relay.keepalive: 'soon' - must be a number (line 2)",
        "  $STREAMGAUGE_DRAIN: unknown variable; did you mean $STREAMGAUGE_DRAIN_SECONDS?",
        "  log_level: 'LOUD' - must be DEBUG, INFO, WARNING, ERROR or CRITICAL (an option)",
        "  zzz: unknown key; known keys here: " + caught.err.rpartition("known keys here: ")[2].strip(),
    ]


def test_what_is_in_force_is_printed_on_demand(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check-config", "--show", "--set", "relay.read_timeout=5"]) == 0
    assert capsys.readouterr().out == "relay:\n  read_timeout: 5.0  # an option\n"


def test_schema_and_sample_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check-config", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Settings of streamgauge"
    assert run(["check-config", "--sample"]) == 0
    assert capsys.readouterr().out == text()


def test_a_setting_without_a_value_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check-config", "--set", "workers"]) == 2
    assert "expected KEY=VALUE" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["admin_token:hunter2", "admin_token:hunter2=x", "targets.upstreams:https://user:hunter2@gw"])
def test_an_option_that_cannot_be_read_is_not_repeated(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check-config", "--set", option]) == 2
    said = capsys.readouterr().err
    assert "--set: expected KEY=VALUE" in said
    assert "hunter2" not in said


def test_null_takes_back_what_the_file_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.yaml").write_text("relay: {egress_proxy: 'http://h:1', site: here}\n")
    assert run(["check-config", str(tmp_path / "s.yaml"), "--show", "--set", "relay.egress_proxy=null"]) == 0
    assert capsys.readouterr().out == 'relay:\n  egress_proxy: null  # an option\n  site: "here"  # line 1\n'
