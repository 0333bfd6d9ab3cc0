from __future__ import annotations

import logging
import resource
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from streamgauge.records import Abandoned, FirstOutput, SpoolRecord, Stalled
from streamgauge.spool import REASONS, SpoolSettings, SpoolWriter, WorkerSpool
from streamgauge.spool.layout import LOCK_NAME, bytes_in, segment_numbers, segment_path
from tests.spool.made import ended, exchange, ids, read_all, spools, started, status, until


def finish(writer: SpoolWriter) -> tuple[list[SpoolRecord], int, dict[str, int]]:
    """Close, and read what is there: records, exchanges seen, unmeasured by reason."""
    assert writer.close()
    assert writer.path is not None
    spool = WorkerSpool(writer.path)
    counters = spool.counters()
    records = read_all(spool)
    spool.close()
    assert counters is not None
    assert counters.closed
    return records, counters.seen, counters.unmeasured


def test_what_is_appended_is_read_in_order_and_what_is_seen_is_counted(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, SpoolSettings(), "w0")
    given: list[SpoolRecord] = [
        status(),
        started("a"),
        FirstOutput(exchange_id="a", ttft=0.2, upstream_ttft=0.1),
        Stalled(exchange_id="a", silence=9.0),
        ended("a"),
    ]
    writer.seen()
    for record in given:
        writer.append(record)
    assert finish(writer) == (given, 1, {})


def test_what_comes_after_a_pause_is_written_at_once_the_rest_within_its_time_or_when_asked(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, SpoolSettings(batch_seconds=30.0), "w0")
    writer.append(status())
    until(lambda: writer.backlog_bytes == 0, 5.0)
    exchange(writer, "a")
    assert writer.backlog_bytes > 0
    writer.flush()
    until(lambda: writer.backlog_bytes == 0, 5.0)
    quick = SpoolWriter(tmp_path, SpoolSettings(), "w1")
    exchange(quick, "b")
    until(lambda: quick.backlog_bytes == 0, 5.0)
    assert ids(finish(writer)[0]) == ["a"]
    assert ids(finish(quick)[0]) == ["b"]


def test_beyond_its_bytes_exchanges_are_counted_those_begun_are_finished_and_room_is_used_again(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, SpoolSettings(max_bytes=4096, segment_bytes=1024, batch_seconds=0.001), "w0")
    assert writer.path is not None
    writer.seen()
    writer.append(started("early"))
    count = 0
    while not writer._full:
        exchange(writer, str(count))
        count += 1
        until(lambda: writer.backlog_bytes == 0)
    for index in range(3):
        exchange(writer, f"late{index}")
    writer.append(FirstOutput(exchange_id="late0", ttft=0.1, upstream_ttft=0.1))
    writer.append(ended("early"))
    until(lambda: writer.backlog_bytes == 0)
    first = WorkerSpool(writer.path)
    before = ids(read_all(first, final=False))
    first.delete_before(first.segment)
    first.close()
    assert before == [*map(str, range(count)), "early"]
    until(lambda: not writer._full)
    exchange(writer, "again")
    records, seen, unmeasured = finish(writer)
    assert ids(records)[-1] == "again"
    assert unmeasured == {"spool_full": 3}
    assert seen == len(before) + 1 + 3


def test_a_limit_that_one_segment_reaches_is_no_dead_end(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, SpoolSettings(max_bytes=2048, batch_seconds=0.001), "w0")
    assert writer.path is not None
    reader = WorkerSpool(writer.path)
    while not writer._full:
        exchange(writer, "early")
        until(lambda: writer.backlog_bytes == 0)

    def read_by_a_recorder() -> bool:
        read_all(reader, final=False)
        reader.delete_before(reader.segment)
        return not writer._full

    until(read_by_a_recorder)
    reader.close()
    exchange(writer, "again")
    records, _, unmeasured = finish(writer)
    assert (ids(records), unmeasured) == (["again"], {})


def test_a_backlog_is_bounded_and_what_it_does_not_take_is_counted(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, SpoolSettings(max_backlog_bytes=5000, batch_seconds=30.0), "w0")
    writer.append(status())
    until(lambda: writer.backlog_bytes == 0)
    for index in range(100):
        exchange(writer, str(index))
    assert writer.backlog_bytes < 6000
    records, seen, unmeasured = finish(writer)
    assert seen == 100
    assert ids(records) == list(map(str, range(len(ids(records)))))
    assert unmeasured == {"writer_behind": 100 - len(ids(records))}


def test_an_exchange_refused_at_its_begin_leaves_no_record_and_one_count(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, SpoolSettings(max_backlog_bytes=-1), "w0")
    exchange(writer, "a")
    writer.append(status())
    writer.seen()
    writer.append(ended("never begun"))
    assert finish(writer) == ([], 2, {"writer_behind": 2})


def test_a_value_that_cannot_be_written_costs_at_most_its_own_exchange(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, SpoolSettings(), "w0")
    for _ in range(4):
        writer.seen()
    writer.append(started("a", requested_model="\udcff"))
    writer.append(ended("a", requested_model="\udcff"))
    writer.append(started("b", tenant=object()))
    writer.append(ended("b"))
    writer.append(started("c"))
    writer.append(ended("c", error_type=object()))
    writer.append(ended("d", error_type=object()))
    writer.append(FirstOutput(exchange_id="c", ttft=0.1, upstream_ttft=object()))  # type: ignore[arg-type]
    records, seen, unmeasured = finish(writer)
    assert ids(records) == ["a"]
    assert Abandoned("c", "encode_failed") in records
    assert (seen, unmeasured) == (4, {"encode_failed": 2})


def test_giving_up_an_exchange_counts_it_once_wherever_it_stands(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, SpoolSettings(), "w0")
    writer.append(started("begun"))
    writer.append(started("refused", tenant=object()))
    writer.unmeasured("measuring_failed", "begun")
    writer.unmeasured("measuring_failed", "refused")
    writer.unmeasured("measuring_failed", "unknown")
    writer.unmeasured("measuring_failed")
    writer.unmeasured("no such reason")
    writer.append(started("other"))
    writer.append(Abandoned("other", "no such reason"))
    records, _, unmeasured = finish(writer)
    assert [record for record in records if isinstance(record, Abandoned)] == [
        Abandoned("begun", "measuring_failed"),
        Abandoned("other", "other"),
    ]
    assert unmeasured == {"encode_failed": 1, "measuring_failed": 2, "other": 1}
    assert set(unmeasured) <= set(REASONS)


def test_without_a_directory_records_wait_and_are_written_when_there_is_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocked = tmp_path / "spool"
    blocked.write_text("in the way")
    with caplog.at_level(logging.WARNING):
        writer = SpoolWriter(blocked, SpoolSettings(), "w0")
        exchange(writer, "a")
        assert writer.path is None
        blocked.unlink()
        until(lambda: writer.path is not None)
        exchange(writer, "b")
    records, seen, unmeasured = finish(writer)
    assert (ids(records), seen, unmeasured) == (["a", "b"], 2, {})
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_counts_from_the_time_without_a_directory_are_not_lost(tmp_path: Path) -> None:
    blocked = tmp_path / "spool"
    blocked.write_text("in the way")
    writer = SpoolWriter(blocked, SpoolSettings(max_backlog_bytes=1000), "w0")
    for index in range(50):
        exchange(writer, str(index))
    blocked.unlink()
    until(lambda: writer.backlog_bytes == 0)
    records, seen, unmeasured = finish(writer)
    assert seen == 50 == len(ids(records)) + sum(unmeasured.values())
    assert 0 < len(ids(records)) < 50


@pytest.mark.parametrize("what", ["directory", "lock", "segment", "everything"])
def test_what_is_deleted_under_way_is_made_anew_before_another_record_is_written(
    tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    spool = tmp_path / "spool"
    writer = SpoolWriter(spool, SpoolSettings(segment_bytes=1000), "w0")
    exchange(writer, "a")
    until(lambda: writer.backlog_bytes == 0)
    path = writer.path
    assert path is not None
    if what in {"directory", "everything"}:
        shutil.rmtree(path if what == "directory" else spool)
    else:
        (path / LOCK_NAME if what == "lock" else segment_path(path, 1)).unlink()
    for index in range(10):
        exchange(writer, str(index))
        until(lambda: writer.backlog_bytes == 0)
    assert not WorkerSpool(path).worker_is_dead()
    assert segment_numbers(path)[-1] > 2
    records, seen, _ = finish(writer)
    assert ids(records)[-10:] == list(map(str, range(10)))
    assert seen == 11
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_the_limit_holds_for_all_workers_of_a_directory_the_dead_ones_included(tmp_path: Path) -> None:
    settings = SpoolSettings(max_bytes=20_000, segment_bytes=5_000, batch_seconds=0.001)
    counted = 0
    for life in range(4):
        writer = SpoolWriter(tmp_path, settings, f"w{life}")
        for index in range(40):
            exchange(writer, str(index))
            until(lambda: writer.backlog_bytes == 0)  # noqa: B023 - it is waited for here
        _, seen, unmeasured = finish(writer)
        assert seen == 40
        counted += unmeasured.get("spool_full", 0)
    assert bytes_in(tmp_path) < 20_000 + 1_000
    assert counted > 50
    for spool in spools(tmp_path):
        assert spool.worker_is_dead()
        spool.remove()
    writer = SpoolWriter(tmp_path, settings, "w9")
    exchange(writer, "again")
    assert ids(finish(writer)[0]) == ["again"]


def test_without_a_descriptor_left_records_wait_and_nothing_is_lost(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, SpoolSettings(segment_bytes=300, max_bytes=3000, batch_seconds=0.001), "w0")
    exchange(writer, "a")
    until(lambda: writer.backlog_bytes == 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        for index in range(5):
            exchange(writer, str(index))
        until(lambda: writer._failing)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    until(lambda: writer.backlog_bytes == 0)
    records, seen, unmeasured = finish(writer)
    assert (ids(records), seen, unmeasured) == (["a", *map(str, range(5))], 6, {})


def test_closing_with_a_disk_that_takes_nothing_says_so(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, SpoolSettings(batch_seconds=0.001), "w0")
    assert writer.path is not None
    for number in range(1, 40):
        segment_path(writer.path, number).symlink_to("/dev/full")
    exchange(writer, "a")
    assert not writer.close()
    (spool,) = spools(tmp_path)
    counters = spool.counters()
    assert counters is not None
    assert (counters.seen, counters.unmeasured, counters.closed) == (1, {}, False)
    assert spool.worker_is_dead()
    spool.close()


FULL_DISK = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    from streamgauge.spool import SpoolSettings, SpoolWriter, WorkerSpool
    from tests.spool.made import exchange, ids, read_all, until

    disk = Path(sys.argv[1])
    ballast = disk / "ballast"
    writer = SpoolWriter(disk / "spool", SpoolSettings(batch_seconds=0.001, max_backlog_bytes=20_000), "w0")
    ballast.write_bytes(bytes(100_000))
    count = 0
    while not writer._failing:
        exchange(writer, str(count))
        count += 1
        until(lambda: writer.backlog_bytes == 0 or writer._failing)
    for _ in range(1000):
        exchange(writer, str(count))
        count += 1
    ballast.unlink()
    until(lambda: writer.backlog_bytes == 0)
    exchange(writer, str(count))
    count += 1
    assert writer.close()
    spool = WorkerSpool(writer.path)
    found, counters = ids(read_all(spool)), spool.counters()
    assert len(set(found)) == len(found)
    assert counters.seen == count == len(found) + sum(counters.unmeasured.values()), (count, len(found), counters)
    assert set(counters.unmeasured) == {"disk_full"} and found[-1] == str(count - 1)
    print("held", len(found), counters.unmeasured)
    """
)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare to mount a small disk")
def test_on_a_full_disk_traffic_is_counted_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    def on_a_small_disk(script: str) -> subprocess.CompletedProcess[str]:
        mount = f"mount -t tmpfs -o size=512k tmpfs {tmp_path} && exec "
        command = ["unshare", "-rm", "sh", "-c", mount + '"$@"', "sh", sys.executable, "-c", script, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2])

    if on_a_small_disk("").returncode:
        pytest.skip("no small disk can be mounted here")
    done = on_a_small_disk(FULL_DISK)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("held")


def test_two_writers_of_one_worker_do_not_meet(tmp_path: Path) -> None:
    first, second = (SpoolWriter(tmp_path, SpoolSettings(), "w0") for _ in range(2))
    exchange(first, "a")
    exchange(second, "b")
    assert ids(finish(first)[0]) == ["a"]
    assert ids(finish(second)[0]) == ["b"]
    assert all(segment_numbers(spool.path) == [1] for spool in spools(tmp_path))
