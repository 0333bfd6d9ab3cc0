from __future__ import annotations

import fcntl
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamgauge.spool.frame import frame, split
from streamgauge.spool.layout import LOCK_NAME, bytes_in, segment_numbers, segment_path
from streamgauge.spool.reader import find_workers
from streamgauge.spool.segments import BLOCK_BYTES, Segments

RECORDS = [frame(bytes([65 + i % 26]) * (100 + i)) for i in range(200)]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The kernel refuses to let a file grow beyond ``size`` bytes, in the middle of a write if need be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def stored(path: Path) -> list[bytes]:
    """All payloads of all segments; nothing but whole records may be in them."""
    found: list[bytes] = []
    for number in segment_numbers(path):
        data = segment_path(path, number).read_bytes()
        payloads, size, damage = split(data)
        assert size == len(data)
        assert not damage
        found += map(bytes, payloads)
    return found


def test_records_are_in_numbered_files_none_longer_than_asked(tmp_path: Path) -> None:
    segments = Segments(tmp_path, "w0", 4096)
    for at in range(0, len(RECORDS), 10):
        assert segments.write(RECORDS[at : at + 10]) == (10, None)
    assert stored(segments.path) == [record[8:] for record in RECORDS]
    sizes = [segment_path(segments.path, number).stat().st_size for number in segment_numbers(segments.path)]
    assert len(sizes) > 5
    assert max(sizes) <= 4096
    assert sum(sizes) == bytes_in(tmp_path)
    segments.close()


def test_a_large_backlog_is_written_in_steps(tmp_path: Path) -> None:
    segments = Segments(tmp_path, "w0", 2 * BLOCK_BYTES)
    records = [frame(b"x" * 60_000)] * 40
    assert segments.write(records) == (40, None)
    assert stored(segments.path) == [records[0][8:]] * 40
    assert segment_numbers(segments.path) == [1, 2]
    segments.close()


def test_a_write_that_stops_midway_loses_nothing_and_goes_on_in_a_new_file(tmp_path: Path) -> None:
    segments = Segments(tmp_path, "w0", 1 << 20)
    with largest_file(5000):
        count, error = segments.write(RECORDS)
    assert isinstance(error, OSError)
    assert 0 < count < len(RECORDS)
    assert stored(segments.path) == [record[8:] for record in RECORDS[:count]]
    assert segments.write(RECORDS[count:]) == (len(RECORDS) - count, None)
    assert stored(segments.path) == [record[8:] for record in RECORDS]
    assert segment_numbers(segments.path) == [1, 2]
    segments.close()


def test_while_nothing_fits_the_same_empty_file_is_tried_again(tmp_path: Path) -> None:
    segments = Segments(tmp_path, "w0", 1 << 20)
    with largest_file(50):
        for _ in range(20):
            assert segments.write(RECORDS)[0] == 0
    assert segment_numbers(segments.path) == [1]
    assert segments.write(RECORDS[:1]) == (1, None)
    assert stored(segments.path) == [RECORDS[0][8:]]
    segments.close()


def test_a_torn_record_that_cannot_be_cut_off_is_never_appended_to(tmp_path: Path) -> None:
    segments = Segments(tmp_path, "w0", 1 << 20)
    segment_path(segments.path, 1).symlink_to("/dev/full")
    count, error = segments.write(RECORDS)
    assert count == 0
    assert isinstance(error, OSError)
    assert segments.write(RECORDS) == (len(RECORDS), None)
    assert segment_path(segments.path, 2).stat().st_size == sum(map(len, RECORDS))
    segments.close()


def test_the_lock_is_held_from_before_the_directory_can_be_found_until_the_end(tmp_path: Path) -> None:
    segments = Segments(tmp_path, "w0", 4096)
    assert find_workers(tmp_path) == [segments.name]
    lock = os.open(segments.path / LOCK_NAME, os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    segments.close()
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(lock)


def test_each_life_of_a_worker_has_a_directory_of_its_own(tmp_path: Path) -> None:
    lives = [Segments(tmp_path, "w0", 4096) for _ in range(3)]
    assert len(find_workers(tmp_path)) == 3
    for life in lives:
        life.close()


def test_a_directory_that_cannot_be_finished_is_removed_again(tmp_path: Path) -> None:
    with largest_file(1000), pytest.raises(OSError, match="large"):
        Segments(tmp_path, "w0", 4096)
    assert list(tmp_path.iterdir()) == []
