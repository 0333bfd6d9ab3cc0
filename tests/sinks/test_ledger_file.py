from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from streamgauge.errors import CouldNotRun
from streamgauge.sinks.ledger_access import SCHEMA_VERSION
from streamgauge.sinks.ledger_file import WAL_LOOK_SECONDS, LedgerFile
from streamgauge.sinks.ledger_table import exchanges


def columns(path: Path) -> list[str]:
    with sqlite3.connect(path) as connection:
        names = [found[1] for found in connection.execute("PRAGMA table_info(exchanges)")]
    connection.close()
    return names


def test_the_file_and_its_directories_are_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "ledger.db"
    file = LedgerFile(path, 0.1)
    file.connection().execute("CREATE TABLE x (y)")
    assert {entry.name: entry.stat().st_mode & 0o777 for entry in path.parent.iterdir()} == {
        "ledger.db": 0o600,
        "ledger.db-wal": 0o600,
        "ledger.db-shm": 0o600,
        "ledger.db.lock": 0o600,
    }
    assert [part.stat().st_mode & 0o777 for part in (path.parent, path.parent.parent)] == [0o700, 0o700]
    file.close()


def test_a_second_writer_is_refused_with_the_path_and_the_first_ones_process(tmp_path: Path) -> None:
    first = LedgerFile(tmp_path / "ledger.db", 0.1)
    with pytest.raises(CouldNotRun, match=rf"ledger\.db.*process {os.getpid()}") as refused:
        LedgerFile(tmp_path / "ledger.db", 0.1)
    assert refused.value.exit_code == 4
    first.close()
    LedgerFile(tmp_path / "ledger.db", 0.1).close()


@pytest.mark.parametrize("place", ["file/ledger.db", "directory"])
def test_a_place_where_no_ledger_can_be_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    with pytest.raises(CouldNotRun, match=place):
        LedgerFile(tmp_path / place, 0.1)


def test_it_is_written_so_that_an_acknowledged_row_survives_a_power_loss(tmp_path: Path) -> None:
    file = LedgerFile(tmp_path / "ledger.db", 0.1)
    pragmas = [file.connection().execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "user_version")]
    assert pragmas == ["wal", 2, SCHEMA_VERSION]
    file.close()


def test_a_table_of_an_older_version_gets_the_columns_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE exchanges (exchange_id VARCHAR PRIMARY KEY, started_at VARCHAR, upstream_request_id VARCHAR)")
        connection.execute("INSERT INTO exchanges VALUES ('old', 'then', NULL)")
    connection.close()
    file = LedgerFile(path, 0.1)
    assert file.connection().execute("SELECT exchange_id, outcome FROM exchanges").fetchall() == [("old", None)]
    file.close()
    assert sorted(columns(path)) == sorted(exchanges.columns.keys())


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    file = LedgerFile(tmp_path / "ledger.db", 0.1)
    facts = dict(file.connection().execute("SELECT key, value FROM meta"))
    assert facts["schema_version"] == str(SCHEMA_VERSION)
    assert facts["created_by"].startswith("streamgauge ")
    assert facts["created_at"].endswith("+00:00")
    file.close()


def test_a_long_write_ahead_log_is_emptied_as_soon_as_its_readers_let_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("streamgauge.sinks.ledger_file.WAL_BYTES", 100_000)
    file = LedgerFile(tmp_path / "ledger.db", 0.1)
    connection, wal = file.connection(), tmp_path / "ledger.db-wal"
    connection.execute("CREATE TABLE x (y)")
    with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM x").fetchall()
        for _ in range(40):
            connection.execute("INSERT INTO x VALUES (zeroblob(4000))")
        file.shorten_wal(100.0)
        assert wal.stat().st_size > 100_000
        assert "end it" in caplog.text
        reader.execute("ROLLBACK")
    file.shorten_wal(101.0)
    assert wal.stat().st_size > 100_000
    file.shorten_wal(100.0 + WAL_LOOK_SECONDS)
    assert wal.stat().st_size == 0
    assert connection.execute("PRAGMA busy_timeout").fetchone() == (100,)
    file.close()


def test_setting_aside_takes_the_wal_along(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    file = LedgerFile(path, 0.1)
    file.connection().execute("CREATE TABLE x (y)")
    crashed = (path.read_bytes(), Path(f"{path}-wal").read_bytes())
    file.disconnect()
    path.write_bytes(crashed[0])
    Path(f"{path}-wal").write_bytes(crashed[1])
    aside = file.set_aside()
    assert aside is not None
    assert (aside.read_bytes(), Path(f"{aside}-wal").read_bytes()) == crashed
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([aside.name, f"{aside.name}-wal", "ledger.db.lock"])
    assert file.set_aside() is None
    file.close()


def test_the_wal_of_a_deleted_ledger_is_not_replayed_into_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    file = LedgerFile(path, 0.1)
    file.connection().execute("CREATE TABLE x (y)")
    left = Path(f"{path}-wal").read_bytes()
    file.close()
    path.unlink()
    Path(f"{path}-wal").write_bytes(left)
    file = LedgerFile(path, 0.1)
    assert file.connection().execute("SELECT count(*) FROM sqlite_master WHERE name = 'x'").fetchone() == (0,)
    (aside,) = tmp_path.glob("ledger.db.damaged-*-wal")
    assert aside.read_bytes() == left
    file.close()
