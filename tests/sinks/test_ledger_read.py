from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from streamgauge.errors import UsageError
from streamgauge.sinks.ledger_access import SCHEMA_VERSION
from streamgauge.sinks.ledger_read import default_ledger_path, open_for_reading
from streamgauge.sinks.ledger_table import exchanges, metadata


def made(path: Path) -> Path:
    engine = sa.create_engine("sqlite://", creator=lambda: sqlite3.connect(path))
    metadata.create_all(engine)
    engine.dispose()
    return path


def test_the_default_is_the_named_one_then_the_state_directorys_then_the_homes() -> None:
    assert default_ledger_path({"STREAMGAUGE_LEDGER": "/x/l.db", "XDG_STATE_HOME": "/s"}) == Path("/x/l.db")
    assert default_ledger_path({"XDG_STATE_HOME": "/s"}) == Path("/s/streamgauge/ledger.db")
    assert default_ledger_path({}) == Path.home() / ".local/state/streamgauge/ledger.db"
    assert default_ledger_path({"STREAMGAUGE_LEDGER": "~/l.db"}) == Path.home() / "l.db"


def test_a_process_that_only_asks_for_the_default_does_not_load_the_database_library() -> None:
    code = "import sys, streamgauge.sinks.ledger_read; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=30).returncode == 0


def test_a_ledger_that_is_not_there_is_named_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no ledger at .*gone\.db") as refused:
        open_for_reading(tmp_path / "gone.db")
    assert refused.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["ledger.db", "a b?c#d%20.db"])
def test_it_is_read_and_cannot_be_changed(tmp_path: Path, name: str) -> None:
    engine = open_for_reading(made(tmp_path / name))
    with engine.connect() as connection:
        assert connection.execute(sa.select(exchanges)).all() == []
        with pytest.raises(sa.exc.OperationalError, match="readonly"):
            connection.execute(sa.delete(exchanges))
    engine.dispose()


def test_what_is_no_ledger_is_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database at all " * 100)
    sqlite3.connect(tmp_path / "empty.db").execute("CREATE TABLE x (y)").connection.close()
    with pytest.raises(UsageError, match="text cannot be read"):
        open_for_reading(tmp_path / "text")
    with pytest.raises(UsageError, match=r"empty\.db is not a ledger"):
        open_for_reading(tmp_path / "empty.db")


def test_a_ledger_of_a_newer_version_is_not_misread(tmp_path: Path) -> None:
    path = made(tmp_path / "ledger.db")
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(UsageError, match=r"ledger\.db was written by a newer"):
        open_for_reading(path)
