"""How a child process of the supervisor gets its settings and learns that its parent has gone.

The supervisor writes one line of JSON to the child's standard input and keeps the pipe open for as long as it lives.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import TypeVar

import msgspec

T = TypeVar("T")

MAX_SETTINGS_BYTES = 1 << 20
"""Settings are a few kilobytes; a line of a megabyte is a mistake."""


def read_settings(kind: type[T]) -> T:
    """The settings line. Reads the descriptor itself: a buffered reader would take bytes that the loop must see."""
    parts: list[bytes] = []
    while not parts or not parts[-1].endswith(b"\n"):
        part = os.read(0, 65_536)
        if not part or sum(map(len, parts)) > MAX_SETTINGS_BYTES:
            sys.exit("streamgauge: this process is started by `streamgauge serve`, which hands it its settings")
        parts.append(part)
    return msgspec.json.decode(b"".join(parts), type=kind)


def stop_on_signal(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Call ``stop`` on SIGTERM, and when the parent's end of the pipe closes. SIGINT is the parent's to act on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop.add_signal_handler(signal.SIGTERM, stop)
    # The supervisor starts its children with SIGTERM blocked, so that none is lost before this line.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def readable() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            stop()

    loop.add_reader(0, readable)
