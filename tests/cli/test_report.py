from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from streamgauge.__main__ import run
from tests.reports.ledgers import day, write


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("report") / "ledger.db", day(1_000))


@pytest.fixture(autouse=True)
def _ledger(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMGAUGE_LEDGER", str(path))


@pytest.mark.parametrize("command", ["latency", "errors"])
def test_a_piped_report_is_plain(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", command, "--by", "team,model"]) == 0
    shown = capsys.readouterr().out
    assert "us.anthropic.claude-haiku-4-5-20251001-v1:0" in shown
    assert "\x1b" not in shown
    assert "─" not in shown


@pytest.mark.parametrize("command", ["latency", "errors"])
def test_every_format_says_the_same(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    def written(form: str) -> str:
        assert run(["report", command, "--by", "team", "--format", form]) == 0
        return capsys.readouterr().out

    groups = json.loads(written("json"))["groups"]
    assert [json.loads(line) for line in written("jsonl").splitlines()] == groups
    heads, *cells = csv.reader(written("csv").splitlines())
    assert heads == list(groups[0])
    assert [row[0] for row in cells] == [group["team"] for group in groups]
    assert "|---|" in written("md")


def test_a_picture_is_drawn_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    run(["report", "latency"])
    assert "TTFT of" not in capsys.readouterr().out
    run(["report", "latency", "--plot"])
    assert "TTFT of" in capsys.readouterr().out


def test_the_objective_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    run(["report", "latency", "--objective", "ttft=500ms"])
    assert "TTFT objective 500 ms: " in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--by", "modl"], ["--where", "modl=x"], ["--objective", "tft=1s"], ["--format", "xml"]])
def test_what_cannot_be_meant_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", "latency", *arguments]) == 2
    assert capsys.readouterr().err.startswith("streamgauge: ")


@pytest.mark.parametrize("command", ["latency", "errors"])
def test_nothing_that_matches_is_exit_code_3(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", command, "--since", "2027-01-01"]) == 3
    assert "widen --since" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["latency", "errors"])
def test_where_nothing_matches_a_program_gets_an_empty_answer_that_it_can_read(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    def written(form: str, *more: str, code: int = 3) -> str:
        assert run(["report", command, "--by", "team", "--format", form, *more]) == code
        return capsys.readouterr().out

    assert json.loads(written("json", "--since", "2027-01-01"))["groups"] == []
    assert written("jsonl", "--since", "2027-01-01") == ""
    assert written("md", "--since", "2027-01-01") == ""
    empty = written("csv", "--since", "2027-01-01")
    assert len(empty.splitlines()) == 1
    assert empty == written("csv", code=0).splitlines(keepends=True)[0]
