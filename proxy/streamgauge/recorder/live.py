"""What is happening now, from the same records that become rows: recent measurements, the workers' word, and sums.

Memory is bounded by the number kept and by the number of living workers.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from streamgauge.records import Ended, Measurement, SpoolRecord, Stalled, WorkerStatus
from streamgauge.sinks.ledger import InFlight


@dataclass
class Live:
    """The live state. Written by the recording thread, read by the admin server, both under the recording's lock."""

    keep: int = 1000
    """Measurements kept for the live figures."""
    recent: deque[Measurement] = field(init=False)
    statuses: dict[str, WorkerStatus] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    """Rows in the ledger by outcome."""
    silences: dict[str, float] = field(default_factory=dict)
    """Open exchanges that are silent now: seconds of silence when that was last said."""

    def __post_init__(self) -> None:
        self.recent = deque(maxlen=self.keep)

    def feed(self, worker_id: str, records: Iterable[SpoolRecord]) -> None:
        """Take the records of a worker."""
        for record in records:
            if type(record) is Ended:
                self.recent.append(record.measurement)
                if self.silences:
                    self.silences.pop(record.measurement.exchange_id, None)
            elif type(record) is WorkerStatus:
                self.statuses[worker_id] = record
            elif type(record) is Stalled:
                self.silences[record.exchange_id] = record.silence

    def gone(self, worker_id: str, still_open: Iterable[str]) -> None:
        """A worker has ended; only ``still_open`` exchanges can be silent."""
        self.statuses.pop(worker_id, None)
        keep = set(still_open)
        self.silences = {exchange_id: silence for exchange_id, silence in self.silences.items() if exchange_id in keep}


def open_exchange(opened: InFlight, silence: float | None, now: datetime) -> dict[str, Any]:
    """One open exchange for people: who, what, its age in seconds at ``now``."""
    started = opened.started
    return {
        "exchange_id": started.exchange_id,
        "worker_id": opened.worker_id,
        "started_at": started.started_at,
        "age": (now - datetime.fromisoformat(started.started_at)).total_seconds(),
        "tenant": started.tenant,
        "team": started.team,
        "service": started.service,
        "operation": started.operation,
        "region": started.region,
        "model": started.requested_model,
        "endpoint_name": started.endpoint_name,
        "streaming": started.streaming,
        "ttft": opened.ttft,
        "silence": silence,
    }


def spread(values: Sequence[float | None]) -> dict[str, float | int | None]:
    """Count, p50 and p95 (nearest rank) of those ``values`` that are known."""
    known = sorted(value for value in values if value is not None)
    return {"count": len(known), "p50": _rank(known, 0.5), "p95": _rank(known, 0.95)}


def _rank(known: Sequence[float], share: float) -> float | None:
    return known[max(0, math.ceil(share * len(known)) - 1)] if known else None
