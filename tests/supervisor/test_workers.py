"""The workers of a proxy: a place is taken over before it is left, and new settings that do not work change nothing."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from streamgauge.supervisor.children import Child
from streamgauge.supervisor.workers import RETIRED_KEPT, Workers
from tests.chaos.serving import until
from tests.supervisor.lives import child

SERVES = """
import os, signal, sys
sys.stdin.readline()
def drain(*_): os.write(0, b'draining\\n')
signal.signal(signal.SIGTERM, drain)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
os.write(0, b'serving\\n')
"""

OBEYS = SERVES + "print(end='', flush=True)\nwhile b'retire' not in os.read(0, 100): pass\n"
"""Serves, drains when it is told to, and ends when its place is taken."""

LINGERS = SERVES + "os.read(0, 100)\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\nos.read(0, 100)\n"
"""Like it, but has a stream that does not end; told to hurry, it ends."""


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(drain_seconds=1.0)
    yield made
    for one in made.children():
        if one.process is not None:
            one.process.kill()
            one.process.wait()
            one.forget()


def making(code: str) -> Callable[[int], Child]:
    return lambda _: child(code)


def tended(workers: Workers, condition: Callable[[], object], what: str) -> None:
    def looked() -> object:
        workers.tend()
        return condition()

    until(looked, what)


def serving(workers: Workers, code: str = OBEYS, count: int = 2) -> list[int]:
    workers.start(making(code), count)
    tended(workers, lambda: all(one.serving for one in workers.placed), "service")
    return pids(workers)


def pids(workers: Workers) -> list[int]:
    return [one.process.pid for one in workers.placed if one.process is not None]


def rolled(workers: Workers, code: str) -> bool:
    heard: list[bool] = []
    workers.roll(making(code), heard.append)
    tended(workers, lambda: heard, "end of the roll")
    return heard[0]


def test_who_is_told_to_end_is_replaced_before_it_has_ended(workers: Workers, caplog: pytest.LogCaptureFixture) -> None:
    before = serving(workers)
    os.kill(before[0], signal.SIGTERM)
    tended(workers, lambda: pids(workers)[0] != before[0], "another worker")
    assert pids(workers)[1] == before[1]
    tended(workers, lambda: len(workers.children()) == 2, "end of the first")
    assert caplog.text == ""


def test_a_roll_replaces_one_after_the_other_each_when_the_next_one_serves(workers: Workers) -> None:
    before = serving(workers)
    made: list[Child] = []

    def make(place: int) -> Child:
        assert all(one.serving for one in workers.placed)
        assert place == len(made)
        made.append(child(OBEYS))
        return made[-1]

    heard: list[bool] = []
    workers.roll(make, heard.append)
    tended(workers, lambda: heard, "end of the roll")
    assert heard == [True]
    assert workers.placed == made
    tended(workers, lambda: len(workers.children()) == 2, "end of those before")
    assert not set(pids(workers)) & set(before)


def test_who_dies_after_a_roll_comes_back_as_the_roll_made_it(workers: Workers) -> None:
    serving(workers, count=1)
    assert rolled(workers, OBEYS + "# new\n")
    os.kill(pids(workers)[0], signal.SIGTERM)
    before = workers.placed[0]
    tended(workers, lambda: workers.placed[0] is not before, "another")
    assert workers.placed[0].argv == child(OBEYS + "# new\n").argv


def test_new_settings_that_do_not_work_change_nothing_and_are_told(workers: Workers, caplog: pytest.LogCaptureFixture) -> None:
    before = serving(workers)
    assert not rolled(workers, "import sys; sys.stdin.readline(); sys.exit(3)")
    assert pids(workers) == before
    assert "with the new settings child ended with exit code 3 before it served; 0 of 2 workers have them" in caplog.text
    os.kill(before[0], signal.SIGTERM)
    tended(workers, lambda: pids(workers)[0] != before[0] and workers.placed[0].serving, "another, as it was")


def test_after_a_roll_that_failed_half_way_replacements_have_the_settings_from_before_it(workers: Workers) -> None:
    before = serving(workers)
    made: list[Child] = []

    def make(_: int) -> Child:
        made.append(child(OBEYS + "# new\n" if not made else "import sys; sys.stdin.readline(); sys.exit(3)"))
        return made[-1]

    heard: list[bool] = []
    workers.roll(make, heard.append)
    tended(workers, lambda: heard, "end of the roll")
    assert heard == [False]
    assert len(made) == 2
    for place in (0, 1):
        leaving = workers.placed[place]
        assert leaving.process is not None
        os.kill(leaving.process.pid, signal.SIGTERM)
        tended(workers, partial(is_taken, workers, place, leaving), "another")
        assert workers.placed[place].argv == child(OBEYS).argv
    assert len(made) == 2
    assert not set(pids(workers)) & set(before)


def is_taken(workers: Workers, place: int, leaving: Child) -> bool:
    return workers.placed[place] is not leaving


def test_a_program_that_cannot_be_started_changes_nothing(workers: Workers, caplog: pytest.LogCaptureFixture) -> None:
    before = serving(workers, count=1)
    heard: list[bool] = []
    workers.roll(lambda _: Child("child", ["/no/such/program"], dict, []), heard.append)
    workers.tend()
    assert (heard, pids(workers)) == ([False], before)
    assert "child cannot be started (No such file or directory)" in caplog.text


def test_a_roll_takes_the_place_of_one_that_is_under_way(workers: Workers) -> None:
    serving(workers)
    heard: list[bool] = []
    workers.roll(making("import sys; sys.stdin.readline(); sys.stdin.readline()"), heard.append)
    workers.tend()
    assert rolled(workers, OBEYS)
    assert heard == []
    tended(workers, lambda: len(workers.children()) == 2, "end of all others")


def test_there_are_only_so_many_that_end_at_leisure(workers: Workers, caplog: pytest.LogCaptureFixture) -> None:
    serving(workers, LINGERS, count=1)
    for _ in range(RETIRED_KEPT + 2):
        assert rolled(workers, LINGERS)
    tended(workers, lambda: len(workers.children()) == 1 + RETIRED_KEPT, "end of the oldest")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_who_does_not_end_in_time_is_killed(workers: Workers, caplog: pytest.LogCaptureFixture) -> None:
    serving(workers, LINGERS, count=1)
    assert rolled(workers, OBEYS)
    workers._retired[0].kill_at = 0.0
    tended(workers, lambda: len(workers.children()) == 1, "end of the first")
    assert "child, whose place was taken, does not end and is killed" in caplog.text
