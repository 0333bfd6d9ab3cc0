"""Records for the tests of everything between spool and ledger, and small ways to wait and to look."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamgauge.records import Ended, Measurement, SpoolRecord, Started, WorkerStatus
from streamgauge.spool import SpoolWriter, WorkerSpool, find_workers

AT = "2026-11-24T05:00:00.123456Z"
MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"


def started(exchange_id: str, **fields: Any) -> Started:
    usual: dict[str, Any] = {"service": "bedrock-runtime", "operation": "ConverseStream", "requested_model": MODEL, "streaming": True}
    return Started(exchange_id=exchange_id, started_at=AT, proxy_id="p1", **(usual | fields))


def ended(exchange_id: str, **fields: Any) -> Ended:
    usual: dict[str, Any] = {
        "outcome": "completed",
        "http_status": 200,
        "requested_model": MODEL,
        "ttft": 0.3,
        "e2e": 2.5,
        "team": "search",
    }
    return Ended(Measurement(**{"exchange_id": exchange_id, "started_at": AT, "proxy_id": "p1", **usual, **fields}))


def status(ready: bool = True, at: str = AT, reason: str | None = None) -> WorkerStatus:
    return WorkerStatus(worker_id="w0", at=at, ready=ready, reason=reason)


def exchange(writer: SpoolWriter, exchange_id: str) -> None:
    """One whole exchange passes."""
    writer.seen()
    writer.append(started(exchange_id))
    writer.append(ended(exchange_id))


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for ``condition``; fail when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def spools(directory: Path) -> list[WorkerSpool]:
    return [WorkerSpool(directory / name) for name in find_workers(directory)]


def read_all(spool: WorkerSpool, final: bool = True) -> list[SpoolRecord]:
    records: list[SpoolRecord] = []
    while more := spool.read(final):
        records += more
    return records


def ids(records: list[SpoolRecord]) -> list[str]:
    """The exchanges that ended, in order."""
    return [record.measurement.exchange_id for record in records if isinstance(record, Ended)]
