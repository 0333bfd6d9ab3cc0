from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from streamgauge.spool.counters import CounterPage, Counters, read_counters


def test_what_is_set_can_be_read_from_the_file_at_once(tmp_path: Path) -> None:
    page = CounterPage.create(tmp_path / "counters")
    page.set_seen(1 << 40)
    page.set_unmeasured(1, 3)
    assert read_counters(tmp_path / "counters") == Counters(1 << 40, {"writer_behind": 3}, None)


@pytest.mark.parametrize("everything_written", [True, False])
def test_the_page_tells_how_the_worker_ended(tmp_path: Path, everything_written: bool) -> None:
    page = CounterPage.create(tmp_path / "counters")
    page.set_closed(everything_written)
    assert read_counters(tmp_path / "counters") == Counters(0, {}, everything_written)


def test_a_killed_process_loses_no_count(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        page = CounterPage.create(tmp_path / "counters")
        for count in range(1, 1001):
            page.set_seen(count)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert read_counters(tmp_path / "counters") == Counters(1000, {}, None)


def test_a_page_says_whether_it_agrees_with_given_counts() -> None:
    page = CounterPage.in_memory()
    page.set_seen(4)
    page.set_unmeasured(0, 2)
    assert page.agrees(4, [2, 0])
    assert not page.agrees(4, [2, 1])
    assert not page.agrees(5, [2, 0])


@pytest.mark.parametrize("content", [None, b"", b"short", bytes(4096)])
def test_what_is_no_page_of_counters_counts_nothing(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "counters").write_bytes(content)
    assert read_counters(tmp_path / "counters") is None
