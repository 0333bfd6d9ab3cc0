from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from streamgauge.__main__ import run
from streamgauge.records import Measurement
from streamgauge.reports.selection import columns
from tests.reports.ledgers import day, write


@pytest.fixture(scope="module")
def rows() -> list[Measurement]:
    return day(300)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, rows: list[Measurement]) -> Path:
    return write(tmp_path_factory.mktemp("exchanges") / "ledger.db", rows)


@pytest.fixture(autouse=True)
def _ledger(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMGAUGE_LEDGER", str(path))


def test_the_newest_twenty_are_shown_with_their_whole_ids(rows: list[Measurement], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["exchanges"]) == 0
    shown = capsys.readouterr().out
    newest = sorted(rows, key=lambda m: (m.started_at, m.exchange_id), reverse=True)
    assert all(m.exchange_id in shown for m in newest[:20])
    assert newest[20].exchange_id not in shown
    assert "\x1b" not in shown


def test_rows_can_be_chosen(rows: list[Measurement], capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "exchanges",
        "--where",
        "outcome!=completed",
        "--where",
        "team=search",
        "--since",
        "2026-11-24T12:00:00Z",
        "--format",
        "jsonl",
    ]
    assert run(arguments) == 0
    found = {json.loads(line)["exchange_id"] for line in capsys.readouterr().out.splitlines()}
    assert found == {m.exchange_id for m in rows if m.outcome != "completed" and m.team == "search" and m.started_at >= "2026-11-24T12"}
    assert found


def test_json_lines_hold_every_field_of_every_row(rows: list[Measurement], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["exchanges", "--format", "jsonl"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(rows)
    assert list(json.loads(lines[0])) == list(Measurement.__struct_fields__)


def test_csv_has_a_heading_and_the_limit_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["exchanges", "--format", "csv", "--limit", "2"]) == 0
    table = list(csv.reader(capsys.readouterr().out.splitlines()))
    assert table[0] == list(Measurement.__struct_fields__)
    assert len(table) == 3


def test_one_exchange_is_shown_by_id_by_prefix_and_by_the_provider_s_id(
    rows: list[Measurement], capsys: pytest.CaptureFixture[str]
) -> None:
    one = rows[7]
    shown = []
    for name in (one.exchange_id, one.exchange_id[:18], one.exchange_id.upper()[:18], one.upstream_request_id or ""):
        assert run(["exchanges", "show", name]) == 0
        shown.append(capsys.readouterr().out)
    assert len(set(shown)) == 1
    assert shown[0].startswith(f"exchange {one.exchange_id}\n")


def test_one_exchange_as_json(rows: list[Measurement], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["exchanges", "show", rows[0].exchange_id, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["exchange"]["exchange_id"] == rows[0].exchange_id
    assert found["sentence"].endswith(".")


def test_the_ledger_named_before_the_word_show_is_meant(path: Path, rows: list[Measurement], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMGAUGE_LEDGER")
    assert run(["exchanges", "--ledger", str(path), "show", rows[0].exchange_id]) == 0
    assert run(["exchanges", "show", rows[0].exchange_id, "--ledger", str(path)]) == 0


def test_no_ledger_is_exit_code_2_with_its_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "none.db"
    assert run(["exchanges", "--ledger", str(missing)]) == 2
    assert f"no ledger at {missing}" in capsys.readouterr().err
    assert not missing.exists()


def test_no_such_exchange_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["exchanges", "show", "nothing"]) == 2
    assert "no exchange 'nothing'" in capsys.readouterr().err


def test_nothing_that_matches_is_exit_code_3_and_an_empty_answer_that_programs_can_read(capsys: pytest.CaptureFixture[str]) -> None:
    written = {}
    for form in ("table", "jsonl", "csv"):
        assert run(["exchanges", "--where", "team=nobody", "--format", form]) == 3
        written[form], told = capsys.readouterr()
        assert "no exchange in" in told
    assert written["table"] == written["jsonl"] == ""
    assert next(csv.reader([written["csv"]])) == list(Measurement.__struct_fields__)
    assert len(written["csv"].splitlines()) == 1


def test_a_beginning_of_eight_characters_is_enough_where_one_exchange_has_it_and_else_the_candidates_are_told(
    rows: list[Measurement], capsys: pytest.CaptureFixture[str]
) -> None:
    beginnings = Counter(m.exchange_id[:8] for m in rows)
    alone = next(beginning for beginning, n in beginnings.items() if n == 1)
    shared = next(beginning for beginning, n in beginnings.items() if 2 <= n < 6)
    assert run(["exchanges", "show", alone]) == 0
    assert capsys.readouterr().out.startswith(f"exchange {alone}")
    assert run(["exchanges", "show", shared]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[0].endswith("give more of the id:")
    assert [line.split()[0] for line in told[1:]] == [
        m.exchange_id for m in sorted(rows, key=lambda m: m.started_at) if m.exchange_id.startswith(shared)
    ]


def test_the_help_names_every_column_and_a_wrong_one_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["exchanges", "--help"]) == 0
    told = capsys.readouterr().out.replace("\n", " ")
    assert all(f" {name}" in told for name in columns())
    assert run(["exchanges", "--where", "modle=x"]) == 2
    assert "no column modle; did you mean model?" in capsys.readouterr().err
    assert run(["exchanges", "--where", "zzzzzz=x"]) == 2
    assert "`streamgauge exchanges --help` lists them all" in capsys.readouterr().err
