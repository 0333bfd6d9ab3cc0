"""Connections of applications that have lasted long enough are ended while they are at rest, so that load spreads over workers and machines anew."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Hashable
from typing import Protocol

from streamgauge.relay.downstream import REST_SECONDS

JITTER = 0.2
"""Ages differ by a fifth up or down: connections that were made together do not end together."""

AGAIN_SECONDS = 1.0
"""How soon a connection that is too old and in use is looked at again."""


class Connection(Hashable, Protocol):
    """What is asked of a connection."""

    def is_asked(self) -> bool:
        """Something is being asked on it."""

    def rested(self, now: float) -> float:
        """Seconds since something was."""

    def part(self) -> None:
        """End it gently."""


class Ageing:
    """One per worker, where connections have an age at all: a timer for each connection, nothing for each request."""

    def __init__(self, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        self._seconds = seconds
        self._loop = loop
        self._timers: dict[Connection, asyncio.TimerHandle] = {}

    def born(self, connection: Connection) -> None:
        """A connection was made."""
        age = self._seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load, guards nothing
        self._timers[connection] = self._loop.call_later(age, self._old, connection)

    def gone(self, connection: Connection) -> None:
        """A connection has ended."""
        timer = self._timers.pop(connection, None)
        if timer is not None:
            timer.cancel()

    def _old(self, connection: Connection) -> None:
        asked, rested = connection.is_asked(), connection.rested(self._loop.time())
        if not asked and rested >= REST_SECONDS:
            del self._timers[connection]
            connection.part()
        else:
            wait = AGAIN_SECONDS if asked else REST_SECONDS - rested
            self._timers[connection] = self._loop.call_later(wait, self._old, connection)
