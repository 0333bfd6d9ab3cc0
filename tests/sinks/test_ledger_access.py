"""Before anything starts: who else has the ledger, and whether it is ours to write."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from streamgauge.errors import CouldNotRun
from streamgauge.sinks.ledger_access import SCHEMA_VERSION, lock_ledger, refuse_unusable


def test_a_ledger_that_another_proxy_writes_is_refused_by_path_process_and_fix(tmp_path: Path) -> None:
    lock = lock_ledger(tmp_path / "ledger.db")
    with pytest.raises(CouldNotRun, match=rf"ledger\.db.*\(process {os.getpid()}, .*: stop that one, or name another with --ledger"):
        refuse_unusable(tmp_path / "ledger.db")
    os.close(lock)
    refuse_unusable(tmp_path / "ledger.db")


def test_a_ledger_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    before = (tmp_path / "ledger.db").read_bytes()
    with pytest.raises(CouldNotRun, match=r"ledger\.db was written by a newer streamgauge .*: upgrade, or name another"):
        refuse_unusable(tmp_path / "ledger.db")
    assert (tmp_path / "ledger.db").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"nothing of a ledger" * 500])
def test_what_the_recorder_can_mend_is_no_reason_to_refuse(tmp_path: Path, content: bytes) -> None:
    os.close(lock_ledger(tmp_path / "ledger.db"))  # it was a ledger once
    (tmp_path / "ledger.db").write_bytes(content)
    refuse_unusable(tmp_path / "ledger.db")


def test_a_file_that_never_was_a_ledger_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("shopping list")
    with closing(sqlite3.connect(tmp_path / "others.db")) as connection:
        connection.execute("CREATE TABLE customers (name)")
    for name in ("notes.txt", "others.db"):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(CouldNotRun, match=rf"{name} is a file of something else and no ledger: name another with --ledger"):
            refuse_unusable(tmp_path / name)
        assert (tmp_path / name).read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["notes.txt", "others.db"]


def test_a_ledger_that_was_put_somewhere_else_is_taken(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection:
        connection.execute("CREATE TABLE exchanges (exchange_id)")
    refuse_unusable(tmp_path / "copy.db")


def test_a_ledger_that_is_busy_is_no_reason_to_refuse(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as other:
        other.execute("CREATE TABLE exchanges (exchange_id)")
        other.execute("BEGIN EXCLUSIVE")
        refuse_unusable(tmp_path / "ledger.db")


def test_to_ask_costs_no_library() -> None:
    code = "import sys, streamgauge.sinks.ledger_access; print('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True).stdout == "False\n"
