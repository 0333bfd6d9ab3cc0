"""Notices that an application leaves while its connection is not being read: the kernel tells of an end that nobody reads up to.

A connection is not read while what it has sent is enough for now: many requests at once, or a body that waits for room.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from contextlib import suppress


class Departures:
    """One per event loop, and to be used from it. Costs nothing until a first connection is watched."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._poll: select.epoll | None = None
        self._watched: dict[int, Callable[[], None]] = {}

    def watch(self, fd: int, left: Callable[[], None]) -> None:
        """Call ``left`` once when the other side of the socket ``fd`` has ended its connection or reset it, unless forgotten before."""
        if self._poll is None:
            self._poll = select.epoll()
            # An epoll is readable when one of its own is ready: the loop's reader sees the ends alone, not the bytes that wait to be read.
            self._loop.add_reader(self._poll.fileno(), self._tell)
        if fd not in self._watched:
            self._poll.register(fd, select.EPOLLRDHUP)
        self._watched[fd] = left

    def forget(self, fd: int) -> None:
        """It is read again, or will be closed."""
        if self._watched.pop(fd, None) is not None and self._poll is not None:
            with suppress(OSError):
                self._poll.unregister(fd)

    def _tell(self) -> None:
        assert self._poll is not None
        for fd, _ in self._poll.poll(0):
            left = self._watched.get(fd)
            self.forget(fd)
            if left is not None:
                left()

    def close(self) -> None:
        """Watch nothing any more."""
        if self._poll is not None:
            self._loop.remove_reader(self._poll.fileno())
            self._poll.close()
            self._poll = None
        self._watched.clear()
