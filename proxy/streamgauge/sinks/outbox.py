"""What the shared ledger does not have yet, read from a proxy's own ledger file in portions and struck off when it has them.

One opening serves one portion, from reading to striking off: should the file be set aside meanwhile, its successor's entries are not touched.
"""

from __future__ import annotations

import sqlite3
import urllib.parse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from streamgauge.sinks import ledger_statements as sql
from streamgauge.sinks.adjusting import Adjustment
from streamgauge.sinks.ledger_table import UNSHARED_ROWS, exchanges, unmeasured, workers
from streamgauge.sinks.rollup_table import adjustments

BUSY_SECONDS = 5.0
"""How long this waits for the recorder's commit, which takes milliseconds."""


@dataclass
class Portion:
    """Entries ``first`` to ``last`` of an outbox, and what they stand for. ``accounts_at``: the latest ``updated_at`` of ``workers``."""

    first: int = 0
    last: int = -1
    rows: list[dict[str, Any]] = field(default_factory=list)
    corrections: list[Adjustment] = field(default_factory=list)
    workers: list[dict[str, Any]] = field(default_factory=list)
    unmeasured: list[dict[str, Any]] = field(default_factory=list)
    accounts_at: str = ""

    @property
    def entries(self) -> int:
        """How many entries of the outbox this is."""
        return self.last - self.first + 1


class Outbox:
    """An open outbox. Raises ``sqlite3.Error`` where the file cannot be read or written now."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def size(self) -> int:
        """How many entries wait, about: entries are struck off from the front."""
        (count,) = self._connection.execute(sql.WAITING).fetchone()
        return int(count)

    def read(self, at_most: int, accounts_since: str = "") -> Portion:
        """The next entries. With the last of them come the accounts changed since: no account is ahead of the rows it counts."""
        self._connection.execute("BEGIN")
        try:
            return self._read(at_most, accounts_since)
        finally:
            self._connection.execute("COMMIT")

    def _read(self, at_most: int, accounts_since: str) -> Portion:
        seqs = [seq for (seq,) in self._connection.execute(sql.NEXT_WAITING, (at_most,))]
        found = Portion(seqs[0], seqs[-1]) if seqs else Portion()
        span = (found.first, found.last)
        found.rows = self._named(exchanges, sql.WAITING_ROWS, span)
        found.corrections = [Adjustment(**line) for line in self._named(adjustments, sql.WAITING_ADJUSTMENTS, span)]
        if len(seqs) < at_most:
            found.workers = self._named(workers, sql.CHANGED_WORKERS, (accounts_since,))
            found.unmeasured = self._named(unmeasured, sql.CHANGED_UNMEASURED, (accounts_since,))
            found.accounts_at = max([accounts_since, *(line["updated_at"] for line in found.workers)])
        return found

    def _named(self, table: sa.Table, statement: str, parameters: tuple[Any, ...]) -> list[dict[str, Any]]:
        names = [column.name for column in table.columns]
        return [dict(zip(names, row, strict=True)) for row in self._connection.execute(statement, parameters)]

    def done(self, portion: Portion) -> None:
        """The shared ledger has it, for good."""
        self._connection.execute(sql.DELETE_WAITING, (portion.first, portion.last))

    def refused(self, rows: int) -> None:
        """So many rows the shared ledger will never take; they stay in this file, and are counted."""
        self._connection.execute(sql.ADD_TO_META, (UNSHARED_ROWS, str(rows)))

    def give_up_beyond(self, most: int) -> int:
        """Give up the oldest entries where more than ``most`` wait; returns how many."""
        surplus = self.size() - most
        if surplus <= 0:
            return 0
        (first,) = self._connection.execute(sql.FIRST_WAITING).fetchone()
        self._connection.execute("BEGIN IMMEDIATE")
        gone = self._connection.execute(sql.DELETE_WAITING, (first, first + surplus - 1)).rowcount
        self._connection.execute(sql.ADD_TO_META, (UNSHARED_ROWS, str(gone)))
        self._connection.execute("COMMIT")
        return gone


@contextmanager
def open_outbox(path: Path) -> Iterator[Outbox]:
    """The outbox of the ledger at ``path``. Raises ``sqlite3.Error`` where there is none."""
    uri = f"file:{urllib.parse.quote(str(path.absolute()))}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)) as connection:
        # An entry struck off twice over after a power loss is sent again, and is there already.
        connection.execute("PRAGMA synchronous=NORMAL")
        yield Outbox(connection)
