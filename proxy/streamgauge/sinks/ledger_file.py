"""The ledger as a file: its lock, its making, its replacement when it is damaged."""

from __future__ import annotations

import logging
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import streamgauge
from streamgauge.sinks import ledger_statements as sql
from streamgauge.sinks.ledger_access import SCHEMA_VERSION, lock_ledger, refuse_newer
from streamgauge.sinks.ledger_table import exchanges, metadata

_log = logging.getLogger("streamgauge.ledger")

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",  # readers never wait for the writer, nor it for them
    "PRAGMA synchronous=FULL",  # what was acknowledged survives a power loss
    "PRAGMA wal_autocheckpoint=4000",  # 16 MB: at full load a checkpoint every few seconds instead of several a second
    "PRAGMA journal_size_limit=67108864",  # a long reader may let the WAL grow; afterwards it shrinks to 64 MiB
    "PRAGMA cache_size=-8000",  # 8 MB: inserts go to the end of the tree, more cache buys nothing
)

WAL_BYTES = 64 << 20
"""A write-ahead log longer than this is one that readers never leave alone, four times what is written before a checkpoint."""

WAL_LOOK_SECONDS, WAL_WAIT_SECONDS = 10.0, 0.1
"""How often such a log is noticed, and how long a commit may then wait for the readers of the moment to end."""


class LedgerFile:
    """Owns the lock for life and one connection at a time."""

    def __init__(self, path: Path, busy_seconds: float) -> None:
        """Make the directories (mode 0700) and take the lock. Raises ``CouldNotRun`` naming the path."""
        self.path = path
        self._busy_seconds = busy_seconds
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._looked_at = 0.0
        self._lock = lock_ledger(path)

    def connection(self) -> sqlite3.Connection:
        """The open connection, made if there is none.

        Raises ``FileNotFoundError`` once when the file it was open on is no longer at its path, ``CouldNotRun`` when a newer
        streamgauge wrote the file, ``OSError`` or ``sqlite3.Error`` when it cannot be opened.
        """
        if self._identity is not None and _identity(self.path) != self._identity:
            self._identity = None
            raise FileNotFoundError(self.path)
        if self._connection is None:
            self._connection = self._open()
            self._identity = _identity(self.path)
        return self._connection

    def shorten_wal(self, now: float) -> None:
        """Empty the write-ahead log if it has grown too long, at ``now`` (monotonic seconds).

        SQLite begins it anew only when it finds no reader in it, which with readers that overlap is never; this waits for a gap.
        """
        if self._connection is None or now - self._looked_at < WAL_LOOK_SECONDS:
            return
        self._looked_at = now
        if Path(f"{self.path}-wal").stat().st_size > WAL_BYTES:
            self._connection.execute(f"PRAGMA busy_timeout={WAL_WAIT_SECONDS * 1000:.0f}")
            try:
                (busy, *_) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                self._connection.execute(f"PRAGMA busy_timeout={self._busy_seconds * 1000:.0f}")
            _log.log(logging.WARNING if busy else logging.INFO, "the write-ahead log of %s is long%s", self.path, _WAL_SAID[busy])

    def disconnect(self) -> None:
        """Close the connection; an open transaction is rolled back."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            try:
                connection.close()
            except sqlite3.Error as error:
                _log.warning("closing the ledger %s failed: %s", self.path, error)

    def set_aside(self) -> Path | None:
        """Rename the file and its WAL, so that a new one can begin; ``None`` if there is no file. Raises ``OSError``."""
        self.disconnect()
        self._identity = None
        return self._rename() if self.path.exists() else None

    def _rename(self) -> Path:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        aside = Path(f"{self.path}.damaged-{stamp}")
        for suffix in ("-wal", "-shm", ""):
            part = Path(f"{self.path}{suffix}")
            if part.exists() and part.stat().st_size:
                part.rename(f"{aside}{suffix}")
        return aside

    def close(self) -> None:
        """Close the connection and let go of the lock."""
        self.disconnect()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _open(self) -> sqlite3.Connection:
        # SQLite would make it readable for everybody; its companions take the file's mode.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if self.path.stat().st_size == 0 and Path(f"{self.path}-wal").exists():
            # Left by a ledger that was deleted after a crash: SQLite would replay it into the new one.
            _log.warning("the WAL of a deleted ledger was set aside as %s-wal", self._rename())
        connection = sqlite3.connect(self.path, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, self.path)
        except BaseException:
            connection.close()
            raise
        return connection


_WAL_SAID = {0: " and was emptied", 1: ": a program has been reading the ledger without a pause; end it, or the log goes on growing"}


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    version = refuse_newer(connection, path)
    for pragma in _PRAGMAS:
        connection.execute(pragma)
    known = {table.name: {row[1] for row in connection.execute(f"PRAGMA table_info({table.name})")} for table in metadata.sorted_tables}
    missing = [
        column for table in metadata.sorted_tables for column in table.columns if known[table.name] and column.name not in known[table.name]
    ]
    if version == SCHEMA_VERSION and all(known.values()) and not missing:
        return
    connection.execute("BEGIN IMMEDIATE")
    for statement in [*sql.CREATE, *map(sql.add_column, missing), f"PRAGMA user_version={SCHEMA_VERSION}"]:
        connection.execute(statement)
    facts = {"schema_version": str(SCHEMA_VERSION), "created_by": f"streamgauge {streamgauge.__version__}"}
    if not known[exchanges.name]:
        facts["created_at"] = datetime.now(UTC).isoformat(timespec="seconds")
        connection.executemany(sql.PUT_META, list(facts.items()))
    connection.execute("COMMIT")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
