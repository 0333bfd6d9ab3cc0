"""What is under way: per route for the measurement, all of it for the worker's once-a-second look at silences and timeouts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamgauge.measure.observation import STALL_NS
from streamgauge.records import Stalled

if TYPE_CHECKING:
    from streamgauge.relay.exchange import Exchange, RouteKey
    from streamgauge.spool import SpoolWriter

COLD_NS = 300_000_000_000
"""A route unused for five minutes counts as cold: by then pools are empty and serverless endpoints have begun to scale in."""

ROUTES_KEPT = 4_096
"""Remembered last uses. Model ids come from callers, so there must be an end to them; forgetting makes a route look cold once."""


class Load:
    """Counts open exchanges per route and finds those that have been silent for too long."""

    def __init__(self) -> None:
        self.open: set[Exchange] = set()
        self._in_flight: dict[RouteKey, int] = {}
        self._last_used: dict[RouteKey, int] = {}

    def begin(self, exchange: Exchange, at: int) -> None:
        """Note the exchange and tell its measurement what else was under way on its route when it started."""
        m = exchange.measurement
        key = exchange.route = (m.service, m.region, m.requested_model or m.endpoint_name)
        m.in_flight = self._in_flight.get(key, 0)
        m.cold = at - self._last_used.get(key, -COLD_NS) >= COLD_NS
        self._in_flight[key] = m.in_flight + 1
        self._last_used[key] = at
        if len(self._last_used) > ROUTES_KEPT:
            self._last_used.clear()
        self.open.add(exchange)

    def end(self, exchange: Exchange, at: int) -> None:
        """The exchange is over. Nothing happens for one that never began."""
        if exchange not in self.open:
            return
        self.open.discard(exchange)
        key = exchange.route
        left = self._in_flight.get(key, 1) - 1
        if left > 0:
            self._in_flight[key] = left
        else:
            self._in_flight.pop(key, None)
        self._last_used[key] = at

    def watch(self, at: int, first_byte_timeout: float, read_timeout: float, spool: SpoolWriter) -> None:
        """Once a second: end what either side has left waiting for so many seconds, tell of streams that fell silent."""
        unanswered, oldest = at - int(first_byte_timeout * 1e9), at - int(read_timeout * 1e9)
        for exchange in list(self.open):
            if exchange.upstream is None:
                continue
            paused = exchange.observation.paused_since
            if paused is not None:
                # We do not read, so the upstream's silence says nothing about it.
                if paused < oldest:
                    exchange.transport.abort()
                continue
            if exchange.last_read_at < (oldest if exchange.replied else unanswered):
                exchange.upstream_broke("read_timeout" if exchange.replied else "first_byte_timeout", at)
                continue
            since = exchange.observation.silent_since
            if since is not None and at - since > STALL_NS and exchange.silence_told != since:
                exchange.silence_told = since
                spool.append(Stalled(exchange_id=exchange.measurement.exchange_id, silence=(at - since) / 1e9))
