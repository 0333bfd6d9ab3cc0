"""What the ledger does at scale: durable rows a second, sums of a month by team, model and day, sending to a shared ledger, Parquet, rebuilding.

Run from the repository's root: python -m tests.bench.micro_ledger [--rows N] [--rate N] [--seconds N]
The rows are spread over thirty days, sixty teams and six models. With a PostgreSQL of its own; nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import random
import resource
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from streamgauge.records import Measurement
from streamgauge.reports.parquet_export import export
from streamgauge.reports.query import Ledger as Reader
from streamgauge.reports.rollup_query import sums
from streamgauge.reports.selection import Selection
from streamgauge.sinks.ledger import Batch, Ledger, LedgerSettings
from streamgauge.sinks.ledger_write import for_writing
from streamgauge.sinks.outbox import open_outbox
from streamgauge.sinks.rollup_rebuild import rebuild
from streamgauge.sinks.shared_ledger import SharedLedger
from streamgauge.spool import SpoolSettings, SpoolWriter
from tests.bench.micro_recorder import FIELDS, TIMES, _send
from tests.postgres import Database, Server
from tests.recorder.driving import RecorderProcess
from tests.sinks.stored import shared_settings
from tests.spool.made import until

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
DAYS, TEAMS, MODELS = 30, 60, 6
BATCH = 2_000
"""Rows of one transaction: what the recorder commits at once under load."""


def made(count: int, shared: str = "") -> Iterator[Measurement]:
    """``count`` full rows in the order of time, the same each time."""
    chance = random.Random(7)
    step = timedelta(days=DAYS) / count
    for number in range(count):
        team = chance.randrange(TEAMS)
        at = (BEGIN + step * number).isoformat(timespec="microseconds").replace("+00:00", "Z")
        times = {name: chance.random() for name in TIMES}
        yield Measurement(
            **FIELDS  # type: ignore[arg-type]  # made up by the other benchmark
            | times
            | {
                "exchange_id": f"019ac1f2-7b3c-7d2e-{shared or '9f10'}-{number:012x}",
                "started_at": at,
                "proxy_id": "p",
                "outcome": "completed" if chance.random() < 0.95 else "throttled",
                "team": f"team-{team}",
                "tenant": f"team-{team}",
                "requested_model": f"model-{chance.randrange(MODELS)}",
                "cost_usd": f"0.{chance.randrange(10**9):012d}",
                "cost_status": "final",
            }
        )


def fill(path: Path, count: int, shared: str | None = None) -> float:
    """Write so many rows, each batch for good; returns rows a second, making them not counted."""
    ledger = Ledger(LedgerSettings(str(path), shared=shared))
    ledger.load()
    rows, took = made(count), 0.0
    while batch := list(islice(rows, BATCH)):
        begin = time.perf_counter()
        ledger.commit(Batch({"w": batch}))
        took += time.perf_counter() - begin
    ledger.close()
    return count / took


def query_seconds(ledger: Path | str, times: int = 3) -> tuple[float, int]:
    """The best time of sums by team, model and day, the ledger opened for each; and how many groups there are."""
    best, groups = 1e9, 0
    for _ in range(times):
        begin = time.perf_counter()
        with Reader(ledger) as opened:
            groups = len(sums(opened, Selection(by=("team", "model", "day"))))
        best = min(best, time.perf_counter() - begin)
    return best, groups


def ship(path: Path, database: Database) -> float:
    """Send all that waits; returns rows a second."""
    shared, count, begin = SharedLedger(shared_settings(database)), 0, time.perf_counter()
    while True:
        with open_outbox(path) as box:
            portion = box.read(1000)
            count += shared.store(portion)
            box.done(portion)
        if portion.entries < 1000:
            break
    shared.close()
    return count / (time.perf_counter() - begin)


def sustained(folder: Path, database: Database, rate: int, seconds: float) -> str:
    """A recorder process that is fed at a rate and sends to the shared ledger as well: how far each is behind at the end."""
    spool, ledger = folder / "spool", folder / "rate.db"
    settings = {"url": database.url, "password_file": database.password_file}
    recorder = RecorderProcess(spool, ledger, commit_seconds=0.2, shared_ledger=settings)
    until(lambda: ledger.exists() and ledger.stat().st_size > 0)
    writer = SpoolWriter(spool, SpoolSettings(), "w0")
    count, took, late = _send(writer, rate, seconds)

    def here() -> int:
        with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT coalesce(sum(exchanges), 0) FROM rollup_daily").fetchone()[0])

    begin = time.perf_counter()
    until(lambda: here() >= count, 300)
    own = time.perf_counter() - begin
    until(lambda: int(database.rows("SELECT coalesce(sum(exchanges), 0) FROM rollup_daily")[0][0]) >= count, 300)
    both = time.perf_counter() - begin
    writer.close()
    recorder.end()
    return f"{count} rows in {took:.1f} s (latest slice {late * 1e3:.0f} ms late): durable here {own:.2f} s after the last, shared after {both:.2f} s"


def main() -> None:
    """Print the figures, one a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    server = Server()
    server.start()
    try:
        with tempfile.TemporaryDirectory() as directory, server.database() as database, server.database() as other:
            folder = Path(directory)
            print(f"at {given.rate} rows/s: {sustained(folder, other, given.rate, given.seconds)}", flush=True)
            path = folder / "ledger.db"
            print(f"{given.rows} rows, {BATCH} in a transaction: {fill(path, given.rows, 'x'):.0f} rows/s durable", flush=True)
            print(f"ledger {path.stat().st_size / given.rows:.0f} bytes per row", flush=True)
            best, groups = query_seconds(path)
            print(f"sums by team, model and day: {groups} groups in {best:.3f} s (SQLite)", flush=True)
            print(f"sent to the shared ledger: {ship(path, database):.0f} rows/s", flush=True)
            best, groups = query_seconds(database.open_url)
            print(f"sums by team, model and day: {groups} groups in {best:.3f} s (PostgreSQL)", flush=True)
            begin = time.perf_counter()
            with Reader(path) as opened:
                export(opened, Selection(), folder / "out.parquet")
            took, peak = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            size = (folder / "out.parquet").stat().st_size / given.rows
            print(f"Parquet: {given.rows / took:.0f} rows/s, {size:.0f} bytes per row; peak memory of all this {peak:.0f} MiB", flush=True)
            begin = time.perf_counter()
            with for_writing(path) as engine:
                rebuild(engine)
            print(f"rollups made anew: {given.rows / (time.perf_counter() - begin):.0f} rows/s", flush=True)
    finally:
        server.remove()


if __name__ == "__main__":
    main()
