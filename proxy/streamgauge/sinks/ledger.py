"""Writing the ledger: one SQLite file, one writer, one transaction per batch.

Knows: the file, its tables, what may go wrong with a disk. Must not know: spools, workers' processes, what a figure means.
A batch is in the ledger as a whole and for good (WAL, ``synchronous=FULL``) or not at all.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from streamgauge.errors import CouldNotRun, StreamgaugeError
from streamgauge.records import Measurement, Started
from streamgauge.sinks import ledger_statements as sql
from streamgauge.sinks.ledger_file import LedgerFile
from streamgauge.sinks.ledger_table import OUTBOX_FOR, PRUNED_BEFORE, PRUNED_ROWS, ROLLUPS_LACK
from streamgauge.sinks.ledger_write import for_writing
from streamgauge.sinks.rollup import by_day, tally
from streamgauge.sinks.rollup_rebuild import rebuild

_log = logging.getLogger("streamgauge.ledger")


class LedgerUnavailable(StreamgaugeError):
    """The ledger could not be written now (locked, disk full, no permission). Nothing of the batch is in it; try again later."""

    error_type = "ledger_unavailable"


class LedgerLost(StreamgaugeError):
    """The ledger that was written so far is gone: damaged, deleted or replaced. ``begin_new`` starts another one."""

    error_type = "ledger_lost"


@dataclass(frozen=True)
class LedgerSettings:
    """Where the ledger is and how often it is committed. Times in seconds.

    A row is at most ``commit_seconds`` late, unless ``commit_rows`` of them are waiting. ``busy_seconds`` is one wait for somebody else's lock.
    Rows of exchanges that began more than ``days`` ago are deleted; 0: never. ``shared``: the name of the shared ledger that new rows wait for in
    ``outbox``; ``None``: there is none.
    """

    path: str
    commit_seconds: float = 0.2
    commit_rows: int = 2000
    busy_seconds: float = 1.0
    days: float = 0.0
    shared: str | None = None


@dataclass
class WorkerLine:
    """The account of one life of a worker, as table ``workers`` and ``unmeasured`` hold it."""

    worker_id: str
    segment: int = 0
    offset: int = 0
    first_segment: int = 1
    seen: int = 0
    rows: int = 0
    finished: bool = False
    by_worker: dict[str, int] = field(default_factory=dict)
    """Unmeasured exchanges as the worker counted them, by reason."""
    by_recorder: dict[str, int] = field(default_factory=dict)
    """Unmeasured exchanges as the recorder counted them, by reason; not contained in ``by_worker``."""


@dataclass
class InFlight:
    """An exchange that is not over; ``ttft`` and ``upstream_ttft`` in seconds once its first output came."""

    worker_id: str
    started: Started
    ttft: float | None = None
    upstream_ttft: float | None = None
    persisted: bool = False
    """Whether the ledger's ``in_flight`` has it."""


@dataclass
class Batch:
    """What one transaction writes: new ``rows`` by worker, exchanges now ``open``, ids that are ``over``, and the workers' lines.

    A line's ``rows`` is the number before this batch; the ledger adds what it really inserts.
    """

    rows: dict[str, list[Measurement]] = field(default_factory=dict)
    open: list[InFlight] = field(default_factory=list)
    over: list[str] = field(default_factory=list)
    workers: list[WorkerLine] = field(default_factory=list)


@dataclass
class Stored:
    """What a ledger says of the past: ``lines`` of workers not finished, open exchanges, rows by outcome, and sums over finished workers."""

    lines: list[WorkerLine]
    open: list[InFlight]
    outcomes: dict[str, int]
    finished_seen: int
    finished_rows: int
    finished_unmeasured: dict[str, int]


class _Rejected(Exception):
    """A row was not inserted by the fast way: a duplicate, or a value SQLite does not take."""


class Ledger:
    """The one writer of a ledger. Use it from one thread at a time."""

    def __init__(self, settings: LedgerSettings) -> None:
        """Lock the ledger for this process; ``load`` opens it. Raises ``CouldNotRun`` naming the path when another process has it."""
        self._file = LedgerFile(Path(settings.path), settings.busy_seconds)
        self._shared = settings.shared
        self.path = Path(settings.path)

    def load(self) -> Stored:
        """Open the ledger, make it if there is none, and read where its last writer stopped.

        Raises ``LedgerUnavailable``, ``LedgerLost``, or ``CouldNotRun`` when a newer streamgauge wrote it or it cannot be where it shall be.
        """
        with self._errors() as connection:
            _settle_outbox(connection, self._shared)
            _settle_rollups(connection, self.path)
            return _load(connection)

    def is_finished(self, worker_id: str) -> bool:
        """Whether this life of a worker is completely accounted for. Raises as ``commit``."""
        with self._errors() as connection:
            found = connection.execute(sql.FINISHED_WORKER, (worker_id,)).fetchone()
        return found is not None and bool(found[0])

    def commit(self, batch: Batch) -> dict[str, Counter[str]]:
        """Write ``batch``; returns the rows really inserted, by worker and outcome (a row that is there already is not inserted again).

        Raises ``LedgerUnavailable`` or ``LedgerLost``; then nothing of the batch is in the ledger.
        """
        with self._errors() as connection:
            try:
                inserted = _transaction(connection, batch, _insert_many, self._shared is not None)
            except (_Rejected, OverflowError, sqlite3.InterfaceError, sqlite3.ProgrammingError):
                connection.rollback()
                inserted = _transaction(connection, batch, _insert_singly, self._shared is not None)
        with suppress(sqlite3.Error, OSError):  # the batch is in the ledger, whatever becomes of its log
            self._file.shorten_wal(time.monotonic())
        return inserted

    def prune(self, before: datetime, at_most: int) -> int:
        """Delete the oldest exchanges begun before a moment, ``at_most`` so many; returns how many. The accounts and the rollups keep them.

        What waits for the shared ledger, and what began after it, stays. Raises as ``commit``.
        """
        with self._errors() as connection:
            connection.execute("BEGIN IMMEDIATE")
            (waiting,) = connection.execute(sql.OLDEST_WAITING).fetchone()
            until = min(_stamp(before), waiting or "~")
            deleted = connection.execute(sql.DELETE_OLD, (until, at_most)).rowcount
            if deleted:
                connection.execute(sql.ADD_TO_META, (PRUNED_ROWS, str(deleted)))
                connection.execute(sql.PUT_LATER_META, (PRUNED_BEFORE, until))
            connection.execute("COMMIT")
        return deleted

    def begin_new(self) -> Path | None:
        """Set the present file aside, if there is one, so that the next call makes a new one. Returns its new name.

        Raises ``LedgerUnavailable``.
        """
        try:
            return self._file.set_aside()
        except OSError as error:
            raise LedgerUnavailable(f"{self.path} cannot be set aside: {error.strerror}") from error

    def close(self) -> None:
        """Close the file and let go of the lock."""
        self._file.close()

    @contextmanager
    def _errors(self) -> Iterator[sqlite3.Connection]:
        """The connection; database errors become ours, once, here. After an error the file is opened anew."""
        try:
            connection = self._file.connection()
            yield connection
        except CouldNotRun:
            self._file.disconnect()
            raise
        except FileNotFoundError as error:
            self._file.disconnect()
            raise LedgerLost(f"{self.path} was deleted or replaced") from error
        except (sqlite3.Error, OSError) as error:
            self._file.disconnect()
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
                raise LedgerLost(f"{self.path} is damaged: {error}") from error
            raise LedgerUnavailable(f"{self.path}: {error}") from error


Insert = Callable[[sqlite3.Connection, Sequence[Measurement]], Sequence[Measurement]]
"""Inserts rows and returns those that were new."""


def _load(connection: sqlite3.Connection) -> Stored:
    lines = [
        WorkerLine(worker_id, segment, offset, first, seen, rows)
        for worker_id, segment, offset, first, seen, rows in connection.execute(sql.OPEN_WORKERS)
    ]
    by_id = {line.worker_id: line for line in lines}
    for worker_id, reason, counted_by, count in connection.execute(sql.OPEN_UNMEASURED):
        line = by_id[worker_id]
        (line.by_worker if counted_by == "worker" else line.by_recorder)[reason] = count
    seen, rows = connection.execute(sql.FINISHED_SUMS).fetchone()
    return Stored(
        lines=lines,
        open=list(_in_flight(connection)),
        outcomes=dict(connection.execute(sql.ALL_TOTALS)),
        finished_seen=seen,
        finished_rows=rows,
        finished_unmeasured=dict(connection.execute(sql.FINISHED_UNMEASURED)),
    )


def _in_flight(connection: sqlite3.Connection) -> Iterator[InFlight]:
    decode = msgspec.msgpack.Decoder(Started).decode
    for worker_id, started, ttft, upstream_ttft in connection.execute(sql.ALL_IN_FLIGHT):
        try:
            yield InFlight(worker_id, decode(started), ttft, upstream_ttft, persisted=True)
        except msgspec.MsgspecError:
            continue  # written by another version; should its end not come, the worker's account shows one that is missing


def _transaction(connection: sqlite3.Connection, batch: Batch, insert: Insert, shared: bool) -> dict[str, Counter[str]]:
    connection.execute("BEGIN IMMEDIATE")
    new = {worker_id: insert(connection, rows) for worker_id, rows in batch.rows.items()}
    inserted = {worker_id: Counter[str](row.outcome for row in rows) for worker_id, rows in new.items()}
    _add_up(connection, [row for rows in new.values() for row in rows], shared)
    encode = msgspec.msgpack.Encoder().encode
    connection.executemany(
        sql.PUT_IN_FLIGHT, [(o.started.exchange_id, o.worker_id, encode(o.started), o.ttft, o.upstream_ttft) for o in batch.open]
    )
    connection.executemany(sql.DELETE_IN_FLIGHT, [(exchange_id,) for exchange_id in batch.over])
    now = _stamp(datetime.now(UTC))
    for line in batch.workers:
        rows = line.rows + sum(inserted.get(line.worker_id, Counter()).values())
        connection.execute(
            sql.PUT_WORKER, (line.worker_id, line.segment, line.offset, line.first_segment, line.seen, rows, line.finished, now)
        )
        for counted_by, counts in (("worker", line.by_worker), ("recorder", line.by_recorder)):
            connection.executemany(sql.PUT_UNMEASURED, [(line.worker_id, reason, counted_by, count) for reason, count in counts.items()])
    outcomes: Counter[str] = sum(inserted.values(), Counter())
    connection.executemany(sql.ADD_TOTAL, list(outcomes.items()))
    connection.execute("COMMIT")
    return inserted


def _add_up(connection: sqlite3.Connection, rows: Sequence[Measurement], shared: bool) -> None:
    hours = tally(rows)
    connection.executemany(sql.ADD_HOURLY, hours.lines())
    connection.executemany(sql.ADD_DAILY, by_day(hours).lines())
    if shared:
        connection.executemany(sql.PUT_OUTBOX, [("exchange", row.exchange_id, row.started_at) for row in rows])


def _settle_outbox(connection: sqlite3.Connection, shared: str | None) -> None:
    """What a shared ledger is named that was not the one before, it lacks everything; where none is, nothing waits."""
    known = connection.execute(sql.GET_META, (OUTBOX_FOR,)).fetchone()
    if (known and known[0]) == shared:
        return
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(sql.CLEAR_OUTBOX)
    if shared is None:
        connection.execute(sql.DELETE_META, (OUTBOX_FOR,))
    else:
        for statement in sql.FILL_OUTBOX:
            connection.execute(statement)
        connection.execute(sql.PUT_META, (OUTBOX_FOR, shared))
    connection.execute("COMMIT")


def _settle_rollups(connection: sqlite3.Connection, path: Path) -> None:
    """Rows that a version without rollups wrote are added up now; nothing is written to the ledger until that is done."""
    lack = connection.execute(sql.GET_META, (ROLLUPS_LACK,)).fetchone()
    expected = connection.execute(sql.EVER_WRITTEN).fetchone()[0] - int(lack[0] if lack else 0)
    if connection.execute(sql.ROLLED_UP).fetchone()[0] == expected:
        return
    _log.info("adding up the rows of %s by hour and by day, once", path)
    try:
        with for_writing(path) as engine:
            rebuild(engine)
    except CouldNotRun as error:
        original = getattr(error.__cause__, "orig", None)
        raise (original if isinstance(original, sqlite3.Error) else OSError(str(error))) from error
    missing = connection.execute(sql.EVER_WRITTEN).fetchone()[0] - connection.execute(sql.ROLLED_UP).fetchone()[0]
    connection.execute(sql.PUT_META, (ROLLUPS_LACK, str(missing)))


def _stamp(moment: datetime) -> str:
    """As the rows spell it, so that text compares as time."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _insert_many(connection: sqlite3.Connection, rows: Sequence[Measurement]) -> Sequence[Measurement]:
    done = connection.executemany(sql.INSERT_EXCHANGE, _values(rows)).rowcount if rows else 0
    if done != len(rows):
        raise _Rejected
    return rows


def _insert_singly(connection: sqlite3.Connection, rows: Sequence[Measurement]) -> Sequence[Measurement]:
    new = []
    for row, values in zip(rows, _values(rows), strict=True):
        mended = tuple(None if isinstance(v, int) and not -(1 << 63) <= v < 1 << 63 else v for v in values)
        if connection.execute(sql.INSERT_EXCHANGE, mended).rowcount:
            new.append(row)
    return new


def _values(rows: Iterable[Measurement]) -> Iterator[tuple[Any, ...]]:
    astuple, at = msgspec.structs.astuple, sql.USAGE_CONFLICT_AT
    for row in rows:
        values = astuple(row)
        if values[at] is not None:
            values = (*values[:at], msgspec.json.encode(values[at]).decode(), *values[at + 1 :])
        yield values
