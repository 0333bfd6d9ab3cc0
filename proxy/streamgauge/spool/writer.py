"""The worker's end of the spool: appends on the event loop, writes in one thread.

On the loop nothing blocks, nothing touches a file, nothing is raised. ``seen`` comes first, then the records of the exchange.
Rows + unmeasured = seen holds because an exchange is either counted here (and none of its records is taken) or described
(and then its end is always taken); what a kill takes away is seen, not described and not counted, and the recorder counts it.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue

from streamgauge.records import Abandoned, Ended, SpoolRecord, Started, WorkerStatus
from streamgauge.spool.admission import Admission
from streamgauge.spool.counters import CounterPage
from streamgauge.spool.encode import encode, encode_mended
from streamgauge.spool.layout import REASONS, SpoolSettings, bytes_in
from streamgauge.spool.segments import Segments

_log = logging.getLogger("streamgauge.spool")

RECHECK_SECONDS = 1.0
"""How often the writer looks how much is in the spool: listing its directories costs microseconds, and an outage lasts minutes."""

RETRY_SECONDS = (0.05, 2.0)
"""First and longest pause after a failed write: a full disk does not get emptier by asking, but traffic is unmeasured until we ask."""

CLOSE_SECONDS = 5.0
"""How long a worker that ends waits for its last records to be written: beyond it the disk does not take them."""

_NOTHING = b""
_INDEX = {reason: index for index, reason in enumerate(REASONS)}


class SpoolWriter:
    """Spools the records of one worker. Call everything from the worker's event loop; only ``close`` waits."""

    def __init__(self, directory: Path, settings: SpoolSettings, worker_id: str) -> None:
        """Begin a spool under ``directory``. ``worker_id`` may come again in a later life, each life gets a directory of its own.

        Never raises: while no directory can be made, records wait in memory within the backlog's bound, and exchanges beyond it are counted.
        """
        self._settings = settings
        self._directory = directory
        self._worker_id = worker_id
        self._admission = Admission()
        self._page = CounterPage.in_memory()
        self._seen = 0
        self._unmeasured = [0] * len(REASONS)
        self._queue: SimpleQueue[bytes] = SimpleQueue()
        self._queued_bytes = 0
        self._hurry = threading.Event()
        self._hurry.set()  # nothing was written before the first record
        self._closing = False
        # Set by the writer thread, read by the loop.
        self._segments: Segments | None = None
        self._deleted: Segments | None = None
        """What somebody deleted and could not be made anew yet."""
        self._settled_bytes = 0
        self._full = False
        self._failing = False
        # The writer thread's own.
        self._unwritten: list[bytes] = []
        self._on_disk = 0
        self._checked_at = 0.0
        self._try_open()
        self._check_room()
        self._thread = threading.Thread(target=self._run, name="spool-writer", daemon=True)
        self._thread.start()

    @property
    def path(self) -> Path | None:
        """This life's directory; ``None`` while it cannot be made."""
        return self._segments.path if self._segments else None

    @property
    def backlog_bytes(self) -> int:
        """Bytes appended and not yet written."""
        return self._queued_bytes - self._settled_bytes

    def seen(self) -> None:
        """One more exchange was seen. Comes before everything else that concerns it."""
        self._seen += 1
        self._page.set_seen(self._seen)

    def unmeasured(self, reason: str, exchange_id: str | None = None) -> None:
        """One seen exchange will not be described, for a ``reason`` of ``REASONS``. With ``exchange_id`` where a ``Started`` was appended."""
        ended = self._admission.end(exchange_id) if exchange_id is not None else None
        if ended is None:
            self._count(reason)
        elif ended and exchange_id is not None:
            # Its start may be on disk already: whoever reads that must also read that no row comes, so the count travels with the records.
            self._put(encode(Abandoned(exchange_id, reason if reason in _INDEX else "other")))

    def append(self, record: SpoolRecord) -> None:
        """Take ``record``, to be written within ``batch_seconds``."""
        if isinstance(record, Ended):
            self._append_ended(record)
        elif isinstance(record, Started):
            self._append_started(record)
        elif isinstance(record, Abandoned):
            self.unmeasured(record.reason, record.exchange_id)
        elif self._refusal() is None and (isinstance(record, WorkerStatus) or record.exchange_id in self._admission.taken):
            framed = _framed(record)
            if framed is not None:
                self._put(framed)

    def flush(self) -> None:
        """Have everything appended so far written at once, without waiting for it."""
        self._hurry.set()

    def close(self, timeout: float = CLOSE_SECONDS) -> bool:
        """Write what is left, within ``timeout`` seconds, and end this worker's spool. Whether everything was written. Blocks."""
        self._closing = True
        self._hurry.set()
        self._queue.put(_NOTHING)
        self._thread.join(timeout)
        written = not self._thread.is_alive() and self._segments is not None and self.backlog_bytes == 0
        self._page.set_closed(written)
        segments = self._segments or self._deleted
        if segments is not None and not self._thread.is_alive():
            segments.close()
        return written

    # --- on the loop -------------------------------------------------------------------------------------------

    def _append_started(self, record: Started) -> None:
        refusal = self._refusal() or "encode_failed"
        framed = _framed(record) if refusal == "encode_failed" else None
        if framed is not None:
            self._admission.take(record.exchange_id)
            self._put(framed)
        else:
            self._admission.refuse(record.exchange_id)
            self._count(refusal)

    def _append_ended(self, record: Ended) -> None:
        exchange_id = record.measurement.exchange_id
        taken = self._admission.end(exchange_id)
        if taken is False:
            return
        refusal = None if taken else self._refusal()
        framed = _framed(record) if refusal is None else None
        if framed is not None:
            self._put(framed)
        elif taken:
            self._put(encode(Abandoned(exchange_id, "encode_failed")))
        else:
            self._count(refusal or "encode_failed")

    def _refusal(self) -> str | None:
        if self._full:
            return "spool_full"
        if self._queued_bytes - self._settled_bytes > self._settings.max_backlog_bytes:
            return "disk_full" if self._failing else "writer_behind"
        return None

    def _put(self, framed: bytes) -> None:
        self._queued_bytes += len(framed)
        self._queue.put(framed)

    def _count(self, reason: str) -> None:
        index = _INDEX.get(reason, _INDEX["other"])
        self._unmeasured[index] += 1
        self._page.set_unmeasured(index, self._unmeasured[index])

    # --- in the writer thread ----------------------------------------------------------------------------------

    def _run(self) -> None:
        pause = RETRY_SECONDS[0]
        while not (self._closing and self._queue.empty() and not self._unwritten):
            self._collect(pause)
            if self._write_safely():
                pause = RETRY_SECONDS[0]
            elif self._closing:
                return  # the disk refused the last attempt; the page says that something is missing
            else:
                pause = min(pause * 2, RETRY_SECONDS[1])

    def _collect(self, pause: float) -> None:
        """Wait for records, or for the time to try again, and gather what there is.

        The pause comes behind the last write and not before the next one: who comes after it is written at once. Each waking of this thread
        costs a turn of the interpreter and of a core, tens of milliseconds where none is free, in which a killed worker loses what waits.
        """
        self._hurry.wait(pause if self._unwritten else self._settings.batch_seconds)
        self._hurry.clear()
        if not self._unwritten:
            try:
                self._unwritten.append(self._queue.get(timeout=RECHECK_SECONDS if self._full else None))
            except Empty:
                return
        try:
            while True:
                self._unwritten.append(self._queue.get_nowait())
        except Empty:
            pass

    def _write_safely(self) -> bool:
        """Whether writing worked. This thread must outlive everything: without it nothing is measured until the worker is restarted."""
        try:
            return self._write()
        except Exception as error:
            if not self._failing:
                _log.error("spool %s cannot be written (%s)", self._directory, type(error).__name__)
            self._failing = True
            return False

    def _write(self) -> bool:
        """Write what was gathered. Whether that worked."""
        segments = self._usable()
        if segments is None:
            return False
        records = [record for record in self._unwritten if record]
        count, error = segments.write(records)
        size = sum(map(len, records[:count]))
        self._unwritten = records[count:]
        self._settled_bytes += size
        self._on_disk += size
        self._note(error)
        self._check_room()
        return error is None

    def _usable(self) -> Segments | None:
        """Where to write; never where nobody reads, for who deletes a directory does not hinder us to go on writing there."""
        segments = self._segments
        if segments is not None and segments.is_deleted():
            _log.error("spool %s was deleted; it is made anew, and what the recorder had not read of it is lost", segments.path)
            self._deleted, self._segments = segments, None
        return self._segments or self._try_open()

    def _check_room(self) -> None:
        limit, now = self._settings.max_bytes, time.monotonic()
        if self._segments is not None and now - self._checked_at >= RECHECK_SECONDS:
            self._checked_at = now
            with suppress(OSError):  # no descriptor left, say: the estimate stands, asked again in a second
                self._on_disk = bytes_in(self._directory)
                if self._on_disk >= limit:
                    # The recorder deletes only what has a successor, and while nothing is taken no record would begin one.
                    self._segments.go_on_in_another()
        self._full = self._on_disk >= limit

    def _try_open(self) -> Segments | None:
        try:
            segments = self._deleted
            if segments is None:
                segments = Segments(self._directory, self._worker_id, self._settings.segment_bytes)
            else:
                segments.make_anew()
        except OSError as error:
            self._note(error)
            return None
        self._segments, self._deleted = segments, None
        self._page = segments.page
        # The loop may count meanwhile, on the page it has in hand: repeat until the new page agrees with what was counted.
        while not self._page.agrees(self._seen, self._unmeasured):
            self._page.set_seen(self._seen)
            for index, count in enumerate(self._unmeasured):
                self._page.set_unmeasured(index, count)
        return segments

    def _note(self, error: OSError | None) -> None:
        failing = error is not None
        if failing != self._failing:
            self._failing = failing
            if error is not None:
                _log.error(
                    "spool %s cannot be written (%s): records wait in memory, then exchanges are only counted",
                    self._directory,
                    error.strerror,
                )
            else:
                _log.warning("spool %s can be written again", self._directory)


def _framed(record: SpoolRecord) -> bytes | None:
    try:
        return encode(record)
    except Exception:  # whatever the value is: traffic goes on
        return encode_mended(record)
