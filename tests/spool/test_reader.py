from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

from streamgauge.spool import SpoolSettings, SpoolWriter, WorkerSpool, find_workers
from streamgauge.spool.counters import CounterPage
from streamgauge.spool.encode import encode
from streamgauge.spool.frame import frame
from streamgauge.spool.layout import BEING_MADE, COUNTERS_NAME, LOCK_NAME, segment_path
from streamgauge.spool.reader import READ_BYTES, UNLOCKED_SECONDS
from tests.spool.made import ended, exchange, ids, read_all, spools, started, until


def made(path: Path, *segments: bytes) -> WorkerSpool:
    """A worker's directory by hand."""
    path.mkdir()
    (path / LOCK_NAME).touch()
    CounterPage.create(path / COUNTERS_NAME)
    for number, data in enumerate(segments, 1):
        segment_path(path, number).write_bytes(data)
    return WorkerSpool(path)


def whole(*exchange_ids: str) -> bytes:
    return b"".join(encode(ended(exchange_id)) for exchange_id in exchange_ids)


def append(path: Path, number: int, data: bytes) -> None:
    with segment_path(path, number).open("ab") as file:
        file.write(data)


def test_records_come_in_order_over_all_segments_and_once(tmp_path: Path) -> None:
    spool = made(tmp_path / "w", whole("a", "b"), whole("c"), whole("d"))
    assert ids(read_all(spool)) == ["a", "b", "c", "d"]
    assert (spool.segment, spool.offset) == (3, len(whole("d")))
    assert read_all(spool) == []
    spool.close()


def test_reading_goes_on_at_a_given_position(tmp_path: Path) -> None:
    made(tmp_path / "w", whole("a", "b"), whole("c"))
    spool = WorkerSpool(tmp_path / "w", 1, len(whole("a")))
    assert ids(read_all(spool)) == ["b", "c"]
    spool.close()


def test_a_record_that_is_still_being_written_is_waited_for(tmp_path: Path) -> None:
    data = whole("a", "b")
    for cut in (len(whole("a")) + 1, len(whole("a")) + 8, len(data) - 1):
        spool = made(tmp_path / f"w{cut}", data[:cut])
        assert ids(read_all(spool, final=False)) == ["a"]
        append(spool.path, 1, data[cut:])
        assert ids(read_all(spool, final=False)) == ["b"]
        spool.close()


def test_a_torn_record_is_skipped_once_another_segment_follows(tmp_path: Path) -> None:
    spool = made(tmp_path / "w", whole("a") + whole("b")[:-3])
    assert ids(read_all(spool, final=False)) == ["a"]
    segment_path(spool.path, 2).write_bytes(whole("b"))
    assert ids(read_all(spool, final=False)) == ["b"]
    assert spool.damaged == 0
    spool.close()


def test_a_torn_record_at_the_end_of_a_dead_workers_spool_is_its_end(tmp_path: Path) -> None:
    spool = made(tmp_path / "w", whole("a") + whole("b")[:-3])
    assert ids(read_all(spool)) == ["a"]
    spool.close()


def test_damage_costs_the_record_it_hit(tmp_path: Path) -> None:
    data = bytearray(whole("a", "b", "c"))
    data[len(whole("a")) + 20] ^= 1
    spool = made(tmp_path / "w", bytes(data), whole("d"))
    assert ids(read_all(spool)) == ["a", "c", "d"]
    assert spool.damaged == 1
    spool.close()


def test_a_file_of_zeros_ends_nothing_but_itself(tmp_path: Path) -> None:
    spool = made(tmp_path / "w", whole("a") + bytes(3 * READ_BYTES), whole("b"))
    assert ids(read_all(spool)) == ["a", "b"]
    spool.close()


def test_a_position_beyond_the_file_after_a_power_loss_is_its_end(tmp_path: Path) -> None:
    made(tmp_path / "w", whole("a"), whole("b"))
    spool = WorkerSpool(tmp_path / "w", 1, 1 << 20)
    assert ids(read_all(spool)) == ["b"]
    assert spool.bytes_behind() == 0
    spool.close()


def test_a_record_of_another_version_is_counted_and_skipped(tmp_path: Path) -> None:
    spool = made(tmp_path / "w", whole("a") + frame(b"\x92\x63\x01") + whole("b"))
    assert ids(read_all(spool)) == ["a", "b"]
    assert spool.unknown == 1
    spool.close()


def test_a_turn_of_nothing_but_unknown_records_is_not_taken_for_the_end(tmp_path: Path) -> None:
    spool = made(tmp_path / "w", frame(b"\x92\x63\x01") * (READ_BYTES // 11 + 10) + whole("a"))
    assert ids(read_all(spool)) == ["a"]
    spool.close()


def test_it_is_known_how_much_is_left_and_whether_a_read_saw_it_all(tmp_path: Path) -> None:
    data = whole(*map(str, range(10_000)))
    spool = made(tmp_path / "w", data, whole("x"))
    assert spool.bytes_behind() == len(data) + len(whole("x"))
    spool.read()
    midway = spool.caught_up
    read_all(spool)
    assert (midway, spool.caught_up) == (False, True)
    assert spool.bytes_behind() == 0
    spool.close()


def test_what_was_read_can_be_deleted_and_the_rest_stays(tmp_path: Path) -> None:
    spool = made(tmp_path / "w", whole("a"), whole("b"), whole("c"))
    spool.read()
    spool.read()
    spool.delete_before(spool.segment)
    assert spool.first_segment() == spool.segment == 2
    assert ids(read_all(WorkerSpool(spool.path))) == ["b", "c"]
    spool.close()


def test_a_worker_lives_until_its_process_ends_however_that_ends(tmp_path: Path) -> None:
    parent, child_end = os.pipe()
    child = os.fork()
    if child == 0:
        writer = SpoolWriter(tmp_path, SpoolSettings(), "w0")
        exchange(writer, "a")
        writer.flush()
        os.write(child_end, b".")
        signal.pause()
    os.read(parent, 1)
    (spool,) = spools(tmp_path)
    until(lambda: ids(read_all(spool, final=False)) == ["a"])
    assert not spool.worker_is_dead()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert spool.worker_is_dead()
    assert spool.worker_is_dead()
    counters = spool.counters()
    assert counters is not None
    assert (counters.seen, counters.closed) == (1, None)
    spool.remove()
    assert find_workers(tmp_path) == []
    os.close(parent)
    os.close(child_end)


def test_a_directory_that_somebody_deleted_belongs_to_a_dead_worker(tmp_path: Path) -> None:
    spool = WorkerSpool(tmp_path / "gone")
    assert spool.worker_is_dead()
    assert spool.read() == []
    assert spool.counters() is None
    assert spool.bytes_behind() == 0


def test_only_finished_directories_are_workers(tmp_path: Path) -> None:
    made(tmp_path / "w1")
    made(tmp_path / f"{BEING_MADE}w2")
    (tmp_path / "recorder.lock").touch()
    assert find_workers(tmp_path) == ["w1"]
    assert find_workers(tmp_path / "nowhere") == []


NAME = "w0-18a0b1c2d3e4f506"
"""What a writer calls a worker's directory."""


def test_a_directory_without_our_page_is_a_workers_only_if_every_name_is_ours(tmp_path: Path) -> None:
    for name, files in {
        NAME: [LOCK_NAME, "00000001.seg"],
        "w1-18a0b1c2d3e4f506": [LOCK_NAME, "notes.txt"],
        "w2-18a0b1c2d3e4f506": [],
        "photos": [LOCK_NAME, COUNTERS_NAME, "00000001.seg"],
    }.items():
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).touch()
    assert find_workers(tmp_path) == [NAME]


def test_a_pipe_or_a_link_called_counters_is_not_our_page(tmp_path: Path) -> None:
    page = made(tmp_path / "w").path / COUNTERS_NAME
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / COUNTERS_NAME)
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / COUNTERS_NAME).symlink_to(page)
    assert find_workers(tmp_path) == ["w"]


def test_a_missing_lock_is_not_made_and_tells_nothing_until_silence_or_the_page_does(tmp_path: Path) -> None:
    spool = made(tmp_path / "w", whole("a"))
    (spool.path / LOCK_NAME).unlink()
    assert not spool.worker_is_dead()
    assert not (spool.path / LOCK_NAME).exists()
    for path in (*spool.path.iterdir(), spool.path):
        at = path.stat().st_mtime - UNLOCKED_SECONDS - 1
        os.utime(path, (at, at))
    assert spool.worker_is_dead()
    writer = SpoolWriter(tmp_path, SpoolSettings(), "w1")
    exchange(writer, "b")
    until(lambda: writer.path)
    assert writer.path is not None
    (writer.path / LOCK_NAME).unlink()
    assert not WorkerSpool(writer.path).worker_is_dead()
    assert writer.close()
    assert WorkerSpool(writer.path).worker_is_dead()
    shutil.rmtree(writer.path)


def test_removal_takes_our_files_and_leaves_everything_else(tmp_path: Path) -> None:
    spool = made(tmp_path / "w", whole("a"))
    (spool.path / "deep").mkdir()
    for foreign in ("deep/file", "notes.txt", "1.seg", "00000001.seg.bak"):
        (spool.path / foreign).write_text(foreign)
    assert not spool.remove()
    left = {str(path.relative_to(spool.path)): path.read_text() for path in spool.path.rglob("*") if path.is_file()}
    assert left == {name: name for name in ("deep/file", "notes.txt", "1.seg", "00000001.seg.bak")}


def test_records_of_all_kinds_come_through(tmp_path: Path) -> None:
    spool = made(tmp_path / "w", encode(started("a")) + encode(ended("a")))
    assert read_all(spool) == [started("a"), ended("a")]
    spool.close()
