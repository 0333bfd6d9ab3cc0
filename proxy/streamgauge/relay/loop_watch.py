"""How long the event loop was kept from reading: what turns "the provider was silent" into "we were late".

A heartbeat asks to be called every ``BEAT_NS``; what it comes late is time in which a chunk may have lain unread.
"""

from __future__ import annotations

import asyncio
from time import perf_counter_ns

BEAT_NS = 50_000_000
"""20 wake-ups a second cost 0.05 % of a core; lateness shorter than a few milliseconds is not what anybody sees as a stall."""

GRACE_NS = 2_000_000
"""Timers of libuv have millisecond resolution: below this, lateness is the timer's own."""


class LoopWatch:
    """``blocked_ns`` grows by each lateness; ``longest_ns`` is the longest since ``take_longest``."""

    __slots__ = ("_due", "_handle", "_loop", "blocked_ns", "longest_ns")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.blocked_ns = 0
        self.longest_ns = 0
        self._due = perf_counter_ns() + BEAT_NS
        self._handle = loop.call_later(BEAT_NS / 1e9, self._beat)

    def _beat(self) -> None:
        now = perf_counter_ns()
        late = now - self._due
        if late > GRACE_NS:
            self.blocked_ns += late
            self.longest_ns = max(self.longest_ns, late)
        self._due = now + BEAT_NS
        self._handle = self._loop.call_later(BEAT_NS / 1e9, self._beat)

    def take_longest(self) -> float:
        """The longest lateness since the last call, in seconds."""
        longest, self.longest_ns = self.longest_ns, 0
        return longest / 1e9

    def stop(self) -> None:
        """No further beats."""
        self._handle.cancel()
