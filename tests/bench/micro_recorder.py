"""What recording costs: microseconds on the relay's event loop, CPU of the recorder per exchange, rows it keeps up with, its memory.

Run from the repository's root: python -m tests.bench.micro_recorder [--rate N] [--seconds N]
A real recorder process is fed by a real writer at ``--rate`` exchanges a second, in slices of 10 ms as a relay would, and then has
to catch up. With ``--core N`` both share that one core.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import tempfile
import time
import timeit
from contextlib import closing
from pathlib import Path

import msgspec

from streamgauge.records import Ended, Started
from streamgauge.spool import SpoolSettings, SpoolWriter
from tests.bench.processes import cpu_seconds
from tests.recorder.driving import RecorderProcess, account
from tests.spool.made import ended, started, until

FIELDS = {
    "site": "eu-1",
    "upstream_request_id": "7f3c1f0e-1111-4222-8333-abcdefabcdef",
    "tenant": "search/chat-ui",
    "app": "chat-ui",
    "tenant_source": "header",
    "service": "bedrock-runtime",
    "operation": "ConverseStream",
    "region": "eu-central-1",
    "upstream_host": "bedrock-runtime.eu-central-1.amazonaws.com",
    "streaming": True,
    "max_tokens": 1024,
    "finish_reason": "end_turn",
    "input_tokens": 1200,
    "output_tokens": 300,
    "usage_source": "reported",
    "connection_reused": True,
}
TIMES = (
    "upload",
    "ttfb",
    "upstream_ttft",
    "ttft_visible",
    "tpot",
    "itl_p50",
    "itl_p95",
    "itl_p99",
    "itl_max",
    "upstream_e2e",
    "proxy_overhead",
)
COUNTS = ("stall_count", "request_bytes", "response_bytes", "chunks", "in_flight", "output_chunks")


def _full(exchange_id: str) -> tuple[Started, Ended]:
    """An exchange with the fields of a real stream filled in."""
    times = {name: 0.123456 * (index + 1) for index, name in enumerate(TIMES)}
    counts = {name: 100 + index for index, name in enumerate(COUNTS)}
    begun = started(
        exchange_id, tenant="search/chat-ui", team="search", app="chat-ui", region="eu-central-1", max_tokens=1024, request_bytes=2048
    )
    return begun, ended(exchange_id, **FIELDS, **times, **counts)


def _append_microseconds() -> None:
    begun, over = _full("019ac1f2-7b3c-7d2e-9f10-a1b2c3d4e5f6")
    size = [len(msgspec.msgpack.encode(record)) for record in (begun, over)]
    print(f"record bytes: started {size[0]}, ended {size[1]}")
    with tempfile.TemporaryDirectory() as directory:
        writer = SpoolWriter(Path(directory), SpoolSettings(max_backlog_bytes=1 << 30), "w0")

        def whole() -> None:
            writer.seen()
            writer.append(begun)
            writer.append(over)

        for name, act in (("append of an Ended", lambda: writer.append(over)), ("seen, Started and Ended", whole)):
            best = min(timeit.repeat(act, number=2000, repeat=15)) / 2000
            print(f"{name}: {best * 1e6:.2f} us on the loop")
            until(lambda: writer.backlog_bytes == 0, 60)
        writer.close()


def _resident_mebibytes(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _rows(ledger: Path) -> int:
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        (rows,) = connection.execute("SELECT coalesce(sum(rows), 0) FROM workers").fetchone()
    return int(rows)


def _send(writer: SpoolWriter, rate: int, seconds: float) -> tuple[int, float, float]:
    """Exchanges sent, seconds they took, and the worst lateness of a slice."""
    begun, over = _full("")
    count, late, begin = 0, 0.0, time.perf_counter()
    for tick in range(int(seconds * 100)):
        for _ in range(rate // 100):
            writer.seen()
            begun.exchange_id = over.measurement.exchange_id = f"019ac1f2-7b3c-7d2e-9f10-{count:012x}"
            writer.append(begun)
            writer.append(over)
            count += 1
        wait = begin + (tick + 1) / 100 - time.perf_counter()
        late = max(late, -wait)
        if wait > 0:
            time.sleep(wait)
    return count, time.perf_counter() - begin, late


def main() -> None:
    """Print the figures, one a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=12_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--core", type=int, default=None)
    given = parser.parse_args()
    if given.core is not None:
        os.sched_setaffinity(0, {given.core})
    _append_microseconds()
    with tempfile.TemporaryDirectory() as directory:
        ledger, spool = Path(directory, "ledger.db"), Path(directory, "spool")
        recorder = RecorderProcess(spool, ledger, commit_seconds=0.2)
        pid = recorder.process.pid
        until(lambda: ledger.exists() and ledger.stat().st_size > 0)
        time.sleep(1.0)
        idle_from = cpu_seconds([pid])
        time.sleep(3.0)
        print(f"idle: {_resident_mebibytes(pid):.1f} MiB, {(cpu_seconds([pid]) - idle_from) / 3 * 100:.2f} % of a core")
        writer = SpoolWriter(spool, SpoolSettings(), "w0")
        cpu_from = cpu_seconds([pid])
        count, took, late = _send(writer, given.rate, given.seconds)
        meanwhile = _rows(ledger)
        print(f"sent {count} in {took:.1f} s (latest slice {late * 1e3:.0f} ms late); rows meanwhile {meanwhile / took:.0f}/s")
        begin = time.perf_counter()
        until(lambda: _rows(ledger) >= count - sum(writer._unmeasured), 600)
        cpu = cpu_seconds([pid]) - cpu_from
        print(f"caught up {time.perf_counter() - begin:.1f} s later; recorder CPU {cpu / count * 1e6:.1f} us per exchange")
        print(f"then: {_resident_mebibytes(pid):.1f} MiB, ledger {ledger.stat().st_size / count:.0f} bytes per row")
        writer.close()
        code, _ = recorder.end()
        found = account(ledger)
        print(
            f"exit code {code}; rows {len(found.outcomes)} + unmeasured {sum(found.unmeasured.values())} = seen {found.seen}: {found.adds_up}"
        )


if __name__ == "__main__":
    main()
