"""Runs one piece: one target under one scenario once, from a fresh start to the check of its ledger; returns everything seen as plain data."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench import processes
from tests.bench.build import CannotRun
from tests.bench.ledger import read_ledger, remove, rows_so_far
from tests.bench.machine import LAB_CORE, TARGET_CORE, Watch, calibrate, wake_ups
from tests.bench.scenarios import Load, Scenario
from tests.bench.targets import Bench, Running, Upstream, fake_upstream, started, wait_until

Raw = dict[str, Any]

SETTLE_SECONDS = 0.3
IDLE_SECONDS = 3.0
"""How long a just started product is left alone before its memory is read."""
DRAIN_SECONDS = 90
"""How long the recorder may take to write what a burst left in the spool, before the check is made all the same."""
SAMPLE_SECONDS = 0.5
INTERRUPTS = Path("/proc/interrupts")
PATIENCE_SECONDS = 5
"""For one answer or one closed connection: a thousand times what it should take."""


def run_piece(name: str, scenario: Scenario, bench: Bench) -> Raw:
    """Raises ``CannotRun`` when the target does not start or the load generator fails."""
    result: Raw = {"target": name, "scenario": scenario.name, "calibration_ns": calibrate(), "load_average": os.getloadavg()[0]}
    with fake_upstream(bench) as upstream, started(name, bench, upstream, tls=scenario.tls, placement=scenario.placement) as running:
        time.sleep(SETTLE_SECONDS)
        watch, lab_watch = Watch(TARGET_CORE), Watch(LAB_CORE)
        began = time.monotonic()
        try:
            result |= _drive(scenario, bench, upstream, running)
        except OSError as error:
            raise CannotRun(f"{error}; its log ends: {running.last_words()}") from error
        result["target_core"], result["lab_core"] = watch.shares(), lab_watch.shares()
        result["seconds"] = time.monotonic() - began
        result["upstream"] = upstream.stats()
        running.stop()
    if running.ledger:
        result["ledger"] = read_ledger(running.ledger).as_dict() if running.ledger.exists() else None
        remove(running.ledger)
    return result


def _drive(scenario: Scenario, bench: Bench, upstream: Upstream, running: Running) -> Raw:
    if scenario.kind == "idle":
        return _idle(running)
    if scenario.kind == "gone":
        return _gone(scenario, upstream, running)
    return _loaded(scenario, bench, upstream, running)


# ---- under load ----


def _loaded(scenario: Scenario, bench: Bench, upstream: Upstream, running: Running) -> Raw:
    assert scenario.load
    sent, tokens = 0, 0
    if scenario.prelude:
        first = run_load(scenario.prelude, bench, running)
        sent, tokens = first["sent"], first["done"] * scenario.prelude.output_tokens
    before, woken = _cpu_by_role(running), wake_ups(INTERRUPTS.read_text())
    with lag_sampler(upstream, running if scenario.sampled else None) as lag:
        load = run_load(scenario.load, bench, running, upstream)
    woken = wake_ups(INTERRUPTS.read_text()) - woken
    left = _wait_for_recorder(running, sent + load["sent"])
    whole = {role: used - before[role] for role, used in _cpu_by_role(running).items()}
    return {
        "load": load,
        "sent": sent + load["sent"],
        "expected_tokens": tokens + load["done"] * scenario.load.output_tokens,
        "whole_cpu_s": whole,
        "wake_ups": woken,
        "backlog": left,
        "lag": lag or None,
    }


def run_load(load: Load, bench: Bench, running: Running, upstream: Upstream | None = None) -> Raw:
    """What the load generator printed. With ``upstream`` the fake upstream's CPU is taken too. Raises ``CannotRun``."""
    groups = dict(running.groups)
    if upstream:
        groups["upstream"] = [upstream.process.pid]
    listed = [argument for role, pids in groups.items() if pids for argument in ("-P", f"{role}={','.join(map(str, pids))}")]
    command = [str(bench.lab.loadgen), "-t", f"127.0.0.1:{running.port}", *load.arguments(), *listed]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        processes.place([process.pid], LAB_CORE, bench.realtime)
        out, error = process.communicate(timeout=load.warm + load.window + load.drain + 30)
    except BaseException:
        process.kill()
        raise
    if process.returncode or not out:
        raise CannotRun(f"the load generator failed: {error[-1000:]}")
    found: Raw = json.loads(out)
    found["complaints"] = error[-1000:]
    return found


def _cpu_by_role(running: Running) -> dict[str, float]:
    return {role: processes.cpu_seconds(pids) for role, pids in running.groups.items()}


def _wait_for_recorder(running: Running, sent: int) -> Raw | None:
    """Waits until every exchange is a row; what was missing at the load's end, and the seconds it took."""
    if not running.ledger:
        return None
    ledger, began = running.ledger, time.monotonic()
    missing = sent - rows_so_far(ledger)
    while rows_so_far(ledger) < sent and time.monotonic() - began < DRAIN_SECONDS:
        time.sleep(0.05)
    return {"rows": missing, "seconds": time.monotonic() - began, "left": sent - rows_so_far(ledger)}


@contextlib.contextmanager
def lag_sampler(upstream: Upstream, running: Running | None) -> Iterator[list[list[float]]]:
    """Follows twice a second how many calls the upstream has had and how many rows there are: ``[seconds, calls, rows]``, oldest first."""
    samples: list[list[float]] = []
    over, began = threading.Event(), time.monotonic()

    def follow() -> None:
        while running and running.ledger and not over.wait(SAMPLE_SECONDS):
            rows = rows_so_far(running.ledger)
            samples.append([time.monotonic() - began, upstream.stats()["requests"], rows])

    thread = threading.Thread(target=follow, name="lag")
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


# ---- idle, and the reader that goes away ----


def _idle(running: Running) -> Raw:
    time.sleep(IDLE_SECONDS)
    before, began = _cpu_by_role(running), time.monotonic()
    time.sleep(IDLE_SECONDS)
    passed = time.monotonic() - began
    return {
        "sent": 0,
        "memory": {
            role: {"rss": sum(map(processes.rss_bytes, pids)), "pss": sum(map(processes.pss_bytes, pids))}
            for role, pids in running.groups.items()
        },
        "idle_cpu_share": {role: (used - before[role]) / passed for role, used in _cpu_by_role(running).items()},
        "processes": sum(map(len, running.groups.values())),
    }


GONE_PLAN = "@fk stream n=200 s=200 d=500 t=5@"
"""Slow chunks: the upstream's connection must end because the reader left, not because the next chunk could not be written."""


def _gone(scenario: Scenario, upstream: Upstream, running: Running) -> Raw:
    taken = [_one_reader_gone(upstream, running.port) for _ in range(scenario.count)]
    left = _wait_for_recorder(running, scenario.count)
    return {"sent": scenario.count, "gone_ms": taken, "backlog": left}


def _one_reader_gone(upstream: Upstream, port: int) -> float:
    """Milliseconds from the application's close to the moment the upstream saw its connection end; both on the machine's one clock."""
    body = GONE_PLAN.encode()
    head = f"POST /model/anthropic.claude-sonnet-4-20250514-v1%3A0/converse-stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    aborted = upstream.stats()["aborted"]
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as reader:
        reader.sendall(head.encode() + body)
        _read_to_first_chunk(reader)
        closed = time.monotonic_ns()
    wait_until(
        lambda: upstream.stats()["aborted"] > aborted, "the upstream's connection stays open after the reader left", PATIENCE_SECONDS
    )
    return (upstream.stats()["last_abort_ns"] - closed) / 1e6


def _read_to_first_chunk(reader: socket.socket) -> None:
    received = b""
    while b"contentBlockDelta" not in received:
        more = reader.recv(65536)
        if not more:
            raise CannotRun(f"the answer ended before its first chunk: {received[:300]!r}")
        received += more
