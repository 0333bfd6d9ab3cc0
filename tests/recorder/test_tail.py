from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from streamgauge.recorder.tail import Position, Tail
from streamgauge.records import SpoolRecord
from streamgauge.spool import SpoolSettings, SpoolWriter, find_workers
from streamgauge.spool.layout import segment_path
from tests.spool.made import exchange, ids, until


def turn(tail: Tail) -> dict[str, list[str]]:
    """What one turn yields: exchanges that ended, by the worker's own name."""
    found: dict[str, list[SpoolRecord]] = {name.split("-")[0]: records for name, _, records in tail.read()}
    return {name: ids(records) for name, records in found.items()}


def writer(directory: Path, worker_id: str, *exchange_ids: str, close: bool = True) -> SpoolWriter:
    made = SpoolWriter(directory, SpoolSettings(), worker_id)
    for exchange_id in exchange_ids:
        exchange(made, exchange_id)
    if close:
        assert made.close()
    return made


def start(_name: str) -> Position | None:
    return (0, 0)


def test_workers_are_found_as_they_come_and_each_is_read_once(tmp_path: Path) -> None:
    tail = Tail(tmp_path)
    writer(tmp_path, "w0", "a")
    tail.discover(start)
    assert turn(tail) == {"w0": ["a"]}
    writer(tmp_path, "w1", "b")
    tail.discover(start)
    assert turn(tail) == {"w0": [], "w1": ["b"]}
    tail.close()


def test_the_dead_are_told_from_the_living_and_can_be_removed(tmp_path: Path) -> None:
    living, dead = writer(tmp_path, "w0", "a", close=False), writer(tmp_path, "w1", "b")
    tail = Tail(tmp_path)
    tail.discover(start)
    assert living.path is not None
    assert dead.path is not None
    assert tail.dead == {dead.path.name}
    tail.remove(dead.path.name)
    assert find_workers(tmp_path) == [living.path.name]
    assert tail.dead == set()
    living.close()
    tail.close()


def test_a_worker_that_is_done_with_is_removed_unread(tmp_path: Path) -> None:
    writer(tmp_path, "w0", "a")
    tail = Tail(tmp_path)
    tail.discover(lambda _name: None)
    assert tail.spools == {}
    assert find_workers(tmp_path) == []


def test_a_spool_deleted_under_way_is_waited_for_as_long_as_its_worker_lives(tmp_path: Path) -> None:
    made = writer(tmp_path, "w0", "a", close=False)
    tail = Tail(tmp_path)
    tail.discover(start)
    assert tail.dead == set()
    assert made.path is not None
    until(lambda: made.backlog_bytes == 0)
    assert turn(tail) == {"w0": ["a"]}
    shutil.rmtree(made.path)
    tail.discover(start)
    assert tail.dead == set()
    exchange(made, "b")
    until(lambda: made.backlog_bytes == 0)
    tail.discover(start)
    assert tail.dead == set()
    assert turn(tail) == {"w0": ["b"]}
    shutil.rmtree(made.path)
    made.close()
    tail.discover(start)
    assert tail.dead == {made.path.name}
    tail.remove(made.path.name)
    tail.remove("unknown")


def test_a_worker_that_lives_is_never_removed(tmp_path: Path) -> None:
    made = writer(tmp_path, "w0", "a", close=False)
    until(lambda: made.backlog_bytes == 0)
    tail = Tail(tmp_path)
    tail.discover(lambda _name: None)
    assert made.path is not None
    assert segment_path(made.path, 1).exists()
    made.close()
    tail.discover(lambda _name: None)
    assert not made.path.exists()


def test_a_finished_worker_whose_directory_holds_foreign_files_is_left_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = writer(tmp_path, "w0", "a")
    assert made.path is not None
    (made.path / "notes.txt").write_text("mine")
    tail = Tail(tmp_path)
    for _ in range(3):
        tail.discover(lambda _name: None)
    assert [path.name for path in made.path.iterdir()] == ["notes.txt"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_what_a_removal_cut_short_left_of_a_finished_worker_is_removed(tmp_path: Path) -> None:
    made = writer(tmp_path, "w0", "a")
    assert made.path is not None
    for path in made.path.iterdir():
        path.unlink()
    Tail(tmp_path).discover(start)
    assert made.path.exists()
    Tail(tmp_path).discover(lambda _name: None)
    assert not made.path.exists()


def test_reading_begins_where_it_is_told_to(tmp_path: Path) -> None:
    made = writer(tmp_path, "w0", "a", "b")
    tail = Tail(tmp_path)
    tail.discover(start)
    assert tail.bytes_behind() > 0
    turn(tail)
    assert made.path is not None
    spool = tail.spools[made.path.name]
    again = Tail(tmp_path)
    again.discover(lambda _name: (spool.segment, spool.offset))
    assert turn(again) == {"w0": []}
    assert again.bytes_behind() == 0
    again.close()
    tail.close()


def test_a_spool_that_cannot_be_read_now_holds_up_no_other_and_is_read_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bad, _good = writer(tmp_path, "w0", "a"), writer(tmp_path, "w1", "b")
    assert bad.path is not None
    segment = segment_path(bad.path, 1)
    segment.rename(tmp_path / "kept")
    segment.mkdir()
    tail = Tail(tmp_path)
    tail.discover(start)
    assert turn(tail) == {"w1": ["b"]}
    assert turn(tail) == {"w1": []}
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    segment.rmdir()
    (tmp_path / "kept").rename(segment)
    tail.discover(start)
    tail.spools[bad.path.name].close()
    assert turn(tail) == {"w0": ["a"], "w1": []}
    tail.close()
