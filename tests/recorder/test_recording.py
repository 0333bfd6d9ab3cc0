from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from streamgauge.errors import CouldNotRun
from streamgauge.heartbeat import Health, Heartbeats
from streamgauge.recorder.recording import BEHIND_SECONDS, COUNTED_SECONDS, Recording
from streamgauge.records import Stalled
from streamgauge.sinks.ledger import LedgerSettings
from streamgauge.spool import SpoolSettings, SpoolWriter, find_workers
from streamgauge.spool.layout import segment_numbers
from tests.recorder.driving import abandon, account, ledger_rows, recording_at, running
from tests.spool.made import ended, exchange, started, status, until

QUICK = SpoolSettings(batch_seconds=0.001)


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
        until(lambda: recording.summary()["workers"][0]["ready"])
        said = recording.summary()
        assert writer.close()
    assert said["unmeasured"] == {"measuring_failed": 1}
    assert said["outcomes"] == {"completed": 1}
    assert said["latency"]["ttft"] == {"count": 1, "p50": 0.3, "p95": 0.3}
    assert [(o["exchange_id"], o["silence"]) for o in said["open_exchanges"]] == [("b", 7.0)]
    assert [(w["alive"], w["ready"], w["worker_id"]) for w in said["workers"]] == [(True, True, "w0")]
    assert said["ledger"] == {"path": str(tmp_path / "ledger.db"), "writable": True, "error": None}
    assert said["spool"]["seconds_behind"] == 0.0


@pytest.fixture
def beats() -> Iterator[Heartbeats]:
    made = Heartbeats.create(1)
    yield made
    made.close()


def test_traffic_may_come_as_soon_as_a_worker_serves_whatever_ails_the_measuring(tmp_path: Path, beats: Heartbeats) -> None:
    recording = Recording(str(tmp_path / "spool"), LedgerSettings(str(tmp_path / "ledger.db")), beats=beats)
    trouble = "the ledger cannot be written, the spool keeps what comes: the ledger is not open yet"
    assert recording.health() == Health(False, ["no worker serves yet", trouble])
    beats.beat(0, time.monotonic(), True, None)
    assert recording.health() == Health(True, [trouble])
    recording._restore()
    assert recording.health() == Health(True, [])
    abandon(recording)


def test_a_recorder_that_is_behind_or_cannot_describe_says_so_without_turning_traffic_away(tmp_path: Path, beats: Heartbeats) -> None:
    recording = Recording(str(tmp_path / "spool"), LedgerSettings(str(tmp_path / "ledger.db")), beats=beats)
    recording._restore()
    writer = SpoolWriter(tmp_path / "spool", QUICK, "w0")
    writer.seen()
    writer.unmeasured("spool_full")
    beats.beat(0, time.monotonic(), True, None)
    recording._turn(stopping=True)
    recording._behind, recording._clock.caught_up = 1, time.monotonic() - BEHIND_SECONDS - 5
    assert recording.health() == Health(
        True, ["the recorder is 15 s behind", "within the last minute exchanges were only counted, not recorded (spool_full)"]
    )
    recording._counted_at["spool_full"] -= COUNTED_SECONDS
    recording._behind = 0
    assert recording.health() == Health(True, [])
    writer.close()
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
        assert "locked" in recording.health().reasons[-1]
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


def test_a_spool_deleted_under_way_costs_no_row_that_the_recorder_was_about_to_read(tmp_path: Path) -> None:
    with running(recording_at(tmp_path)) as recording:
        writer = SpoolWriter(tmp_path / "spool", QUICK, "w0")
        exchange(writer, "a")
        writer.seen()
        writer.append(started("over both"))
        until(lambda: recording.summary()["rows"] == 1 and recording.summary()["open"] == 1)
        assert writer.path is not None
        shutil.rmtree(writer.path)
        exchange(writer, "b")
        writer.append(ended("over both"))
        until(lambda: recording.summary()["rows"] == 3)
        assert writer.close()
    found = account(tmp_path / "ledger.db")
    assert found.outcomes == dict.fromkeys(["a", "b", "over both"], "completed")
    assert (found.seen, found.unmeasured, found.finished) == (3, {}, True)


def test_what_was_deleted_before_it_was_read_is_counted_under_its_reason(tmp_path: Path) -> None:
    first = recording_at(tmp_path)
    first._restore()
    writer = SpoolWriter(tmp_path / "spool", SpoolSettings(batch_seconds=0.001, segment_bytes=1000), "w0")
    exchange(writer, "read")
    until(lambda: writer.backlog_bytes == 0)
    first._turn(stopping=True)
    first._commit()
    abandon(first)
    for index in range(10):
        exchange(writer, str(index))
        until(lambda: writer.backlog_bytes == 0)
    assert writer.path is not None
    shutil.rmtree(writer.path)
    exchange(writer, "after")
    until(lambda: writer.backlog_bytes == 0)
    with running(recording_at(tmp_path)):
        assert writer.close()
    found = account(tmp_path / "ledger.db")
    assert found.outcomes == dict.fromkeys(["read", "after"], "completed")
    assert (found.seen, found.unmeasured, found.finished) == (12, {"spool_deleted": 10}, True)


def test_rows_beyond_their_days_are_deleted_while_it_records_and_stay_in_the_sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamgauge.recorder.recording.PRUNE_ROWS", 7)
    now = datetime.now(UTC)
    with running(Recording(str(tmp_path / "spool"), LedgerSettings(str(tmp_path / "ledger.db"), 0.01, days=1.0))) as recording:
        writer = SpoolWriter(tmp_path / "spool", QUICK, "w0")
        for hours in range(48):
            writer.seen()
            writer.append(ended(f"{hours:02}", started_at=(now - timedelta(hours=hours, minutes=1)).isoformat().replace("+00:00", "Z")))
        until(lambda: recording.summary()["rows"] == 48)
        recording._clock.prune_at = 0.0
        until(lambda: len(ledger_rows(tmp_path / "ledger.db")) == 24)
        assert (recording.summary()["seen"], recording.summary()["rows"]) == (48, 48)
        assert writer.close()
    assert [row.exchange_id for row in ledger_rows(tmp_path / "ledger.db")] == [f"{hours:02}" for hours in range(23, -1, -1)]


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
