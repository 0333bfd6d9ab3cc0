"""A child process gets its settings in one line and ends when it is told to or when nobody is left to tell it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pytest

from streamgauge.child import MAX_SETTINGS_BYTES

CHILD = """
import asyncio, select, signal, sys
from dataclasses import dataclass, field

import uvloop

from streamgauge.child import all_done, read_settings, stop_on_signal


@dataclass(frozen=True)
class Inner:
    seconds: float = 1.5


@dataclass(frozen=True)
class Settings:
    name: str
    fds: tuple[int, ...]
    inner: Inner = field(default_factory=Inner)


def say(what):
    print(what, flush=True)


settings = read_settings(Settings)
say(settings)


async def main():
    stop = asyncio.Event()
    stop_on_signal(asyncio.get_running_loop(), stop.set)
    say("waiting")
    await stop.wait()
    say("stopped")
    all_done(asyncio.get_running_loop())


uvloop.run(main())
if settings.name == "still writing":
    say("the loop is over")
    select.select([0], [], [])  # until the parent closes its end
"""

LINE = json.dumps({"name": "w0", "fds": [3, 4]}).encode() + b"\n"


def stdin(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin is not None
    return process.stdin


def hears(process: subprocess.Popen[bytes]) -> str:
    """The next line the child says."""
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


@contextmanager
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A child whose standard input is ours."""
    process = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def waiting() -> Iterator[subprocess.Popen[bytes]]:
    """A child that has its settings and waits to be stopped."""
    with child() as process:
        stdin(process).write(LINE)
        stdin(process).flush()
        hears(process)
        assert hears(process) == "waiting"
        yield process


def test_settings_arrive_as_what_was_asked_for_with_defaults_filled_in() -> None:
    with child() as process:
        stdin(process).write(LINE)
        stdin(process).flush()
        assert hears(process) == "Settings(name='w0', fds=(3, 4), inner=Inner(seconds=1.5))"


def test_a_word_right_behind_the_settings_is_heard_and_no_part_of_them() -> None:
    with child() as process:
        stdin(process).write(LINE + b"retire\n")
        stdin(process).flush()
        assert [hears(process) for _ in range(3)][1:] == ["waiting", "stopped"]
        assert process.wait(30) == 0


def test_settings_may_come_in_pieces() -> None:
    with child() as process:
        for piece in (LINE[:5], LINE[5:-1], LINE[-1:]):
            stdin(process).write(piece)
            stdin(process).flush()
        assert hears(process).startswith("Settings(name='w0'")


@pytest.mark.parametrize("sent", [b"", LINE[:-1], b" " * (MAX_SETTINGS_BYTES + 70_000)], ids=["nothing", "no end", "too much"])
def test_who_starts_a_child_by_hand_is_told_how_it_is_started(sent: bytes) -> None:
    with child() as process:
        _, complaint = process.communicate(sent, timeout=30)
        assert process.returncode == 1
        assert complaint.decode().strip() == "streamgauge: this process is started by `streamgauge serve`, which hands it its settings"


def test_sigterm_stops_it() -> None:
    with waiting() as process:
        process.send_signal(signal.SIGTERM)
        assert hears(process) == "stopped"
        assert process.wait(30) == 0


def test_a_sigterm_that_comes_behind_the_loops_end_changes_nothing() -> None:
    with child() as process:
        stdin(process).write(LINE.replace(b"w0", b"still writing"))
        stdin(process).flush()
        assert [hears(process) for _ in range(2)][1] == "waiting"
        process.send_signal(signal.SIGTERM)
        assert [hears(process) for _ in range(2)] == ["stopped", "the loop is over"]
        process.send_signal(signal.SIGTERM)
        stdin(process).close()
        assert process.wait(30) == 0


def test_the_end_of_its_parent_stops_it() -> None:
    with waiting() as process:
        stdin(process).close()
        assert hears(process) == "stopped"
        assert process.wait(30) == 0


def test_bytes_on_the_pipe_are_no_end_of_the_parent() -> None:
    with waiting() as process:
        stdin(process).write(b"still here\n")
        stdin(process).flush()
        process.send_signal(signal.SIGINT)  # Ctrl-C reaches the whole group; the parent decides what comes of it
        stdin(process).close()
        assert hears(process) == "stopped"
        assert process.wait(30) == 0


def test_a_sigterm_that_comes_before_the_child_listens_is_not_lost() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        with child() as process:
            process.send_signal(signal.SIGTERM)
            stdin(process).write(LINE)
            stdin(process).flush()
            said = [hears(process) for _ in range(3)]
            assert said[1:] == ["waiting", "stopped"]
            assert process.wait(30) == 0
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
