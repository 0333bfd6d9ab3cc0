from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from streamgauge.__main__ import run
from tests.postgres import PASSWORD, Database
from tests.reports.ledgers import day
from tests.sinks.money_rows import rows
from tests.sinks.stored import share, write


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path / "l.db", rows(200))
    monkeypatch.setenv("STREAMGAUGE_LEDGER", str(tmp_path / "l.db"))
    return tmp_path / "l.db"


def test_a_month_becomes_a_parquet_file(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.parquet"
    assert run(["ledger", "export", "--format", "parquet", "--from", "2026-11-25", "--to", "2026-12-01", "-o", str(out)]) == 0
    count = pq.read_metadata(out).num_rows
    assert 0 < count < 200
    assert capsys.readouterr().out == f"{count:,} rows of {path} in {out}\n"


@pytest.mark.parametrize("arguments", [["--from", "tomorrow"], ["--from", "2026-11-25", "--to", "2026-11-24"], ["--format", "csv"]])
def test_what_cannot_be_exported_is_exit_code_2(path: Path, arguments: list[str]) -> None:
    assert run(["ledger", "export", "-o", "out.parquet", *arguments]) == 2


def test_wrong_sums_are_a_finding_and_are_made_anew(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ledger", "rebuild-rollups", "--check"]) == 0
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE rollup_daily SET exchanges = 1 WHERE period = '2026-11-25'")
    capsys.readouterr()
    assert run(["ledger", "rebuild-rollups", "--check"]) == 1
    assert capsys.readouterr().out == "2026-11-25\n"
    assert run(["ledger", "rebuild-rollups"]) == 0
    assert run(["ledger", "rebuild-rollups", "--check"]) == 0


def test_a_ledger_that_is_not_there_is_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ledger", "rebuild-rollups", "--ledger", str(tmp_path / "none.db")]) == 2
    assert "none.db" in capsys.readouterr().err


REPORTS = [
    ["report", "latency", "--by", "team,model", "--format", "json"],
    ["report", "latency", "--by", "prompt_band,hour", "--objective", "ttft=500ms", "--format", "csv"],
    ["report", "latency", "--where", "streaming=true", "--where", "ttft>=200ms", "--format", "jsonl"],
    ["report", "errors", "--by", "team,day", "--format", "json"],
    ["report", "errors", "--by", "operation,outcome,streaming", "--where", "outcome!=completed", "--format", "md"],
    ["exchanges", "--format", "jsonl"],
    ["exchanges", "--format", "csv", "--where", "error_type=", "-n", "50"],
]


@pytest.mark.parametrize("arguments", REPORTS, ids=" ".join)
def test_every_report_of_a_shared_ledger_is_that_of_the_proxys_own(
    arguments: list[str], tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "l.db"
    write(path, list(day(400)), shared="x")
    share(path, database)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    written = []
    for ledger in (str(path), database.url):
        assert run([*arguments, "--ledger", ledger]) == 0
        written.append(capsys.readouterr().out.replace(ledger.replace("streamgauge@", ""), "LEDGER"))
    assert written[0] == written[1]


def test_one_exchange_of_a_shared_ledger_is_found_by_the_beginning_of_its_id(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "l.db"
    write(path, list(day(20)), shared="x")
    share(path, database)
    (name,) = database.rows("SELECT min(exchange_id) FROM exchanges")[0]
    monkeypatch.setenv("STREAMGAUGE_LEDGER", database.open_url)
    assert run(["exchanges", "show", name, "--format", "json"]) == 0
    there = capsys.readouterr().out
    assert run(["exchanges", "show", name, "--format", "json", "--ledger", str(path)]) == 0
    assert capsys.readouterr().out == there


def test_a_database_without_a_ledger_or_out_of_reach_is_named_without_its_password(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", "errors", "--ledger", database.open_url]) == 2
    assert "has no ledger in it" in capsys.readouterr().err
    assert run(["report", "errors", "--ledger", f"postgresql://u:{PASSWORD}@127.0.0.1:1/d"]) == 4
    said = capsys.readouterr().err
    assert "postgresql://127.0.0.1:1/d cannot be read" in said
    assert PASSWORD not in said


def test_a_proxys_own_ledger_cannot_be_a_database(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("STREAMGAUGE_LEDGER", f"postgresql://u:{PASSWORD}@127.0.0.1:1/d")
    assert run(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]) == 2
    said = capsys.readouterr().err
    assert "shared_ledger.url" in said
    assert PASSWORD not in said
