"""The accounts: spool records become ledger rows, and rows + unmeasured = seen for every worker. Pure: no file, no clock.

``feed`` takes records in the order of the spool; ``batch`` is what the ledger lacks of their result; ``committed`` says that it has it now.
Between the two nothing may be fed. A dead worker, its spool read to the end, goes through ``lose`` (what was open is lost), a commit,
``finish`` (what was seen and is nowhere is counted) and another commit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from streamgauge.records import Abandoned, Ended, FirstOutput, Measurement, SpoolRecord, Started
from streamgauge.sinks.ledger import Batch, InFlight, Stored, WorkerLine
from streamgauge.spool import Counters

RECORDER_REASONS = ("worker_killed", "disk_full", "spool_damaged", "ledger_set_aside", "not_reported", "spool_deleted")
"""Why exchanges that a worker saw have neither a row nor a count of the worker's own.

``worker_killed``: it died before it had written them. ``disk_full``: it ended with records it could not write. ``spool_damaged``: the file
was changed by something else. ``ledger_set_aside``: their rows are in a ledger that was set aside or deleted.
``not_reported``: it ended properly and never said what became of them, a mistake of ours.
``spool_deleted``: somebody deleted what the recorder had not yet read.
"""


@dataclass
class Sums:
    """Exchanges seen, rows, and unmeasured exchanges by reason, over several workers. Open and unread ones are the difference."""

    seen: int
    rows: int
    unmeasured: dict[str, int]

    def add(self, line: WorkerLine) -> None:
        """Add one worker's account."""
        self.seen += line.seen
        self.rows += line.rows
        for counts in (line.by_worker, line.by_recorder):
            for reason, count in counts.items():
                self.unmeasured[reason] = self.unmeasured.get(reason, 0) + count


class Accounting:
    """Open exchanges and the workers' lines, as of the last record fed."""

    def __init__(self) -> None:
        self.open: dict[str, InFlight] = {}
        self.lines: dict[str, WorkerLine] = {}
        self.waiting_rows = 0
        self.dirty = False
        """Whether the ledger lacks something that matters; a mere position does not."""
        self._finished = Sums(0, 0, {})
        self._rows: dict[str, list[Measurement]] = {}
        self._changed: set[str] = set()
        self._over: list[str] = []
        self._touched: set[str] = set()

    def restore(self, stored: Stored) -> None:
        """Go on where the ledger stopped."""
        self.lines = {line.worker_id: line for line in stored.lines}
        self._finished = Sums(stored.finished_seen, stored.finished_rows, dict(stored.finished_unmeasured))
        self.open = {o.started.exchange_id: o for o in stored.open}

    def line(self, worker_id: str, first_segment: int = 1) -> WorkerLine:
        """The worker's account; a new one begins reading at ``first_segment``."""
        line = self.lines.get(worker_id)
        if line is None:
            line = self.lines[worker_id] = WorkerLine(worker_id, first_segment, 0, first_segment)
        return line

    def feed(self, worker_id: str, records: Iterable[SpoolRecord], segment: int, offset: int) -> None:
        """Take ``records`` of a worker; its spool is read up to ``segment`` and ``offset`` with them."""
        for record in records:
            if type(record) is Ended:
                self._end(worker_id, record.measurement.exchange_id, record.measurement)
            elif type(record) is Started:
                self.open[record.exchange_id] = InFlight(worker_id, record)
                self._changed.add(record.exchange_id)
                self.dirty = True
            elif type(record) is FirstOutput:
                self._first_output(record)
            elif type(record) is Abandoned and record.exchange_id in self.open:
                self._end(worker_id, record.exchange_id, None)
                self._count(worker_id, record.reason, 1)
        line = self.line(worker_id)
        line.segment, line.offset = segment, offset
        self._touched.add(worker_id)

    def counted(self, worker_id: str, counters: Counters | None) -> None:
        """Take what the worker itself counted; ``None`` where that cannot be read."""
        line = self.line(worker_id)
        if counters is None or (counters.seen == line.seen and counters.unmeasured == line.by_worker):
            return
        line.seen, line.by_worker = max(counters.seen, line.seen), counters.unmeasured
        self._touched.add(worker_id)
        self.dirty = True

    def lose(self, worker_id: str) -> None:
        """The worker is dead and its spool was read to the end: what it had open ends as ``lost``."""
        for exchange_id, o in [(i, o) for i, o in self.open.items() if o.worker_id == worker_id]:
            self._end(worker_id, exchange_id, _lost(o))

    def finish(self, worker_id: str, closed: bool | None, damaged: bool, deleted: bool = False) -> None:
        """Close the account of a worker after ``lose`` was committed. ``closed`` as in its counters; ``damaged``, ``deleted``: its spool was.

        Whatever was seen and has neither row nor count is counted now, under the likeliest of ``RECORDER_REASONS``.
        """
        line = self.line(worker_id)
        described = line.rows + sum(line.by_worker.values()) + sum(line.by_recorder.values())
        if described < line.seen:
            self._count(worker_id, _likeliest(line, closed, damaged, deleted), line.seen - described)
        line.seen = max(line.seen, described)
        line.finished = True
        self._touched.add(worker_id)
        self.dirty = True

    def batch(self) -> Batch:
        """What the ledger lacks."""
        return Batch(
            rows=self._rows,
            open=[self.open[exchange_id] for exchange_id in self._changed],
            over=self._over,
            workers=[self.lines[worker_id] for worker_id in sorted(self._touched)],
        )

    def committed(self, inserted: Mapping[str, Counter[str]]) -> None:
        """The ledger has the last batch, with so many new rows by worker and outcome."""
        for worker_id, outcomes in inserted.items():
            self.lines[worker_id].rows += sum(outcomes.values())
        for exchange_id in self._changed:
            self.open[exchange_id].persisted = True
        for worker_id in self._touched:
            if self.lines[worker_id].finished:
                self._finished.add(self.lines.pop(worker_id))
        self._rows, self._over, self.waiting_rows, self.dirty = {}, [], 0, False
        self._changed.clear()
        self._touched.clear()

    def sums(self) -> Sums:
        """Over all workers that the ledger knows, and as far as it knows them."""
        total = Sums(self._finished.seen, self._finished.rows, dict(self._finished.unmeasured))
        for line in self.lines.values():
            total.add(line)
        return total

    def begin_new_ledger(self) -> None:
        """The next batch goes to an empty ledger: it gets every account and every open exchange; what the old one had is there, not here."""
        for line in self.lines.values():
            if line.rows:
                line.by_recorder["ledger_set_aside"] = line.by_recorder.get("ledger_set_aside", 0) + line.rows
                line.rows = 0
        for o in self.open.values():
            o.persisted = False
        self._finished = Sums(0, 0, {})
        self._over = []
        self._changed.update(self.open)
        self._touched.update(self.lines)
        self.dirty = True

    def _end(self, worker_id: str, exchange_id: str, row: Measurement | None) -> None:
        opened = self.open.pop(exchange_id, None)
        self._changed.discard(exchange_id)
        if opened is not None and opened.persisted:
            self._over.append(exchange_id)
        if row is not None:
            self._rows.setdefault(worker_id, []).append(row)
            self.waiting_rows += 1
        self._touched.add(worker_id)
        self.dirty = True

    def _first_output(self, record: FirstOutput) -> None:
        opened = self.open.get(record.exchange_id)
        if opened is not None:
            opened.ttft, opened.upstream_ttft = record.ttft, record.upstream_ttft
            self._changed.add(record.exchange_id)
            self.dirty = True

    def _count(self, worker_id: str, reason: str, count: int) -> None:
        counts = self.line(worker_id).by_recorder
        counts[reason] = counts.get(reason, 0) + count


def _likeliest(line: WorkerLine, closed: bool | None, damaged: bool, deleted: bool) -> str:
    if deleted:
        return "spool_deleted"
    if line.first_segment > 1:
        return "ledger_set_aside"
    if damaged:
        return "spool_damaged"
    return {None: "worker_killed", False: "disk_full", True: "not_reported"}[closed]


def _lost(opened: InFlight) -> Measurement:
    """The row of an exchange whose worker died: what was known when it began, and its first output if that came."""
    known = {name: getattr(opened.started, name) for name in opened.started.__struct_fields__}
    return Measurement(
        **known, outcome="lost", side="proxy", error_type="worker_killed", ttft=opened.ttft, upstream_ttft=opened.upstream_ttft
    )
