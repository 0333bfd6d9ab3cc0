from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from streamgauge.errors import CouldNotRun, UsageError
from streamgauge.sinks.ledger_write import changing_rollups, for_writing, insert_for
from tests.postgres import Database
from tests.sinks.money_rows import rows
from tests.sinks.stored import share, write


def test_a_ledger_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no ledger at"), for_writing(tmp_path / "none.db"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_ledger_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "l.db", [])
    with closing(sqlite3.connect(tmp_path / "l.db")) as connection:
        connection.execute("PRAGMA user_version=99")
    with pytest.raises(CouldNotRun, match="newer"), for_writing(tmp_path / "l.db"):
        pass


def test_a_ledger_without_rollups_says_what_makes_them(tmp_path: Path) -> None:
    write(tmp_path / "l.db", [])
    with closing(sqlite3.connect(tmp_path / "l.db", isolation_level=None)) as connection:
        connection.execute("DROP TABLE rollup_hourly")
    with pytest.raises(CouldNotRun, match="start a proxy"), for_writing(tmp_path / "l.db"):
        pass


def test_while_rollups_change_nobody_else_adds_to_them(tmp_path: Path, database: Database) -> None:
    path = tmp_path / "l.db"
    write(path, rows(3), shared="x")
    share(path, database)
    for name in (str(path), database.open_url):
        with for_writing(name) as engine, changing_rollups(engine) as connection:
            assert insert_for(connection) is insert_for(engine)
            if name == database.open_url:
                locks = database.rows("SELECT mode FROM pg_locks WHERE relation = 'rollup_hourly'::regclass")
                assert ("ShareRowExclusiveLock",) in locks
            else:
                with closing(sqlite3.connect(path, timeout=0)) as other, pytest.raises(sqlite3.OperationalError, match="locked"):
                    other.execute("DELETE FROM rollup_hourly")
