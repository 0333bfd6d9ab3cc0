"""How a child process of the supervisor gets its settings, says how far it is, and learns that its parent has gone.

The supervisor makes one end of a socket pair the child's standard input, writes one line of JSON to it and keeps it open for as long as it lives.
Afterwards either side may say a word: ``SERVING`` and ``DRAINING`` go up, ``RETIRE`` goes down.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Literal, TypeVar

import msgspec

T = TypeVar("T")

MAX_SETTINGS_BYTES = 1 << 20
"""Settings are a few kilobytes; a line of a megabyte is a mistake."""

ENDING_SECONDS = 7.0
"""What a worker takes at most beyond ``drain_seconds``: a moment for those whose streams were cut off to be measured, and the time its spool
may take on a slow disk; the rest is for a busy machine. Who waits for a worker waits so long before he kills it."""

Word = Literal["serving", "draining", "retire"]

SERVING: Word = "serving"
"""The child does its work now."""

DRAINING: Word = "draining"
"""The child has been told to end and takes nothing new: another may take its place."""

RETIRE: Word = "retire"
"""The child's place is taken; it may end what it has at leisure."""


def read_settings(kind: type[T]) -> T:
    """The settings line. Reads the descriptor itself, byte by byte: what stands behind the line is for the loop to hear."""
    line = bytearray()
    while not line.endswith(b"\n"):
        part = os.read(0, 1)
        if not part or len(line) > MAX_SETTINGS_BYTES:
            sys.exit("streamgauge: this process is started by `streamgauge serve`, which hands it its settings")
        line += part
    return msgspec.json.decode(line, type=kind)


def stop_on_signal(loop: asyncio.AbstractEventLoop, stop: Callable[[], None], retire: Callable[[], None] | None = None) -> None:
    """Call ``stop`` on SIGTERM, and when the parent's end of the line closes. SIGINT is the parent's to act on.

    ``retire`` is called when the parent says so; without it that is the same as ``stop``.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop.add_signal_handler(signal.SIGTERM, stop)
    # The supervisor starts its children with SIGTERM blocked, so that none is lost before this line.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def readable() -> None:
        try:
            said = os.read(0, 4096)
        except OSError:  # the parent has gone and left something unread
            said = b""
        if not said:
            loop.remove_reader(0)
            stop()
        elif RETIRE.encode() in said:
            (retire or stop)()

    loop.add_reader(0, readable)


def all_done(loop: asyncio.AbstractEventLoop) -> None:
    """The last thing done on the loop. A SIGTERM that comes later, sent to a whole group of processes say, changes nothing any more:
    the loop's own end would give it back its default meaning, and make of an end in order a death by a signal.
    """
    loop.remove_signal_handler(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def say(word: Word) -> None:
    """Tell the parent. Nothing happens where nobody listens: whoever starts a child by hand gives it a pipe."""
    try:
        os.write(0, word.encode() + b"\n")
    except OSError:
        return
