from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from streamgauge.errors import CouldNotRun
from streamgauge.records import Measurement
from streamgauge.sinks import ledger_statements as sql
from streamgauge.sinks.ledger import Batch, InFlight, Ledger, LedgerLost, LedgerSettings, LedgerUnavailable, Stored, WorkerLine
from streamgauge.sinks.ledger_read import open_for_reading
from streamgauge.sinks.ledger_table import exchanges
from tests.spool.made import ended, started

EMPTY = Stored([], [], {}, 0, 0, {})


def row(exchange_id: str, **fields: Any) -> Measurement:
    return ended(exchange_id, **fields).measurement


def ledger_at(path: Path) -> Ledger:
    return Ledger(LedgerSettings(str(path), busy_seconds=0.05))


def rows_in(path: Path) -> dict[str, dict[str, Any]]:
    engine = open_for_reading(path)
    with engine.connect() as connection:
        found = {r["exchange_id"]: dict(r) for r in connection.execute(sa.select(exchanges)).mappings()}
    engine.dispose()
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def test_a_row_comes_back_with_every_field_as_it_was(path: Path) -> None:
    ledger = ledger_at(path)
    assert ledger.load() == EMPTY
    given = row("a", streaming=True, cold=False, usage_conflict={"output_tokens": 3}, temperature=0.5, max_tokens=2**63 - 1)
    ledger.commit(Batch(rows={"w": [given]}))
    stored = rows_in(path)["a"]
    assert stored == {name: getattr(given, name) for name in given.__struct_fields__}
    assert stored["streaming"] is True
    ledger.close()


def test_a_batch_and_the_position_behind_it_are_found_again(path: Path) -> None:
    ledger = ledger_at(path)
    ledger.load()
    line = WorkerLine("w", 3, 77, 2, seen=9, by_worker={"spool_full": 2}, by_recorder={"encode_failed": 1})
    done = WorkerLine("x", 1, 5, 1, seen=4, rows=1, finished=True, by_worker={"spool_full": 1}, by_recorder={"worker_killed": 2})
    opened = InFlight("w", started("o", tenant="t"), 0.4, 0.3)
    inserted = ledger.commit(
        Batch({"w": [row("a"), row("b", outcome="throttled")]}, [opened, InFlight("w", started("p"))], [], [line, done])
    )
    assert inserted == {"w": Counter(completed=1, throttled=1)}
    ledger.commit(Batch(over=["p"]))
    ledger.close()
    again = ledger_at(path)
    line.rows, opened.persisted = 2, True
    assert again.load() == Stored([line], [opened], {"completed": 1, "throttled": 1}, 4, 1, {"spool_full": 1, "worker_killed": 2})
    assert (again.is_finished("w"), again.is_finished("x"), again.is_finished("y")) == (False, True, False)
    again.close()


def test_a_row_that_is_there_is_not_inserted_again_and_not_counted_again(path: Path) -> None:
    ledger = ledger_at(path)
    ledger.load()
    ledger.commit(Batch({"w": [row("a")]}, workers=[WorkerLine("w")]))
    inserted = ledger.commit(Batch({"w": [row("a", outcome="timeout"), row("b"), row("b")]}, workers=[WorkerLine("w", rows=1)]))
    assert inserted == {"w": Counter(completed=1)}
    stored = ledger.load()
    assert stored.outcomes == {"completed": 2}
    assert stored.lines[0].rows == 2
    assert rows_in(path)["a"]["outcome"] == "completed"
    ledger.close()


def test_a_number_sqlite_does_not_take_becomes_unknown_and_the_row_stays(path: Path) -> None:
    ledger = ledger_at(path)
    ledger.load()
    assert ledger.commit(Batch({"w": [row("a"), row("b", max_tokens=2**63, output_tokens=5)]})) == {"w": Counter(completed=2)}
    stored = rows_in(path)["b"]
    assert (stored["max_tokens"], stored["output_tokens"]) == (None, 5)
    ledger.close()


def test_a_locked_ledger_is_unavailable_and_takes_the_same_batch_later(path: Path) -> None:
    ledger = ledger_at(path)
    ledger.load()
    batch = Batch({"w": [row("a")]}, workers=[WorkerLine("w", 1, 10)])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerUnavailable, match="locked"):
        ledger.commit(batch)
    other.execute("ROLLBACK")
    other.close()
    assert ledger.commit(batch) == {"w": Counter(completed=1)}
    assert ledger.load().lines == [WorkerLine("w", 1, 10, rows=1)]
    ledger.close()


def test_a_full_disk_makes_it_unavailable_and_leaves_nothing_half_done(path: Path) -> None:
    ledger = ledger_at(path)
    ledger.load()
    connection = ledger._file.connection()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count={pages}")
    rows = [row(str(index)) for index in range(1000)]
    with pytest.raises(LedgerUnavailable, match="full"):
        ledger.commit(Batch({"w": rows}, workers=[WorkerLine("w", 1, 10)]))
    assert ledger.load() == EMPTY
    assert ledger.commit(Batch({"w": rows})) == {"w": Counter(completed=1000)}
    ledger.close()


def damage(path: Path) -> None:
    path.write_bytes(b"this is no database" * 1000)


def test_a_damaged_ledger_is_set_aside_whole_and_another_begins(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    damage(path)
    ledger = ledger_at(path)
    with pytest.raises(LedgerLost, match=r"ledger\.db is damaged"):
        ledger.load()
    with caplog.at_level(logging.INFO):
        aside = ledger.begin_new()
    assert aside is not None
    assert aside.name.startswith("ledger.db.damaged-")
    assert aside.read_bytes().startswith(b"this is no database")
    assert ledger.load() == EMPTY
    assert path.stat().st_mode & 0o777 == 0o600
    ledger.close()


def test_damage_that_comes_while_it_is_written_is_noticed(path: Path) -> None:
    ledger = ledger_at(path)
    ledger.load()
    for at in range(50):
        ledger.commit(Batch({"w": [row(f"{at}-{index}") for index in range(100)]}))
    ledger._file.disconnect()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(LedgerLost):
        ledger.load()
    assert ledger.begin_new() is not None
    assert ledger.load() == EMPTY
    ledger.close()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_ledger_deleted_or_replaced_under_way_is_noticed_once_and_another_begins(path: Path, replaced: bool) -> None:
    ledger = ledger_at(path)
    ledger.load()
    path.unlink()
    if replaced:
        other = ledger_at(path.with_name("other.db"))
        other.load()
        other.commit(Batch({"w": [row("theirs")]}))
        other.close()
        path.with_name("other.db").rename(path)
    with pytest.raises(LedgerLost, match="deleted or replaced"):
        ledger.commit(Batch({"w": [row("a")]}))
    assert (ledger.begin_new() is not None) == replaced
    assert ledger.load() == EMPTY
    assert ledger.commit(Batch({"w": [row("a")]})) == {"w": Counter(completed=1)}
    ledger.close()


def test_an_open_exchange_of_another_version_is_left_out(path: Path) -> None:
    ledger = ledger_at(path)
    ledger.load()
    ledger.commit(Batch(open=[InFlight("w", started("a"))]))
    ledger._file.connection().execute("UPDATE in_flight SET started = x'01'")
    assert ledger.load().open == []
    ledger.close()


def test_a_ledger_of_a_newer_version_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=999")
    connection.close()
    ledger = ledger_at(path)
    with pytest.raises(CouldNotRun, match=r"ledger\.db.*newer"):
        ledger.load()
    ledger.close()


def test_old_rows_are_deleted_a_few_at_a_time_and_stay_in_the_accounts(tmp_path: Path) -> None:
    ledger = Ledger(LedgerSettings(str(tmp_path / "ledger.db")))
    ledger.load()
    rows = [ended(f"x{n}", started_at=f"2026-11-{n + 10}T00:00:00.000000Z").measurement for n in range(10)]
    ledger.commit(Batch(rows={"w": rows}, workers=[WorkerLine("w", seen=10)]))
    before = datetime(2026, 11, 17, tzinfo=UTC)
    assert [ledger.prune(before, 5) for _ in range(3)] == [5, 2, 0]
    connection = ledger._file.connection()
    assert [row[0] for row in connection.execute("SELECT exchange_id FROM exchanges ORDER BY 1")] == ["x7", "x8", "x9"]
    assert connection.execute("SELECT seen, rows FROM workers").fetchall() == [(10, 10)]
    assert connection.execute("SELECT value FROM meta WHERE key = 'pruned_rows'").fetchall() == [("7",)]
    assert ledger.load().outcomes == {"completed": 10}
    ledger.close()


def test_to_find_old_rows_needs_no_look_at_the_others(tmp_path: Path) -> None:
    ledger = Ledger(LedgerSettings(str(tmp_path / "ledger.db")))
    ledger.load()
    plan = ledger._file.connection().execute(f"EXPLAIN QUERY PLAN {sql.DELETE_OLD}", ("2026", 5)).fetchall()
    assert "exchanges_started_at" in str(plan)
    assert "SCAN" not in str(plan)
    ledger.close()
