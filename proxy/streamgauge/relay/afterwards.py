"""Answers whose application has gone: read on for the provider's token counts, within bounds, instead of being ended at once.

Only where ``relay.on_client_disconnect: drain`` is set. The verdict stands from the moment the application went; nothing after it can be felt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamgauge.measure.timing import Points
    from streamgauge.relay.exchange import Exchange
    from streamgauge.relay.settings import RelaySettings


class Nobody:
    """In the place of the application's transport: counts what is written and drops it. ``enough`` is called once, beyond ``most`` bytes."""

    def __init__(self, most: int, enough: Callable[[], object]) -> None:
        self._left = most
        self._enough = enough

    def write(self, data: bytes) -> None:
        """See ``Writer``."""
        before = self._left
        self._left -= len(data)
        if before >= 0 > self._left:
            self._enough()

    def abort(self) -> None:
        """See ``Writer``."""

    def get_write_buffer_size(self) -> int:
        """See ``Writer``."""
        return 0


class Afterwards:
    """One per worker. Call from its event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: RelaySettings) -> None:
        self._loop = loop
        self._seconds = settings.disconnect_drain_seconds
        self._bytes = settings.disconnect_drain_bytes
        self._open: dict[Exchange, asyncio.TimerHandle] = {}
        self._over = False

    def begin(self, exchange: Exchange) -> bool:
        """The application of ``exchange`` has gone, and the upstream was asked. Whether its answer is read on."""
        if self._over:
            return False
        # Not in the middle of a write: who writes has more to do with the exchange.
        exchange.transport = Nobody(self._bytes, lambda: self._loop.call_soon(exchange.abandon))
        self._open[exchange] = self._loop.call_later(self._seconds, exchange.abandon)
        return True

    def end(self, exchange: Exchange) -> bool:
        """Nothing more comes; false if nothing was waited for. What came when nobody was there any more was nobody's first token."""
        timer = self._open.pop(exchange, None)
        if timer is None:
            return False
        timer.cancel()
        forget_unfelt(exchange.observation.points)
        return True

    def stop(self) -> None:
        """The worker ends: it does not wait for what nobody waits for."""
        self._over = True
        for exchange in list(self._open):
            exchange.abandon()


def forget_unfelt(points: Points) -> None:
    """What came first behind ``finished``, of the answer, of its body or of its outputs, is none; without a first output there is no last."""
    assert points.finished is not None
    for name in ("response", "first_frame", "first_output", "first_visible", "first_reasoning", "first_tool"):
        at = getattr(points, name)
        if at is not None and at > points.finished:
            setattr(points, name, None)
    if points.first_output is None:
        points.last_output = None
