"""Real recorder processes and finished ledgers, for the tests."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from streamgauge.errors import UsageError
from streamgauge.recorder.recording import Recording
from streamgauge.records import Measurement
from streamgauge.sinks.ledger import LedgerSettings
from streamgauge.sinks.ledger_read import open_for_reading
from streamgauge.sinks.ledger_table import exchanges

ROOT = Path(__file__).parents[2]


def recording_at(tmp_path: Path, commit_seconds: float = 0.01) -> Recording:
    """A recording of ``tmp_path/spool`` to ``tmp_path/ledger.db``, not yet running."""
    return Recording(str(tmp_path / "spool"), LedgerSettings(str(tmp_path / "ledger.db"), commit_seconds, busy_seconds=0.02))


@contextmanager
def running(recording: Recording, seconds: float = 10.0) -> Iterator[Recording]:
    """Run it in its thread, and to its end."""
    thread = threading.Thread(target=recording.run)
    thread.start()
    try:
        yield recording
    finally:
        recording.stop(seconds)
        thread.join(seconds + 10)
        assert not thread.is_alive()


def abandon(recording: Recording) -> None:
    """What a kill does: every lock and file is let go, nothing is written."""
    recording._tail.close()
    recording._ledger.close()
    os.close(recording._spool_lock)


def ledger_rows(ledger: Path) -> list[Measurement]:
    """A ledger's rows, oldest first; none as long as no recorder has made its tables."""
    try:
        engine = open_for_reading(ledger)
    except UsageError:
        return []
    try:
        with engine.connect() as connection:
            found = connection.execute(sa.select(exchanges).order_by(exchanges.c.started_at))
            return [Measurement(**dict(row._mapping)) for row in found]
    finally:
        engine.dispose()


class RecorderProcess:
    """A recorder as the supervisor starts it."""

    def __init__(self, spool_dir: Path, ledger: Path, commit_seconds: float = 0.02, **settings: Any) -> None:
        given = {
            "spool_dir": str(spool_dir),
            "ledger": {"path": str(ledger), "commit_seconds": commit_seconds},
            "admin_port": 0,
            "stop_seconds": 10.0,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamgauge.recorder.process"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
        )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(given | settings).encode() + b"\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """As hard as can be."""
        self.process.kill()
        self._close()

    def end(self, how: int = signal.SIGTERM) -> tuple[int, str]:
        """In order; exit code and what it said."""
        os.kill(self.process.pid, how)
        return self._close()

    def hang_up(self) -> tuple[int, str]:
        """As a dying supervisor does."""
        return self._close()

    def _close(self) -> tuple[int, str]:
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said.decode()


@dataclass(frozen=True)
class Account:
    """What a ledger says: outcome by exchange, exchanges seen, unmeasured by reason, and whether all workers are finished."""

    outcomes: dict[str, str]
    seen: int
    unmeasured: dict[str, int]
    finished: bool

    @property
    def adds_up(self) -> bool:
        """Rows + unmeasured = seen."""
        return len(self.outcomes) + sum(self.unmeasured.values()) == self.seen


def account(ledger: Path) -> Account:
    """Read the ledger at ``ledger`` and see that what it says twice agrees."""
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        outcomes = dict(connection.execute("SELECT exchange_id, outcome FROM exchanges"))
        seen, rows, finished = connection.execute("SELECT sum(seen), sum(rows), min(finished) FROM workers").fetchone()
        unmeasured = dict(connection.execute("SELECT reason, sum(count) FROM unmeasured GROUP BY reason"))
        totals = dict(connection.execute("SELECT outcome, count FROM totals"))
        (still_open,) = connection.execute("SELECT count(*) FROM in_flight").fetchone()
    assert rows == len(outcomes)
    assert totals == dict(Counter(outcomes.values()))
    assert not (finished and still_open)
    return Account(outcomes, seen, unmeasured, bool(finished))
