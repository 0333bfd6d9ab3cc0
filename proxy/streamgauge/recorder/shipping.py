"""The shipping thread: what the ledger has and the shared ledger lacks, sent in portions for as long as it takes.

Recording never waits for it: what cannot be sent waits in the proxy's own ledger. A portion that was sent and not yet struck off when we died
is sent again, and is there already.
"""

from __future__ import annotations

import dataclasses
import logging
import sqlite3
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from streamgauge.errors import CouldNotRun, UsageError
from streamgauge.sinks.outbox import Outbox, Portion, open_outbox
from streamgauge.sinks.postgres_access import SharedLedgerSettings
from streamgauge.sinks.shared_ledger import SharedLedger, SharedLedgerRefused, SharedLedgerUnavailable

_log = logging.getLogger("streamgauge.recorder")

IDLE_SECONDS = 0.5
"""The pause when nothing waits: so late a row reaches the shared ledger at most, besides the recorder's own commit."""

RETRY_SECONDS = (0.5, 15.0)
"""First and longest pause while the shared ledger cannot be written."""

BOUND_SECONDS = 10.0
"""How often it is seen to that no more waits than may."""

PRUNE_ROWS, PRUNE_SECONDS = 1000, (0.5, 60.0)
"""Old rows deleted at once from the shared ledger, and the pause while there are more and while there are none."""

LAST_SECONDS = 5.0
"""How long at the end what still waits is sent; the rest is sent by the next start."""


class Shipping:
    """Sends the outbox of a ledger to the shared ledger, in a thread of its own; the other methods may be called from any thread."""

    def __init__(self, ledger_path: str, settings: SharedLedgerSettings) -> None:
        """Raises ``CouldNotRun`` or ``UsageError`` when it can never work: no driver, no password file, no address."""
        self._path = Path(ledger_path)
        self._settings = settings
        self._shared = SharedLedger(settings)
        self._stop = threading.Event()
        self._deadline = 0.0
        self._error: str | None = None
        self._waiting = 0
        self._reached = False
        self._accounts_at = ""
        self._accounts: list[dict[str, Any]] = []
        """What was sent of them last: their moment tells what is new, but for those of that very moment."""
        self._bounded_at = self._prune_at = 0.0
        # A server that answers nothing must not keep the process from ending.
        self._thread = threading.Thread(target=self.run, name="shipping", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, seconds: float = LAST_SECONDS) -> None:
        """Send what waits, for so many seconds at most, and end."""
        self._deadline = time.monotonic() + seconds
        self._stop.set()
        self._thread.join(seconds + 1.0)

    def trouble(self) -> str | None:
        """What ails the sharing, as a sentence; ``None`` while all is well."""
        return self._error and f"the shared ledger cannot be written, {self._waiting} entries wait for it here: {self._error}"

    def summary(self) -> dict[str, Any]:
        """Name, entries that wait, and the present error, as plain data."""
        return {"name": self._shared.name, "waiting": self._waiting, "error": self._error}

    def run(self) -> None:
        """Send until ``stop``, then until nothing waits or the time is up."""
        pause = RETRY_SECONDS[0]
        try:
            while True:
                stopping = self._stop.is_set()
                count = self._attempt()
                if stopping and (not count or time.monotonic() > self._deadline):
                    return
                if count is None:
                    self._stop.wait(pause)
                    pause = min(pause * 2, RETRY_SECONDS[1])
                    continue
                pause = RETRY_SECONDS[0]
                if count < self._settings.batch_rows:
                    self._stop.wait(IDLE_SECONDS)
        finally:
            self._shared.close()

    def _attempt(self) -> int | None:
        """Send one portion. Returns how many entries it had, ``None`` when that did not work."""
        try:
            with open_outbox(self._path) as box:
                self._keep_bound(box)
                portion = box.read(self._settings.batch_rows, self._accounts_at)
                self._send(box, portion)
                self._waiting = box.size()
            self._prune()
        except SharedLedgerUnavailable as error:
            self._tell(str(error))
            return None
        except (sqlite3.Error, OSError) as error:
            # Not made yet, set aside just now, or locked for long: the recorder says what is wrong with it.
            _log.debug("the outbox in %s cannot be read: %s", self._path, type(error).__name__)
            return None
        except Exception as error:  # sharing may fail, and recording goes on; nothing is struck off that was not sent
            self._tell(f"{type(error).__name__} while sending, please report it")
            return None
        if self._error is not None:
            _log.info("the shared ledger %s is written again", self._shared.name)
            self._error = None
        return portion.entries

    def _send(self, box: Outbox, portion: Portion) -> None:
        """Send a portion and strike it off; the first even if it is empty, which makes the tables that readers look for."""
        if not self._reached or portion.entries or portion.workers != self._accounts:
            try:
                self._shared.store(portion)
            except SharedLedgerRefused as error:
                self._send_in_parts(box, portion, error)
            if portion.entries:
                box.done(portion)
            self._reached = True
        if portion.accounts_at:
            self._accounts_at, self._accounts = portion.accounts_at, portion.workers

    def _send_in_parts(self, box: Outbox, portion: Portion, error: SharedLedgerRefused) -> None:
        """One row that the database does not take must not hold up all others."""
        refused = self._part(portion, portion.rows)
        if refused:
            _log.error("%d row(s) stay in %s only, the shared ledger does not take them: %s", refused, self._path, error)
            box.refused(refused)
        try:
            self._shared.store(dataclasses.replace(portion, rows=[]))
        except SharedLedgerRefused as again:
            _log.error("%d correction(s) stay in %s only: %s", len(portion.corrections), self._path, again)

    def _part(self, portion: Portion, rows: Sequence[dict[str, Any]]) -> int:
        """Store what of ``rows`` can be stored; returns how many cannot."""
        if not rows:
            return 0
        try:
            self._shared.store(portion, rows)
        except SharedLedgerRefused:
            middle = len(rows) // 2
            return self._part(portion, rows[:middle]) + self._part(portion, rows[middle:]) if middle else 1
        return 0

    def _keep_bound(self, box: Outbox) -> None:
        now = time.monotonic()
        if now - self._bounded_at < BOUND_SECONDS and self._bounded_at:
            return
        self._bounded_at = now
        self._waiting = box.size()
        if gone := box.give_up_beyond(self._settings.max_waiting_rows):
            _log.critical(
                "%d entries waited too long for the shared ledger and stay in %s only (shared_ledger.max_waiting_rows)", gone, self._path
            )

    def _prune(self) -> None:
        now = time.monotonic()
        if self._settings.days and now >= self._prune_at and not self._stop.is_set():
            deleted = self._shared.prune(datetime.now(UTC) - timedelta(days=self._settings.days), PRUNE_ROWS)
            self._prune_at = now + PRUNE_SECONDS[deleted < PRUNE_ROWS]

    def _tell(self, error: str) -> None:
        if error != self._error:
            _log.error("the shared ledger cannot be written, rows wait in %s: %s", self._path, error)
        self._error = error


def shipping_to(settings: SharedLedgerSettings, ledger_path: str) -> Shipping | None:
    """The shipping that the settings ask for, if any. What can never work is logged and leaves the rows waiting: recording goes on."""
    if settings.url is None:
        return None
    try:
        return Shipping(ledger_path, settings)
    except (CouldNotRun, UsageError) as error:
        _log.critical("nothing is sent to the shared ledger: %s", error)
        return None
