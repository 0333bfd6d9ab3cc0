"""The recording thread: spools in, ledger out, live state on the side.

One rule carries the exactness: a batch is read, committed together with the position behind it, and only then is more read or anything deleted.
A kill at any point repeats from the last commit, and what is repeated is not in the ledger yet.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from streamgauge.errors import CouldNotRun
from streamgauge.heartbeat import Health, Heartbeats
from streamgauge.recorder.accounting import Accounting
from streamgauge.recorder.live import Live, open_exchange, spread
from streamgauge.recorder.shipping import Shipping
from streamgauge.recorder.tail import Position, Tail
from streamgauge.sinks.ledger import Ledger, LedgerLost, LedgerSettings, LedgerUnavailable
from streamgauge.spool import claim_directory, prepare_directory

_log = logging.getLogger("streamgauge.recorder")

T = TypeVar("T")

PAUSE_SECONDS = (0.02, 0.1)
"""Shortest and longest sleep between two looks at the spools. Ten looks a second cost an idle core about a thousandth."""

DISCOVER_SECONDS = 0.5
"""How often new and dead workers are looked for: a restart takes longer, and nothing waits for it but the row of a lost exchange."""

VANISHED_SECONDS = 5.0
"""How long a worker without a directory may take to make it anew, should it live: it writes once a second, and notices then."""

POSITION_SECONDS = 30.0
"""How long a mere position (statuses read, nothing else) may stay uncommitted: reading them again is cheap, a sync of the disk is not."""

RETRY_SECONDS = (0.1, 5.0)
"""First and longest pause while the ledger cannot be written; the spool keeps what comes in."""

BEHIND_SECONDS = 10.0
"""So far behind, the recorder does not keep up; less is a busy moment."""

COUNTED_SECONDS = 60.0
"""How long it is said that exchanges were only counted."""

PRUNE_ROWS = 500
"""Old rows deleted at once: some ten milliseconds, in which nothing is committed."""

PRUNE_SECONDS = (0.1, 60.0)
"""The pause between two deletions while there is more to delete (so 5,000 rows a second at most), and while there is none."""

OPEN_SHOWN = 1000
"""Open exchanges in one answer, the oldest first; the number of all is always given."""


@dataclass
class _Clock:
    """When things were last done, in monotonic seconds."""

    discovered: float = 0.0
    committed: float = 0.0
    caught_up: float = 0.0
    prune_at: float = 0.0


class Recording:
    """Runs in a thread of its own (``run``); the other methods may be called from any thread."""

    def __init__(
        self, spool_dir: str, ledger: LedgerSettings, keep: int = 1000, beats: Heartbeats | None = None, shipping: Shipping | None = None
    ) -> None:
        """Take the locks of ledger and spool. Raises ``CouldNotRun`` naming what another process has or what cannot be written."""
        self._settings = ledger
        self._beats = beats
        self._shipping = shipping
        self._spool_lock = claim_directory(prepare_directory(spool_dir))
        self._ledger = Ledger(ledger)
        self._tail = Tail(Path(spool_dir))
        self._accounts = Accounting()
        self._live = Live(keep)
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._deadline = 0.0
        self._clock = _Clock()
        self._ledger_error: str | None = "the ledger is not open yet"
        self._behind = 0
        self._vanished_at: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._counted_at: dict[str, float] = {}

    def run(self) -> None:
        """Record until ``stop``, then until no worker is left or the time is up, commit, and return.

        Raises ``CouldNotRun`` when the ledger belongs to a newer version, or when it cannot be written until the deadline of ``stop``.
        """
        try:
            self._restore()
            self._clock.committed = self._clock.caught_up = time.monotonic()
            pause = PAUSE_SECONDS[0]
            while True:
                stopping = self._stop.is_set()
                count = self._turn(stopping)
                if stopping and (not (count or self._tail.spools) or time.monotonic() > self._deadline):
                    self._commit()
                    return
                pause = PAUSE_SECONDS[0] if count else min(pause * 2, PAUSE_SECONDS[1])
                if count < self._settings.commit_rows:
                    self._rest(pause)
        finally:
            self._tail.close()
            self._ledger.close()
            os.close(self._spool_lock)

    def stop(self, seconds: float) -> None:
        """Have ``run`` finish: when the spools of all workers are at their end, after ``seconds`` at the latest."""
        if not self._stop.is_set():
            self._deadline = time.monotonic() + seconds
            self._stop.set()

    def health(self) -> Health:
        """Whether traffic can be served, and what ails it or the measuring. The latter alone is no reason to send traffic elsewhere."""
        now = time.monotonic()
        workers = self._beats.health(now) if self._beats is not None else Health(False, ["nobody knows how the workers are"])
        reasons = list(workers.reasons)
        with self._guard:
            if self._ledger_error:
                reasons.append(f"the ledger cannot be written, the spool keeps what comes: {self._ledger_error}")
            if (behind := self._seconds_behind()) > BEHIND_SECONDS:
                reasons.append(f"the recorder is {behind:.0f} s behind")
            counted = [reason for reason, at in self._counted_at.items() if now - at < COUNTED_SECONDS]
        if self._shipping is not None and (trouble := self._shipping.trouble()):
            reasons.append(trouble)
        if counted:
            reasons.append(f"within the last minute exchanges were only counted, not recorded ({', '.join(sorted(counted))})")
        return Health(workers.ready, reasons)

    def summary(self) -> dict[str, Any]:
        """Counts, spool lag, live latencies, workers and open exchanges, as plain data."""
        now = datetime.now(UTC)
        with self._guard:
            sums, live = self._accounts.sums(), self._live
            oldest = sorted(self._accounts.open.values(), key=lambda o: o.started.started_at)[:OPEN_SHOWN]
            return {
                "seen": sums.seen,
                "rows": sums.rows,
                "unmeasured": sums.unmeasured,
                "open": len(self._accounts.open),
                "outcomes": dict(live.outcomes),
                "spool": {"bytes_behind": self._behind, "seconds_behind": self._seconds_behind()},
                "latency": {
                    "over_last": len(live.recent),
                    "ttft": spread([m.ttft for m in live.recent]),
                    "e2e": spread([m.e2e for m in live.recent]),
                },
                "workers": [
                    {"spool": name, "alive": name not in self._tail.dead, **_status(live, name)} for name in sorted(self._tail.spools)
                ],
                "ledger": {"path": str(self._ledger.path), "writable": self._ledger_error is None, "error": self._ledger_error},
                "shared_ledger": self._shipping.summary() if self._shipping is not None else None,
                "open_exchanges": [open_exchange(o, live.silences.get(o.started.exchange_id), now) for o in oldest],
            }

    # --- in the thread -----------------------------------------------------------------------------------------

    def _restore(self) -> None:
        stored = self._insist(self._ledger.load)
        with self._guard:
            self._accounts.restore(stored)
            self._live.outcomes = Counter(stored.outcomes)
            self._counts = self._accounts.sums().unmeasured

    def _turn(self, stopping: bool) -> int:
        """Read each worker once and commit what is due. Returns the number of records read."""
        now = time.monotonic()
        if stopping or now - self._clock.discovered >= DISCOVER_SECONDS:
            self._discover(now)
        count = 0
        ended = []
        for name, spool, records in self._tail.read():
            if records:
                with self._guard:
                    self._accounts.feed(name, records, spool.segment, spool.offset)
                    self._live.feed(name, records)
                count += len(records)
                if self._accounts.waiting_rows >= self._settings.commit_rows:
                    self._commit()
            elif name in self._tail.dead:
                ended.append(name)
        if all(spool.caught_up for spool in self._tail.spools.values()):
            self._clock.caught_up = now
        if self._due(now):
            self._commit()
        for name in ended:
            self._bury(name)
        if self._settings.days and now >= self._clock.prune_at and not stopping:
            self._prune(now)
        return count

    def _prune(self, now: float) -> None:
        before = datetime.now(UTC) - timedelta(days=self._settings.days)
        deleted = self._insist(lambda: self._ledger.prune(before, PRUNE_ROWS))
        self._clock.prune_at = now + PRUNE_SECONDS[deleted < PRUNE_ROWS]

    def _due(self, now: float) -> bool:
        waited = now - self._clock.committed
        return waited >= (self._settings.commit_seconds if self._accounts.dirty else POSITION_SECONDS)

    def _discover(self, now: float) -> None:
        self._clock.discovered = now
        self._tail.discover(self._position)
        with self._guard:
            self._behind = self._tail.bytes_behind()
            for name, spool in self._tail.spools.items():
                if name not in self._accounts.lines:
                    self._accounts.line(name, spool.first_segment())
                self._accounts.counted(name, spool.counters())
            counts = self._accounts.sums().unmeasured
            self._counted_at.update({reason: now for reason, count in counts.items() if count > self._counts.get(reason, 0)})
            self._counts = counts
            vanished = {name for name in self._accounts.lines if name not in self._tail.spools and name not in self._tail.present}
        self._vanished_at = {name: self._vanished_at.get(name, now) for name in vanished}
        for name, since in self._vanished_at.items():
            if self._stop.is_set() or now - since >= VANISHED_SECONDS:
                self._bury(name)  # somebody deleted its spool while no recorder ran

    def _position(self, name: str) -> Position | None:
        line = self._accounts.lines.get(name)
        if line is not None:
            return line.segment, line.offset
        return None if self._insist(lambda: self._ledger.is_finished(name)) else (0, 0)

    def _commit(self) -> None:
        """Write what the ledger lacks; returns when it is there."""
        with self._guard:
            for name, spool in self._tail.spools.items():
                self._accounts.counted(name, spool.counters())
        inserted = self._insist(lambda: self._ledger.commit(self._accounts.batch()))
        with self._guard:
            self._accounts.committed(inserted)
            for outcomes in inserted.values():
                self._live.outcomes.update(outcomes)
        self._clock.committed = time.monotonic()
        for spool in self._tail.spools.values():
            spool.delete_before(spool.segment)

    def _bury(self, name: str) -> None:
        """A dead worker's spool is read to its end, or gone: settle its account and delete it."""
        spool = self._tail.spools.get(name)
        with self._guard:
            self._accounts.lose(name)
        self._commit()
        counters = spool.counters() if spool else None
        damaged = bool(spool and (spool.damaged or spool.unknown))
        deleted = spool is None or spool.deleted or not spool.path.exists()
        with self._guard:
            self._accounts.finish(name, counters.closed if counters else None, damaged, deleted)
        self._commit()
        with self._guard:
            self._tail.remove(name)
            self._live.gone(name, self._accounts.open)

    def _insist(self, act: Callable[[], T], *, restores: bool = True) -> T:
        """Do it with the ledger, trying again for as long as it cannot be written, and on a new one where the old is lost.

        ``restores``: once this has worked, the ledger can be written.
        """
        pause = RETRY_SECONDS[0]
        while True:
            try:
                result = act()
            except LedgerUnavailable as error:
                self._ledger_trouble(str(error))
                self._pause_or_give_up(pause)
                pause = min(pause * 2, RETRY_SECONDS[1])
            except LedgerLost as error:
                self._begin_new(str(error))
                # The new one may be lost as well, where its folder is deleted again and again: not in a tight loop, not past the end.
                self._pause_or_give_up(pause)
                pause = min(pause * 2, RETRY_SECONDS[1])
            else:
                if restores and self._ledger_error is not None:
                    self._ledger_error = None
                    _log.info("recording to %s", self._ledger.path)
                return result

    def _begin_new(self, why: str) -> None:
        known = why == self._ledger_error
        self._ledger_trouble(why)
        aside = self._insist(self._ledger.begin_new, restores=False)
        if aside is not None or not known:
            _log.critical("%s; it was set aside as %s, and a new ledger begins", why, aside or "(nothing was left of it)")
        with self._guard:
            self._accounts.begin_new_ledger()
            self._live.outcomes.clear()

    def _ledger_trouble(self, text: str) -> None:
        if text != self._ledger_error:
            _log.error("the ledger cannot be written, the spool keeps the records: %s", text)
        self._ledger_error = text

    def _pause_or_give_up(self, pause: float) -> None:
        if self._stop.is_set() and time.monotonic() + pause > self._deadline:
            raise CouldNotRun(f"the ledger could not be written until the end ({self._ledger_error}); the spool keeps what is missing")
        _log.debug("the ledger is tried again in %.2f s", pause)
        self._rest(pause)

    def _rest(self, seconds: float) -> None:
        """Sleep, but not past the moment ``stop`` is called."""
        if self._stop.is_set():
            time.sleep(min(seconds, PAUSE_SECONDS[0]))
        else:
            self._stop.wait(seconds)

    def _seconds_behind(self) -> float:
        waited = time.monotonic() - self._clock.caught_up
        return waited if self._behind and waited > DISCOVER_SECONDS else 0.0


def _status(live: Live, name: str) -> dict[str, Any]:
    status = live.statuses.get(name)
    if status is None:
        return {"worker_id": None, "at": None, "ready": False, "reason": "has not reported yet", "in_flight": None, "loop_lag": None}
    return {field: getattr(status, field) for field in status.__struct_fields__}
