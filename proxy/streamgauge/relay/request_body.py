"""A request's body: read whole before it is sent on, within bounds, and framed as the application framed it.

Signature, model and admission need the whole body. One body is bounded by ``max_request_bytes``, all that one worker holds by
``max_buffered_bytes``: beyond it the next one is not read, so that TCP makes its application wait.
"""

from __future__ import annotations

import asyncio
from time import perf_counter_ns
from typing import TYPE_CHECKING

from aiohttp.streams import StreamReader

from streamgauge.errors import BadResponse
from streamgauge.framing.http1 import ResponseScanner
from streamgauge.relay.refusal import BadBody, BodyTooLarge, Busy, ClientGone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamgauge.relay.downstream import Downstream
    from streamgauge.relay.exchange import Exchange
    from streamgauge.relay.settings import RelaySettings

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

SMALL_BODY = 32_768
"""Far below what makes aiohttp pause the connection until the body is read; nearly all requests are smaller."""

FREE_BYTES = 262_144
"""What a body may have before it counts: as much as can come in one read with its head, and then is in memory unasked."""

FOLLOWED_BYTES = 4 << 20
"""Chunked bodies are followed up to here: to compare and join more would keep the event loop from its streams for milliseconds."""

SMALL_CHUNK, FEW_CHUNKS = 256, 64
"""Smaller chunks than this on average, beyond a few, cost the scanner more time than they deserve: it works chunk by chunk, on the event loop."""

MUCH_FRAMING = 131_072
"""Extensions and trailers beyond this, and beyond the content's own size, are somebody's attempt to fill the memory."""

SLOW_BYTES_PER_SECOND = 16_384
"""A body that comes slower than a modem of the nineties, after ``body_timeout``, only holds room from others."""

WINDOW_SECONDS = 10.0
"""While others wait for room, a body must come at that pace in each such time (``body_timeout`` where that is shorter): one that came fast and
then all but stops would live for half an hour on what it has."""

MAX_LENGTH_DIGITS = 18

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


class Chunks:
    """The bytes of one chunked body as they come: aiohttp's parser tells nothing of borders, extensions and trailers.

    Followed by the relay's own scanner, piece by piece, so that no more than one read's work is done at a time; given up where that would
    cost much: a body over ``FOLLOWED_BYTES``, chunks smaller than ``SMALL_CHUNK`` on average, more framing than content.
    """

    __slots__ = ("_content", "_parts", "_pieces", "_scanner", "_size", "body", "whole")

    def __init__(self, body: StreamReader, first: bytes) -> None:
        self.body = body
        self.whole = False
        self._scanner: ResponseScanner | None = ResponseScanner()
        self._scanner.feed(_CHUNKED_HEAD)
        self._parts: list[bytes] = []
        self._pieces: list[bytes] = []
        self._size = self._content = 0
        self.follow(first)

    def follow(self, data: bytes) -> None:
        """More came on the connection."""
        scanner = self._scanner
        if scanner is not None and data:
            self._size += len(data)
            if self._size > FOLLOWED_BYTES or data.count(b"\r\n") > 2 * (FEW_CHUNKS + len(data) // SMALL_CHUNK):
                self._give_up()
            else:
                try:
                    pieces = scanner.feed(data)
                except BadResponse:
                    self._give_up()
                else:
                    self._parts.append(data[: scanner.consumed])
                    self._pieces += pieces
                    self._content += sum(map(len, pieces))
                    if self._size > 2 * self._content + MUCH_FRAMING:
                        self._give_up()
        self.whole = self.body.is_eof() or (self._scanner is not None and self._scanner.done)

    def _give_up(self) -> None:
        self._scanner = None
        self._parts = self._pieces = []

    def framing(self, content: bytes) -> tuple[bytes, bool] | None:
        """The bytes of the whole body as they were sent and whether trailers are among them; ``None`` where that is not known.

        The scanner, which is stricter than aiohttp's parser, must have found just ``content``, which is what that found: bytes that two
        readers can frame differently are how one caller's request ends up in another's.
        """
        scanner = self._scanner
        if scanner is None or not scanner.done or b"".join(self._pieces) != content:
            return None
        return b"".join(self._parts), scanner.has_trailers


def chunked(content: bytes, chunks: Chunks | None) -> tuple[bytes, bool]:
    """``content`` in the very chunks in which it was sent, extensions and trailers included; in one chunk where these are not known.
    And whether the connection may serve another request: aiohttp's parser (3.14) makes the last trailer of a request a header of the
    connection's next one.
    """
    framing = chunks.framing(content) if chunks is not None else None
    if framing is not None:
        return framing[0], not framing[1]
    return (b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content) if content else b"0\r\n\r\n"), False


class Hold:
    """What one request's body takes of the room, until ``release``."""

    __slots__ = ("_room", "size")

    def __init__(self, room: Room) -> None:
        self._room = room
        self.size = 0

    def grow(self, size: int) -> None:
        """So many bytes more came."""
        self.size += size
        self._room.held += size

    def release(self) -> None:
        """The body is not held any more; repeating it does nothing."""
        self._room.give_back(self)


class Room:
    """How much is held by the bodies that are being read or wait to be sent, and who waits until less is.

    Bytes count when they come, so that nobody takes room by announcing much. The eldest body never waits, whatever the limit says: two
    bodies that wait for each other half read would wait for good.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self._holds: dict[Hold, None] = {}
        self._waiting: dict[asyncio.Future[None], Hold] = {}

    def enter(self) -> Hold:
        """A body begins to be read."""
        hold = Hold(self)
        self._holds[hold] = None
        return hold

    def may_go_on(self, hold: Hold) -> bool:
        """Whether more may be read for it at once."""
        return self.held < self.limit or next(iter(self._holds), None) is hold

    async def wait(self, hold: Hold, ended: asyncio.Future[None], timeout: float) -> None:
        """Until more may be read for ``hold``. Raises ``Busy`` after ``timeout`` seconds, ``ClientGone`` if the exchange ``ended`` before."""
        if self.may_go_on(hold):
            return
        turn: asyncio.Future[None] = ended.get_loop().create_future()
        self._waiting[turn] = hold
        try:
            await asyncio.wait((turn, ended), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiting.pop(turn, None)
        if ended.done():
            raise ClientGone("the application went away before its request was read")
        if not turn.done():
            raise Busy(f"the proxy holds {self.held} bytes of requests (max_buffered_bytes is {self.limit}) and has no room for another")

    @property
    def crowded(self) -> bool:
        """Whether somebody waits."""
        return bool(self._waiting)

    def give_back(self, hold: Hold) -> None:
        """Some body is not held any more."""
        if hold not in self._holds:
            return
        del self._holds[hold]
        self.held -= hold.size
        for turn, waiting in list(self._waiting.items()):
            if not turn.done() and self.may_go_on(waiting):
                turn.set_result(None)


class Pace:
    """How fast one body comes, in one window after the other. Only while others wait for its room does that matter."""

    __slots__ = ("_clock", "_room", "_since", "_window", "came")

    def __init__(self, room: Room, window: float, clock: Callable[[], float]) -> None:
        self._room, self._window, self._clock = room, window, clock
        self.begin()

    def begin(self) -> None:
        """A window begins; ``came``: bytes in it so far."""
        self._since, self.came = self._clock(), 0

    def left(self) -> float:
        """Seconds until the window is over; after its end, of the next one. Raises ``ClientGone`` where too little came while others waited."""
        left = self._since + self._window - self._clock()
        if left > 0:
            return left
        if self._room.crowded and self.came < SLOW_BYTES_PER_SECOND * self._window:
            raise ClientGone("the request body came too slowly while others waited for its room")
        self.begin()
        return self._window


class RequestBodies:
    """Reads the bodies that did not come with their heads. One per worker."""

    def __init__(self, settings: RelaySettings) -> None:
        self._settings = settings
        self.room = Room(settings.max_buffered_bytes)

    async def read(self, connection: Downstream, exchange: Exchange, body: StreamReader, headers: Mapping[str, str]) -> bytes:
        """The body, whole; ``exchange.hold`` is its room. Time spent waiting for the application is noted as its own, for room as ours.

        Raises ``BodyTooLarge``, ``BadBody``, ``Busy``, or ``ClientGone`` where the application stopped sending.
        """
        limit = self._settings.max_request_bytes
        length = headers.get("content-length", "")
        if length and (len(length) > MAX_LENGTH_DIGITS or int(length) > limit):
            raise BodyTooLarge(f"the request body has {length[:MAX_LENGTH_DIGITS]} bytes; max_request_bytes is {limit}")
        if "expect" in headers and headers["expect"].lower() == "100-continue" and not body.is_eof() and not exchange.http_1_0:
            exchange.continued = True
            exchange.transport.write(CONTINUE)
        content = await self._all_of(exchange, body, limit, copies=1 if length else 3)
        if connection.transport is None:
            raise ClientGone("the application went away before its request was complete")
        exchange.observation.points.body = perf_counter_ns()
        return content

    async def _all_of(self, exchange: Exchange, body: StreamReader, limit: int, copies: int) -> bytes:
        """``copies``: a body in chunks is held as content, as it was sent, and in pieces between the two."""
        parts: list[bytes] = []
        size = waited_ns = 0
        loop = exchange.done.get_loop()
        slowest = loop.time() + self._settings.body_timeout
        pace: Pace | None = None
        while not body.at_eof():
            waits_from = perf_counter_ns()
            part = await self._part(body, slowest + size / SLOW_BYTES_PER_SECOND - loop.time(), pace)
            waited_ns += perf_counter_ns() - waits_from
            exchange.observation.upload_wait_ns = waited_ns
            size += len(part)
            if size > limit:
                raise BodyTooLarge(f"the request body has more than {limit} bytes (max_request_bytes)")
            parts.append(part)
            if size > FREE_BYTES:
                if exchange.hold is None or pace is None:
                    exchange.hold = self.room.enter()
                    exchange.hold.grow(size * copies)
                    pace = Pace(self.room, min(WINDOW_SECONDS, self._settings.body_timeout), loop.time)
                else:
                    exchange.hold.grow(len(part) * copies)
                    pace.came += len(part)
                if not body.is_eof() and not self.room.may_go_on(exchange.hold):
                    room_from = loop.time()
                    await self.room.wait(exchange.hold, exchange.done, self._settings.body_timeout)
                    slowest += loop.time() - room_from
                    pace.begin()
        return b"".join(parts)

    async def _part(self, body: StreamReader, slowest_in: float, pace: Pace | None) -> bytes:
        left = min(self._settings.body_timeout, slowest_in)
        while True:
            now = left if pace is None else min(left, pace.left())
            try:
                async with asyncio.timeout(now):
                    return await body.readany()
            except TimeoutError:
                left -= now
                if left <= 0:
                    raise ClientGone("the request body stopped arriving, or came too slowly") from None
            except BadBody:
                raise
            except Exception:  # aiohttp raises several kinds here; each means that no more comes
                raise ClientGone("the application's request did not arrive whole") from None
