"""One connection to an upstream: raw bytes through, a scanner that finds head and end, one exchange at a time.

``data_received`` is the product's hottest function: it runs once per chunk of every stream.
"""

from __future__ import annotations

import asyncio
from time import perf_counter_ns
from typing import TYPE_CHECKING, cast

from streamgauge.errors import BadResponse
from streamgauge.framing.http1 import ResponseScanner
from streamgauge.relay.heads import keeps_alive

if TYPE_CHECKING:
    from streamgauge.relay.exchange import Exchange
    from streamgauge.relay.pool import Key, Pool


class UpstreamConnection(asyncio.Protocol):
    """A connection of the pool. Idle while ``exchange`` is ``None``; bytes that arrive then end it."""

    __slots__ = ("_paused", "_pool", "_scanner", "_watch", "closed", "exchange", "idle_since", "key", "made_at", "transport")

    def __init__(self, pool: Pool, key: Key) -> None:
        self._pool = pool
        self._watch = pool.watch
        self._scanner = _IDLE
        self.key = key
        self.exchange: Exchange | None = None
        self.closed = False
        self._paused = False
        self.made_at = self.idle_since = perf_counter_ns()
        self.transport: asyncio.Transport = _NO_TRANSPORT

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Callback of asyncio."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are not of asyncio's class

    def send(self, exchange: Exchange, head: bytes, body: bytes, *, expects_body: bool) -> None:
        """Send one request whole; its answer goes to ``exchange``."""
        self._scanner = ResponseScanner(expects_body=expects_body)
        self.exchange = exchange
        exchange.upstream = self
        exchange.last_read_at = perf_counter_ns()
        # One write for a small request: one segment on the wire. A large body is not copied for that.
        if len(body) <= 65_536:
            self.transport.write(head + body)
        else:
            self.transport.write(head)
            self.transport.write(body)
        if exchange.hold is not None and not self.transport.get_write_buffer_size():
            exchange.hold.release()

    def resume_writing(self) -> None:
        """Callback of asyncio: nearly all of a large request has left, and its room is free; the answer may take minutes."""
        if self.exchange is not None and self.exchange.hold is not None:
            self.exchange.hold.release()

    def data_received(self, data: bytes) -> None:
        """Callback of asyncio: forward, then measure."""
        at = perf_counter_ns()
        exchange = self.exchange
        if exchange is None:
            self.abort()
            return
        exchange.last_read_at = at
        scanner = self._scanner
        had_head = scanner.head is not None
        try:
            bodies = scanner.feed(data)
        except BadResponse as error:
            self._broke(exchange, error.error_type, at)
            return
        observation = exchange.observation
        observation.chunks += 1
        if had_head:
            if exchange.http_1_0:
                exchange.transport.write(b"".join(bodies))
            elif scanner.consumed == len(data):
                exchange.transport.write(data)
            else:
                exchange.transport.write(data[: scanner.consumed])
        elif not self._begin(exchange, scanner, data, bodies, at):
            return
        if bodies:
            points = observation.points
            if points.forwarded is None:
                points.first_body, points.forwarded = at, perf_counter_ns()
            for body in bodies:
                if observation.feed(body, at, self._watch.blocked_ns):
                    exchange.first_output(exchange)
        if scanner.done:
            self._done(exchange, scanner, len(data), at)

    def _begin(self, exchange: Exchange, scanner: ResponseScanner, data: bytes, bodies: list[bytes], at: int) -> bool:
        """Forward what came up to the head's end and the body after it. False while the head is incomplete."""
        if scanner.interims:
            exchange.interims(scanner.interims)
        if scanner.head is None:
            return False
        head = exchange.begin(scanner.head, ends_with_connection=scanner.ends_with_connection, at=at)
        rest = b"".join(bodies) if exchange.http_1_0 else data[scanner.body_start : scanner.consumed]
        exchange.transport.write(head + rest)
        return True

    def _done(self, exchange: Exchange, scanner: ResponseScanner, fed: int, at: int) -> None:
        self.exchange = None
        exchange.complete(at)
        head = scanner.head
        self._scanner = _IDLE
        if self.transport.get_write_buffer_size():
            # Answered before it had read the whole request, and nobody knows whether it will read the rest.
            self.abort()
        # Bytes behind the end belong to no request: such a connection is not used again.
        elif head is not None and keeps_alive(head) and scanner.consumed == fed and not self.closed:
            self.resume()
            self._pool.give_back(self, at)
        else:
            self.close()

    @property
    def ending(self) -> bool:
        """Whether a request that is sent now would reach nobody. The transport knows one turn of the loop before ``closed`` does."""
        return self.closed or self.transport.is_closing()

    def eof_received(self) -> None:
        """Callback of asyncio: the connection closes itself then."""
        if self.exchange is None:
            self._pool.lost(self)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Callback of asyncio."""
        self.closed = True
        exchange = self.exchange
        if exchange is None:
            self._pool.lost(self)
            return
        at = perf_counter_ns()
        if exc is None and self._scanner.ends_with_connection:
            self.exchange = None
            exchange.complete(at)
        else:
            self._broke(exchange, "upstream_reset", at)

    def _broke(self, exchange: Exchange, error_type: str, at: int) -> None:
        self.exchange = None
        exchange.upstream_broke(error_type, at)
        self.abort()

    def pause(self) -> None:
        """Stop reading; TCP makes the upstream wait."""
        if not self.closed and not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._paused and not self.closed:
            self._paused = False
            self.transport.resume_reading()

    def abort(self) -> None:
        """Break the connection at once."""
        self.exchange = None
        if not self.closed:
            self.closed = True
            self.transport.abort()

    def close(self) -> None:
        """Close an idle connection."""
        self.exchange = None
        if not self.closed:
            self.closed = True
            self.transport.close()


_IDLE = ResponseScanner()
_NO_TRANSPORT = asyncio.Transport()
