"""A request's body: read whole before it is sent on, within bounds, and framed as the application framed it.

Signature, model and admission need the whole body. One body is bounded by ``max_request_bytes``, all that one worker holds by
``max_buffered_bytes``: beyond it the next one is not read, so that TCP makes its application wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter_ns
from typing import TYPE_CHECKING

from aiohttp.streams import StreamReader

from streamgauge.errors import BadResponse
from streamgauge.framing.http1 import ResponseScanner
from streamgauge.relay.refusal import BadBody, BodyTooLarge, ClientGone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamgauge.relay.downstream import Downstream
    from streamgauge.relay.exchange import Exchange
    from streamgauge.relay.settings import RelaySettings

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

SMALL_BODY = 32_768
"""Far below what makes aiohttp pause the connection until the body is read; nearly all requests are smaller."""

_CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
"""Chunks are framed alike in requests and responses, so the responses' scanner reads both."""


def at_hand(body: StreamReader) -> bytes | None:
    """A request's body if all of it came with the head, as that of small requests does; ``None`` if it must be waited for."""
    if not body.is_eof() or body.exception() is not None:
        return None
    pieces = getattr(body, "_buffer", None)
    if pieces is None:  # aiohttp's one reader for all requests without a body
        return b""
    # aiohttp's own way to them does much that serves a reader who comes too early, or a connection that was paused for a large body.
    return pieces.popleft() if len(pieces) == 1 and len(pieces[0]) <= SMALL_BODY else body.read_nowait(-1)


def chunked(content: bytes, sent: bytes | None) -> tuple[bytes, bool]:
    """``content`` in the very chunks in which it was ``sent``, extensions and trailers included; in one chunk where these are not known.
    And whether the connection may serve another request.

    ``sent``: what the connection brought after the head. aiohttp's parser and the relay's scanner, which is stricter, must both find just
    ``content`` in it: bytes that two readers can frame differently are how one caller's request ends up in another's.
    aiohttp's parser (3.14) makes the last trailer of a request a header of the connection's next one. Such a connection serves no other.
    """
    if sent is not None:
        scanner = ResponseScanner()
        try:
            pieces = scanner.feed(_CHUNKED_HEAD + sent)
        except BadResponse:
            pieces = []
        if scanner.done and b"".join(pieces) == content:
            return sent[: scanner.consumed - len(_CHUNKED_HEAD)], not scanner.has_trailers
    return (b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content) if content else b"0\r\n\r\n"), False


class Hold:
    """Room that one request's body takes, until ``release``."""

    __slots__ = ("_room", "_size")

    def __init__(self, room: Room, size: int) -> None:
        self._room = room
        self._size = size

    def release(self) -> None:
        """The body is not held any more; repeating it does nothing."""
        size, self._size = self._size, 0
        if size:
            self._room.give_back(size)


class Room:
    """How much is held, and who waits for room: first come, first served. All that a body may need is taken at once, before it is read,
    so that no two bodies can wait for each other half read."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int, ended: asyncio.Future[None]) -> Hold:
        """Room for ``size`` bytes, as soon as there is any; at most all of it. Raises ``ClientGone`` if the exchange has ``ended`` before."""
        size = min(size, self.limit)
        if self._waiting or self.held + size > self.limit:
            turn: asyncio.Future[None] = ended.get_loop().create_future()
            self._waiting.append((size, turn))
            try:
                await asyncio.wait((turn, ended), return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                self._give_up(size, turn)
                raise
            if ended.done():
                self._give_up(size, turn)
                raise ClientGone("the application went away before its request was read")
        else:
            self.held += size
        return Hold(self, size)

    def _give_up(self, size: int, turn: asyncio.Future[None]) -> None:
        if turn.done():
            self.give_back(size)
        else:
            turn.cancel()
            self._next()

    def give_back(self, size: int) -> None:
        """Some body is not held any more."""
        self.held -= size
        self._next()

    def _next(self) -> None:
        while self._waiting:
            size, turn = self._waiting[0]
            if not turn.done():
                if self.held + size > self.limit:
                    return
                self.held += size
                turn.set_result(None)
            self._waiting.popleft()


class RequestBodies:
    """Reads the bodies that did not come with their heads. One per worker."""

    def __init__(self, settings: RelaySettings) -> None:
        self._settings = settings
        self.room = Room(settings.max_buffered_bytes)

    async def read(self, connection: Downstream, exchange: Exchange, body: StreamReader, headers: Mapping[str, str]) -> bytes:
        """The body, whole; ``exchange.hold`` is its room. Time spent waiting for the application is noted as its own, for room as ours.

        Raises ``BodyTooLarge``, ``BadBody``, or ``ClientGone`` where the application stopped sending.
        """
        limit = self._settings.max_request_bytes
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > limit:
            raise BodyTooLarge(f"the request body has {length} bytes; max_request_bytes is {limit}")
        # A body in chunks does not say how long it will be, and is held twice: as content, and as it was sent.
        exchange.hold = await self.room.take(int(length) if length.isdecimal() else 2 * limit, exchange.done)
        if "expect" in headers and headers["expect"].lower() == "100-continue" and not body.is_eof() and not exchange.http_1_0:
            exchange.continued = True
            exchange.transport.write(CONTINUE)
        waits_from = perf_counter_ns()
        content = await self._all_of(body, limit)
        if connection.transport is None:
            raise ClientGone("the application went away before its request was complete")
        now = perf_counter_ns()
        exchange.observation.points.body = now
        exchange.observation.upload_wait_ns = now - waits_from
        return content

    async def _all_of(self, body: StreamReader, limit: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        while not body.at_eof():
            try:
                async with asyncio.timeout(self._settings.body_timeout):
                    part = await body.readany()
            except TimeoutError:
                raise ClientGone(f"the request body stopped arriving for {self._settings.body_timeout:g} s") from None
            except BadBody:
                raise
            except Exception:  # aiohttp raises several kinds here; each means that no more comes
                raise ClientGone("the application's request did not arrive whole") from None
            size += len(part)
            if size > limit:
                raise BodyTooLarge(f"the request body has more than {limit} bytes (max_request_bytes)")
            parts.append(part)
        return b"".join(parts)
