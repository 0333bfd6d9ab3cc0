"""TTFT and TPOT of the ledger agree with the upstream's own log of what it sent when.

Both clocks are the machine's monotonic one. What lies between a moment in the upstream's log and ours is the way through the kernel,
the proxy's reading of it, and, on a busy machine, the wait of either process for a processor. The last is nobody's measuring error, so
the same load goes to the upstream directly at the same time, seen by its client: how far that is off is the machine's own share.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from streamgauge.records import Measurement
from streamgauge.testing import Script, ScriptedUpstream
from streamgauge.testing.received import SendLog
from tests.e2e.product import Product

STREAMS, ROUNDS = 50, 4
"""Four rounds, so that the 99th percentile of 200 is not the one worst moment of a shared machine."""

DIRECT = 10
"""Streams of the control beside each round: enough to see the machine, too few to be its load."""

P50_SECONDS, P99_SECONDS = 0.001, 0.003

APART = Script(head_after=0.2, start_after=0.4, ttft=0.6, gap=0.02, output_tokens=40)
"""HTTP head, first frame and first token are three moments, 200 ms apart."""


def _outputs(log: SendLog) -> list[int]:
    return [at for at, kind in log.frames if kind == "output"]


def _sent_ttft(log: SendLog) -> float:
    return (_outputs(log)[0] - log.received_at) / 1e9


def _ttft_error(row: Measurement, log: SendLog) -> float:
    assert row.upstream_ttft is not None
    return abs(row.upstream_ttft - _sent_ttft(log))


def _tpot_error(row: Measurement, log: SendLog) -> float:
    assert row.tpot is not None
    sent = _outputs(log)
    return abs(row.tpot - (sent[-1] - sent[0]) / 1e9 / (len(sent) - 1))


def _percentiles(values: list[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return ordered[len(ordered) // 2], ordered[math.ceil(0.99 * len(ordered)) - 1]


def _run(count: int, pace: str, *addresses: str) -> dict[str, list[Any]]:
    command = [sys.executable, "-m", "tests.e2e.streams", str(count), pace, *addresses]
    answers: dict[str, list[Any]] = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    assert all(complete for group in answers.values() for _, _, complete in group)
    return answers


@pytest.mark.long
@pytest.mark.parametrize("pace", ["fast", "slow"])
def test_ttft_and_tpot_agree_with_the_upstreams_own_log(pace: str, tmp_path: Path) -> None:
    control: list[float] = []
    with ScriptedUpstream(APART) as upstream, Product(tmp_path, upstream.url, relay__signing="passthrough") as product:
        ours, theirs = product.url.removeprefix("http://"), upstream.url.removeprefix("http://")
        _run(STREAMS, "fast", ours)  # connections and caches warm, as in a running proxy
        for _ in range(ROUNDS):
            _run(STREAMS - DIRECT, pace, ours)
            direct = _run(DIRECT, "fast", theirs)[theirs]
            logs = {log.request_id: log for log in upstream.sends}
            control += [abs(seen - _sent_ttft(logs[request_id])) for request_id, seen, _ in direct]
        rows = product.wait_rows(STREAMS + ROUNDS * (STREAMS - DIRECT))[STREAMS:]
    ttft = _percentiles([_ttft_error(row, logs[row.upstream_request_id or ""]) for row in rows])
    tpot = _percentiles([_tpot_error(row, logs[row.upstream_request_id or ""]) for row in rows])
    machine = _percentiles(control)
    print(
        f"off at p50 / p99, ms: TTFT {ttft[0] * 1e3:.2f} / {ttft[1] * 1e3:.2f}, TPOT {tpot[0] * 1e3:.2f} / {tpot[1] * 1e3:.2f}, "
        f"a direct client {machine[0] * 1e3:.2f} / {machine[1] * 1e3:.2f}"
    )
    assert ttft[0] <= P50_SECONDS + machine[0]
    assert ttft[1] <= P99_SECONDS + machine[1]
    assert tpot[0] <= P50_SECONDS
    assert tpot[1] <= P99_SECONDS
    assert all(row.outcome == "completed" and row.gap_reader == 0.0 for row in rows)
    assert all(0.15 < (row.ttfc or 0) - (row.ttfb or 0) < 0.25 and 0.15 < (row.upstream_ttft or 0) - (row.ttfc or 0) < 0.25 for row in rows)
