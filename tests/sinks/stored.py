"""Ledgers with rows in them, on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from streamgauge.records import Measurement
from streamgauge.sinks.ledger import Batch, Ledger, LedgerSettings, WorkerLine
from streamgauge.sinks.outbox import open_outbox
from streamgauge.sinks.postgres_access import SharedLedgerSettings
from streamgauge.sinks.shared_ledger import SharedLedger
from tests.postgres import Database

WORKER = "w-1"


def write(path: Path, rows: Sequence[Measurement], *, shared: str | None = None, at_once: int = 100) -> None:
    """Commit rows to the ledger at ``path``, as one worker's."""
    ledger = Ledger(LedgerSettings(str(path), busy_seconds=5.0, shared=shared))
    before = sum(line.rows for line in ledger.load().lines)
    for start in range(0, len(rows), at_once):
        part = list(rows[start : start + at_once])
        line = WorkerLine(WORKER, 1, start, 1, seen=before + len(part), rows=before)
        before += sum(ledger.commit(Batch({WORKER: part}, workers=[line]))[WORKER].values())
    ledger.close()


def share(path: Path, database: Database, at_once: int = 100) -> int:
    """Send all that waits; returns the rows that were new to the shared ledger."""
    shared = SharedLedger(shared_settings(database))
    new = 0
    with open_outbox(path) as box:
        while True:
            portion = box.read(at_once)
            new += shared.store(portion)
            box.done(portion)
            if portion.entries < at_once:
                break
    shared.close()
    return new


def shared_settings(database: Database, **more: float) -> SharedLedgerSettings:
    """As an operator would write them."""
    return SharedLedgerSettings(database.url, database.password_file, **more)  # type: ignore[arg-type]  # numbers by their names
