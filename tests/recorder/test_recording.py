from __future__ import annotations

import logging
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamgauge.errors import CouldNotRun
from streamgauge.recorder.recording import Recording
from streamgauge.records import FirstOutput, Stalled
from streamgauge.sinks.ledger import LedgerSettings
from streamgauge.spool import SpoolSettings, SpoolWriter, find_workers
from streamgauge.spool.layout import segment_numbers, segment_path
from tests.recorder.driving import ROOT, RecorderProcess, account
from tests.spool.made import ended, exchange, started, status, until

QUICK = SpoolSettings(batch_seconds=0.001)


def recording_at(tmp_path: Path, commit_seconds: float = 0.01) -> Recording:
    return Recording(str(tmp_path / "spool"), LedgerSettings(str(tmp_path / "ledger.db"), commit_seconds, busy_seconds=0.02))


@contextmanager
def running(recording: Recording, seconds: float = 10.0) -> Iterator[Recording]:
    """Run it in its thread, and to its end."""
    thread = threading.Thread(target=recording.run)
    thread.start()
    try:
        yield recording
    finally:
        recording.stop(seconds)
        thread.join(seconds + 10)
        assert not thread.is_alive()


def abandon(recording: Recording) -> None:
    """What a kill does: every lock and file is let go, nothing is written."""
    recording._tail.close()
    recording._ledger.close()
    os.close(recording._spool_lock)


def test_exchanges_become_rows_while_they_pass_and_a_worker_that_ended_leaves_no_files(tmp_path: Path) -> None:
    with running(recording_at(tmp_path)) as recording:
        writer = SpoolWriter(tmp_path / "spool", QUICK, "w0")
        for index in range(10):
            exchange(writer, str(index))
        until(lambda: recording.summary()["rows"] == 10)
        assert writer.close()
    found = account(tmp_path / "ledger.db")
    assert found.outcomes == dict.fromkeys(map(str, range(10)), "completed")
    assert (found.seen, found.unmeasured, found.finished) == (10, {}, True)
    assert find_workers(tmp_path / "spool") == []


def test_directories_of_others_in_the_spools_directory_survive_byte_for_byte(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    for name in (
        "photos/2025/a.jpg",
        "db/lock",
        "db/counters",
        "db/00000001.seg",
        "x-18a0b1c2d3e4f506/deep/er/file",
        "x-18a0b1c2d3e4f506/lock",
    ):
        (spool / name).parent.mkdir(parents=True, exist_ok=True)
        (spool / name).write_bytes(name.encode() * 1000)
    (spool / "empty").mkdir()
    (spool / "y-18a0b1c2d3e4f506").mkdir()

    def found() -> dict[Path, bytes | None]:
        return {path: path.read_bytes() if path.is_file() else None for path in spool.rglob("*") if path.name != "recorder.lock"}

    before = found()
    for number in range(2):
        with running(recording_at(tmp_path)):
            writer = SpoolWriter(spool, QUICK, "w0")
            exchange(writer, f"a{number}")
            assert writer.close()
        assert found() == before
    assert account(tmp_path / "ledger.db").seen == 2


def test_the_summary_tells_what_is_going_on(tmp_path: Path) -> None:
    with running(recording_at(tmp_path)) as recording:
        writer = SpoolWriter(tmp_path / "spool", QUICK, "w0")
        exchange(writer, "a")
        writer.seen()
        writer.append(started("b"))
        writer.append(Stalled(exchange_id="b", silence=7.0))
        writer.seen()
        writer.unmeasured("measuring_failed")
        writer.append(status(at=datetime.now(UTC).isoformat()))
        until(lambda: recording.summary()["seen"] == 3 and recording.summary()["rows"] == 1 and recording.summary()["open"] == 1)
        until(lambda: recording.why_not_ready() == [])
        said = recording.summary()
        assert writer.close()
    assert said["unmeasured"] == {"measuring_failed": 1}
    assert said["outcomes"] == {"completed": 1}
    assert said["latency"]["ttft"] == {"count": 1, "p50": 0.3, "p95": 0.3}
    assert [(o["exchange_id"], o["silence"]) for o in said["open_exchanges"]] == [("b", 7.0)]
    assert [(w["alive"], w["ready"], w["worker_id"]) for w in said["workers"]] == [(True, True, "w0")]
    assert said["ledger"] == {"path": str(tmp_path / "ledger.db"), "writable": True, "error": None}
    assert said["spool"]["seconds_behind"] == 0.0


def test_before_a_worker_or_the_ledger_is_there_traffic_should_not_come(tmp_path: Path) -> None:
    recording = recording_at(tmp_path)
    assert recording.why_not_ready() == ["no worker has reported yet", "the ledger cannot be written: the ledger is not open yet"]
    abandon(recording)


def test_only_one_recorder_has_a_ledger_and_only_one_a_spool(tmp_path: Path) -> None:
    recording = recording_at(tmp_path)
    with pytest.raises(CouldNotRun, match=r"ledger\.db.*another streamgauge"):
        Recording(str(tmp_path / "other spool"), LedgerSettings(str(tmp_path / "ledger.db")))
    with pytest.raises(CouldNotRun, match="spool is read by another streamgauge"):
        Recording(str(tmp_path / "spool"), LedgerSettings(str(tmp_path / "other.db")))
    abandon(recording)


def test_while_the_ledger_is_locked_the_spool_keeps_everything(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running(recording_at(tmp_path)) as recording, caplog.at_level(logging.ERROR):
        writer = SpoolWriter(tmp_path / "spool", QUICK, "w0")
        exchange(writer, "a")
        until(lambda: recording.summary()["rows"] == 1)
        other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for index in range(100):
            exchange(writer, str(index))
        until(lambda: not recording.summary()["ledger"]["writable"])
        assert "locked" in recording.why_not_ready()[-1]
        other.execute("ROLLBACK")
        other.close()
        until(lambda: recording.summary()["rows"] == 101)
        assert recording.summary()["ledger"]["writable"]
        assert writer.close()
    assert len([record for record in caplog.records if "cannot be written" in record.message]) == 1
    assert account(tmp_path / "ledger.db").adds_up


def test_a_ledger_that_stays_locked_to_the_end_loses_nothing(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path / "spool", QUICK, "w0")
    exchange(writer, "a")
    assert writer.close()
    first = recording_at(tmp_path)
    first._restore()
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    first.stop(0.1)
    with pytest.raises(CouldNotRun, match="the spool keeps what is missing"):
        first.run()
    other.execute("ROLLBACK")
    other.close()
    with running(recording_at(tmp_path)):
        pass
    assert account(tmp_path / "ledger.db").outcomes == {"a": "completed"}


@pytest.mark.parametrize("how", ["damaged", "deleted"])
def test_a_ledger_lost_under_way_is_replaced_and_the_sums_still_add_up(tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "ledger.db"
    with running(recording_at(tmp_path)) as recording, caplog.at_level(logging.ERROR):
        writer = SpoolWriter(tmp_path / "spool", QUICK, "w0")
        for index in range(500):
            exchange(writer, f"old{index}")
        writer.seen()
        writer.append(started("over both"))
        until(lambda: recording.summary()["rows"] == 500 and recording.summary()["open"] == 1)
        if how == "damaged":
            # A checkpoint has to pass before the file itself is read again.
            with sqlite3.connect(path) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()
            with path.open("r+b") as file:
                file.write(b"\xff" * path.stat().st_size)
        else:
            path.unlink()
        exchange(writer, "new")
        writer.append(ended("over both"))
        until(lambda: recording.summary()["rows"] in {1, 2} and recording.summary()["open"] == 0)
        assert writer.close()
    found = account(path)
    assert found.outcomes == {"new": "completed", "over both": "completed"}
    assert (found.seen, found.unmeasured) == (502, {"ledger_set_aside": 500})
    assert any(record.levelname == "CRITICAL" and "a new ledger begins" in record.message for record in caplog.records)
    assert len(list(tmp_path.glob("ledger.db.damaged-*[0-9]Z"))) == (how == "damaged")


def test_a_ledger_found_damaged_at_the_start_is_set_aside_and_what_the_spool_still_has_is_kept(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path / "spool", SpoolSettings(batch_seconds=0.001, segment_bytes=1000), "w0")
    first = recording_at(tmp_path)
    first._restore()
    for index in range(20):
        exchange(writer, str(index))
        until(lambda: writer.backlog_bytes == 0)
        first._turn(stopping=True)
    first._commit()
    abandon(first)
    assert writer.path is not None
    assert segment_numbers(writer.path)[0] > 1
    (tmp_path / "ledger.db").write_bytes(b"nothing of a ledger" * 500)
    with running(recording_at(tmp_path)):
        exchange(writer, "new")
        assert writer.close()
    found = account(tmp_path / "ledger.db")
    assert found.outcomes["new"] == "completed"
    assert found.seen == 21
    assert found.adds_up
    assert set(found.unmeasured) == {"ledger_set_aside"}


def test_a_spool_that_vanished_while_no_recorder_ran_is_accounted_for(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path / "spool", QUICK, "w0")
    exchange(writer, "a")
    writer.seen()
    writer.append(started("b"))
    until(lambda: writer.backlog_bytes == 0)
    first = recording_at(tmp_path)
    first._restore()
    first._turn(stopping=True)
    first._commit()
    abandon(first)
    writer.close()
    assert writer.path is not None
    writer.path.rename(tmp_path / "elsewhere")
    with running(recording_at(tmp_path)):
        pass
    found = account(tmp_path / "ledger.db")
    assert (found.outcomes, found.seen, found.finished) == ({"a": "completed", "b": "lost"}, 2, True)


def test_stopping_waits_for_workers_that_still_drain(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path / "spool", QUICK, "w0")
    recording = recording_at(tmp_path)
    thread = threading.Thread(target=recording.run)
    thread.start()
    until(lambda: recording.summary()["workers"])
    recording.stop(10.0)
    exchange(writer, "late")
    assert writer.close()
    thread.join(5)
    assert not thread.is_alive()
    assert account(tmp_path / "ledger.db").outcomes == {"late": "completed"}


def test_stopping_does_not_wait_for_ever(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path / "spool", QUICK, "w0")
    with running(recording_at(tmp_path), 0.3) as recording:
        exchange(writer, "a")
        until(lambda: recording.summary()["rows"] == 1)
    assert find_workers(tmp_path / "spool") != []
    writer.close()


# --- rows + unmeasured = seen, whatever happens ------------------------------------------------------------------------

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
