"""Rows + unmeasured = seen, whatever happens: for any traffic, any loss, any restart, and real kills."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamgauge.records import FirstOutput
from streamgauge.spool import SpoolSettings, SpoolWriter, find_workers
from streamgauge.spool.layout import segment_numbers, segment_path
from tests.recorder.driving import ROOT, RecorderProcess, abandon, account, recording_at, running
from tests.spool.made import ended, started, until

# --- any traffic, any loss, any restart --------------------------------------------------------------------------------

steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["begin", "first", "end", "abandon", "end unbegun"]), st.integers(0, 5)),
        st.tuples(st.sampled_from(["full", "room", "unencodable", "write"]), st.just(0)),
    ),
    max_size=40,
)


class Worker:
    """Plays steps on a real writer, and remembers which exchanges it described to their end."""

    def __init__(self, spool_dir: Path, name: str) -> None:
        self.writer = SpoolWriter(spool_dir, SpoolSettings(batch_seconds=0.0, segment_bytes=400), name)
        self.name = name
        self.open: dict[int, str] = {}
        self.count = 0

    def play(self, step: str, slot: int) -> None:
        writer = self.writer
        if step in {"full", "room"}:
            writer._settings = SpoolSettings(batch_seconds=0.0, segment_bytes=400, max_backlog_bytes=-1 if step == "full" else 1 << 20)
        elif step == "write":
            until(lambda: writer.backlog_bytes == 0)
        elif step in {"begin", "end unbegun", "unencodable"}:
            self.count += 1
            exchange_id = f"{self.name}-{self.count}"
            writer.seen()
            if step == "begin" and slot not in self.open:
                self.open[slot] = exchange_id
                writer.append(started(exchange_id))
            else:
                writer.append(ended(exchange_id, error_type=object() if step == "unencodable" else None))
        elif slot in self.open:
            self._go_on(step, slot)

    def _go_on(self, step: str, slot: int) -> None:
        if step == "first":
            self.writer.append(FirstOutput(exchange_id=self.open[slot], ttft=0.1, upstream_ttft=0.1))
        elif step == "end":
            self.writer.append(ended(self.open.pop(slot)))
        else:
            self.writer.unmeasured("measuring_failed", self.open.pop(slot))

    def die(self, lost_bytes: int) -> None:
        """End as if killed with the last ``lost_bytes`` not yet written."""
        assert self.writer.close()
        assert self.writer.path is not None
        for number in reversed(segment_numbers(self.writer.path)):
            path = segment_path(self.writer.path, number)
            size = path.stat().st_size
            os.truncate(path, max(0, size - lost_bytes))
            lost_bytes = max(0, lost_bytes - size)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    played=st.lists(st.tuples(steps, st.integers(0, 600)), min_size=1, max_size=3),
    turns=st.lists(st.sampled_from(["turn", "turn", "commit", "killed", "killed after commit"]), max_size=25),
)
def test_rows_and_counts_add_up_for_any_traffic_any_loss_and_any_restarts(
    tmp_path_factory: pytest.TempPathFactory, played: list[tuple[list[tuple[str, int]], int]], turns: list[str]
) -> None:
    tmp_path = tmp_path_factory.mktemp("any")
    workers = [Worker(tmp_path / "spool", f"w{index}") for index in range(len(played))]
    for worker, (its_steps, _) in zip(workers, played, strict=True):
        for step, slot in its_steps:
            worker.play(step, slot)
    for worker, (_, lost) in zip(workers, played, strict=True):
        worker.die(lost)
    recording = recording_at(tmp_path, commit_seconds=60.0)
    recording._restore()
    for turn in turns:
        if turn == "turn":
            recording._turn(stopping=True)
        elif turn == "commit":
            recording._commit()
        else:
            if turn == "killed after commit":
                recording._ledger.commit(recording._accounts.batch())
            abandon(recording)
            recording = recording_at(tmp_path, commit_seconds=60.0)
            recording._restore()
    abandon(recording)
    recording = recording_at(tmp_path, commit_seconds=60.0)
    recording.stop(10.0)
    recording.run()
    found = account(tmp_path / "ledger.db")
    assert found.adds_up
    assert found.finished
    assert found.seen == sum(worker.count for worker in workers)
    assert find_workers(tmp_path / "spool") == []
    assert {exchange_id.split("-")[0] for exchange_id in found.outcomes} <= {worker.name for worker in workers}
    if all(lost == 0 for _, lost in played):
        assert set(found.unmeasured) <= {"writer_behind", "encode_failed", "measuring_failed"}


# --- real kills --------------------------------------------------------------------------------------------------------


def start_traffic(tmp_path: Path, prefix: str) -> subprocess.Popen[bytes]:
    log = tmp_path / f"{prefix}.log"
    process = subprocess.Popen([sys.executable, "-m", "tests.recorder.traffic", str(tmp_path / "spool"), str(log), prefix], cwd=ROOT)
    until(lambda: log.exists() and log.stat().st_size)
    return process


def told(tmp_path: Path) -> tuple[list[str], dict[str, float]]:
    """What the workers' logs say: exchanges that came, and when the ends of exchanges were appended. A torn last line says nothing."""
    came, ends = [], {}
    for log in tmp_path.glob("*.log"):
        lines = log.read_bytes().decode().split("\n")[:-1]
        came += [line[1:] for line in lines if line.startswith("+")]
        ends.update({line[1:].split()[0]: float(line.split()[1]) for line in lines if line.startswith("-")})
    return came, ends


WINDOW_SECONDS = 0.25
"""What a killed worker may lose: a batch is 20 ms; the rest is for a busy machine that wakes its writer late."""


@pytest.mark.parametrize("rounds", [4, pytest.param(60, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
def test_killed_workers_lose_no_more_than_the_last_batch_and_every_exchange_is_accounted_for(tmp_path: Path, rounds: int) -> None:
    chance = random.Random(7)
    killed_at = {}
    with running(recording_at(tmp_path), 20.0):
        for number in range(rounds):
            process = start_traffic(tmp_path, f"w{number}")
            time.sleep(chance.uniform(0.1, 0.4))
            killed_at[f"w{number}"] = time.monotonic()
            process.kill()
            process.wait()
    found = account(tmp_path / "ledger.db")
    came, ends = told(tmp_path)
    assert found.adds_up
    assert found.finished
    assert len(came) - rounds <= found.seen <= len(came)
    assert set(found.outcomes) <= set(came)
    assert set(found.unmeasured) <= {"worker_killed"}
    safe = {exchange_id for exchange_id, at in ends.items() if at < killed_at[exchange_id.split("-")[0]] - WINDOW_SECONDS}
    assert {exchange_id: found.outcomes.get(exchange_id) for exchange_id in safe} == dict.fromkeys(safe, "completed")
    assert Counter(found.outcomes.values())["lost"] > 0
    assert find_workers(tmp_path / "spool") == []


@pytest.mark.parametrize("rounds", [5, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
def test_a_recorder_killed_again_and_again_under_load_doubles_nothing_and_misses_nothing(tmp_path: Path, rounds: int) -> None:
    chance = random.Random(11)
    writer = SpoolWriter(tmp_path / "spool", SpoolSettings(segment_bytes=200_000), "w0")
    sent: list[str] = []
    done = threading.Event()

    def traffic() -> None:
        while not done.is_set():
            for _ in range(20):
                sent.append(f"x{len(sent):07d}")
                writer.seen()
                writer.append(started(sent[-1]))
                if len(sent) > 30:
                    writer.append(ended(sent[-31]))
            time.sleep(0.01)
        for exchange_id in sent[-30:]:
            writer.append(ended(exchange_id))

    thread = threading.Thread(target=traffic)
    thread.start()
    for _ in range(rounds):
        recorder = RecorderProcess(tmp_path / "spool", tmp_path / "ledger.db")
        time.sleep(chance.uniform(0.25, 0.7))
        recorder.kill()
    last = RecorderProcess(tmp_path / "spool", tmp_path / "ledger.db")
    done.set()
    thread.join()
    assert writer.close()
    code, said = last.hang_up()
    assert (code, "Traceback" in said) == (0, False), said
    found = account(tmp_path / "ledger.db")
    assert found.outcomes == dict.fromkeys(sent, "completed")
    assert (found.seen, found.unmeasured, found.finished) == (len(sent), {}, True)


def test_workers_and_recorders_killed_at_once_leave_accounts_that_add_up(tmp_path: Path) -> None:
    chance = random.Random(13)
    for number in range(3):
        recorder = RecorderProcess(tmp_path / "spool", tmp_path / "ledger.db")
        process = start_traffic(tmp_path, f"w{number}")
        time.sleep(chance.uniform(0.2, 0.5))
        os.kill(process.pid, signal.SIGKILL)
        recorder.kill()
        process.wait()
    last = RecorderProcess(tmp_path / "spool", tmp_path / "ledger.db")
    assert last.hang_up()[0] == 0
    found = account(tmp_path / "ledger.db")
    came, _ = told(tmp_path)
    assert found.adds_up
    assert found.finished
    assert len(came) - 3 <= found.seen <= len(came)
    assert set(found.outcomes) <= set(came)
