from __future__ import annotations

from pathlib import Path

import pytest

from streamgauge.cli import measured
from streamgauge.records import Measurement
from tests.reports.ledgers import day, write


@pytest.fixture(scope="module")
def rows() -> list[Measurement]:
    return day(100)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory, rows: list[Measurement]) -> Path:
    return write(tmp_path_factory.mktemp("measured") / "ledger.db", rows)


def test_commands_to_be_copied_name_the_program_as_it_can_be_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.argv", [".venv/bin/streamgauge", "demo"])
    assert measured.program() == ".venv/bin/streamgauge"
    (tmp_path / "streamgauge").touch(0o755)
    assert measured.program() == "streamgauge"
    monkeypatch.setattr("sys.argv", ["/somewhere/streamgauge/__main__.py", "demo"])
    assert measured.program() == "streamgauge"


def test_the_rows_that_meet_the_conditions_are_counted(ledger: Path, rows: list[Measurement]) -> None:
    assert measured.count(ledger) == len(rows)
    assert measured.count(ledger, ["team=search"]) == sum(m.team == "search" for m in rows)


def test_the_slowest_first_token_is_that_of_a_completed_stream(
    ledger: Path, rows: list[Measurement], capsys: pytest.CaptureFixture[str]
) -> None:
    slowest = max((m for m in rows if m.outcome == "completed" and m.ttft), key=lambda m: m.ttft or 0.0)
    assert measured.show_slowest(ledger) == slowest.exchange_id
    assert f"exchange {slowest.exchange_id}" in capsys.readouterr().out


def test_where_no_call_streamed_none_was_the_slowest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert measured.show_slowest(write(tmp_path / "ledger.db", [])) is None
    assert capsys.readouterr().out == ""
