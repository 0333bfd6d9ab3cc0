"""The application's side: aiohttp's low-level server with its own loop over the requests of a connection.

aiohttp parses requests (llhttp) and reads bodies; answers do not go through its response classes but straight to the transport.
That uses parts of ``RequestHandler`` that aiohttp does not promise to keep: its version is pinned in ``pyproject.toml``, and the tests
of this module fail loudly where one of them changes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import suppress
from time import perf_counter_ns
from typing import TYPE_CHECKING, Protocol

from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import _ErrInfo

from streamgauge.relay.clients import Clients
from streamgauge.relay.connect import take_up
from streamgauge.relay.departures import Departures
from streamgauge.relay.parsed import MAX_HEAD, OF_OTHER_PROTOCOLS, refuse_large_heads
from streamgauge.relay.raw_connection import RawConnection
from streamgauge.relay.refusal import BadBody
from streamgauge.relay.request_body import Chunks
from streamgauge.relay.settings import RelaySettings

if TYPE_CHECKING:
    import ssl

    from streamgauge.relay.accepting import DownstreamServer
    from streamgauge.relay.exchange import Exchange

MAX_LINE = 32_768
"""Request target: a model ARN of 2,048 characters, percent-encoded, is 6 KiB; twice what AWS accepts in a head is enough."""

MAX_FIELD = 65_536
"""One header: ``X-Amzn-Bedrock-Request-Metadata`` may have 8,500 bytes and a session token several thousand."""

MAX_HEADERS = 256
"""Twice aiohttp's own default; SDKs send about twenty."""

HTTP2_START = b"PRI * HTTP/2.0\r\n"
"""How a caller begins who speaks HTTP/2 without asking."""

LINGER_SECONDS = 2.0
"""How long an application may go on sending a request that we have refused, before it reads our reply."""

REST_SECONDS = 0.05
"""A connection without a request for so long is at rest. An application that goes on at once does so within a millisecond or two."""

_log = logging.getLogger("streamgauge.relay")
_quiet = logging.getLogger("streamgauge.relay.aiohttp")
_quiet.disabled = True
"""aiohttp logs a malformed request with its bytes, which may be a prompt: nothing it says goes anywhere."""


class Relay(Protocol):
    """What a connection asks of the relay."""

    settings: RelaySettings
    clients: Clients | None

    def walk(self, connection: Downstream, message: RawRequestMessage, body: StreamReader, head_at: int) -> Awaitable[bool]:
        """Serve one request; whether the connection may serve another."""

    async def connect(self, connection: Downstream, message: RawRequestMessage, at: int) -> ssl.SSLContext | None:
        """What to present inside a CONNECT; ``None`` after it was refused and that was recorded."""

    def malformed(self, connection: Downstream, at: int, *, http2: bool) -> None:
        """A request that cannot be parsed, or that begins to speak HTTP/2: reply and record a rejected exchange."""


class Downstream(RawConnection):
    """One connection of an application."""

    __slots__ = (
        "__weakref__",
        "_arriving",
        "_before",
        "_body",
        "_chunks",
        "_head_at",
        "_head_bytes",
        "_head_timer",
        "_lost",
        "_relay",
        "_server",
        "_too_large",
        "_uncounted",
        "_unread",
        "exchange",
        "origin",
        "serving",
    )

    def __init__(self, manager: DownstreamServer, relay: Relay, loop: asyncio.AbstractEventLoop, departures: Departures) -> None:
        super().__init__(
            departures,
            manager,
            loop=loop,
            keepalive_timeout=relay.settings.keepalive,
            access_log=None,
            logger=_quiet,
            max_line_size=MAX_LINE,
            max_field_size=MAX_FIELD,
            max_headers=MAX_HEADERS,
            auto_decompress=False,
            lingering_time=0,
        )
        self._server = manager
        self._relay = relay
        self._too_large = False
        self._head_at = 0
        self._body: StreamReader | None = None
        self._unread = False
        self._lost: asyncio.Future[None] | None = None
        self._before = b""
        self._arriving: StreamReader | None = None
        self._head_bytes = self._uncounted = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._chunks: Chunks | None = None
        self.exchange: Exchange | None = None
        self.serving = False
        self.origin = ""
        """Inside a tunnel, the ``https://host:port`` it was opened for: there, and nowhere else, its requests go."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Callback of asyncio."""
        super().connection_made(transport)
        assert self.transport is not None
        if self._server.shaking:
            self._server.shaking.discard(self)
        self.transport.set_write_buffer_limits(high=self._relay.settings.downstream_buffer)

    def data_received(self, data: bytes) -> None:
        """Callback of asyncio: the moment a request's head was read is the start of what the user feels."""
        if not self.serving:
            self._head_at = perf_counter_ns()
            if data.startswith(HTTP2_START):
                self._refuse_http2()
                return
        elif self._too_large:
            return
        queued = len(self._messages)
        body = self._arriving
        within_a_body = body is not None and not body.is_eof()
        super().data_received(data)
        if self._chunks is not None and not self._chunks.whole:
            self._chunks.follow(data)
        elif len(self._messages) > queued:
            if self._head_bytes + self._uncounted + len(data) > MAX_HEAD:
                refuse_large_heads(self._messages, queued)
            self._uncounted = len(data)
            self._look_for_chunks(data, *self._messages[queued])
            self._arriving = self._messages[-1][1]
            self._head_is_whole()
        elif body is None or body.is_eof():
            self._part_of_a_head(data, within_a_body)
        if self.serving:
            self._tell_of_a_bad_body()

    def _part_of_a_head(self, data: bytes, behind_a_body: bool) -> None:
        """A head that does not come at once: bounded in size and time, for nobody knows yet who sends it.

        Behind another request it is bounded in size alone, until that one is over; what comes in one read with a body's end is not counted.
        """
        self._before = (self._before + data[-3:])[-3:]  # its end may be torn
        if behind_a_body:
            self._uncounted = len(data)
        else:
            self._head_bytes += len(data)
        if not self.serving:
            self._limit_head_time()
        if self._head_bytes > MAX_HEAD:
            if self.serving:
                self._too_large = True  # what is under way comes first
            else:
                self._refuse_head()

    def _limit_head_time(self) -> None:
        if self._head_timer is None and self._head_bytes:
            self._head_timer = self._loop.call_later(self._relay.settings.body_timeout, self._refuse_head)

    def _head_is_whole(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse_head(self) -> None:
        self._head_is_whole()
        if not self.serving and not self._messages and not self._ending():
            self._relay.malformed(self, self._head_at, http2=False)
            self._unread = True
        self.close()

    def _look_for_chunks(self, data: bytes, message: RawRequestMessage | _ErrInfo, body: StreamReader) -> None:
        """Of a request whose body comes in chunks, keep the bytes behind the head: aiohttp's parser tells nothing of borders and trailers.

        Where another request's bytes are before it in the same read, the place found may be wrong; who uses the bytes checks them.
        """
        if not isinstance(message, _ErrInfo) and message.chunked:
            _, end, rest = (self._before + data if self._before else data.lstrip(b"\r\n")).partition(b"\r\n\r\n")
            if end:
                self._chunks = Chunks(body, rest)
        self._before = b""

    def chunks_of(self, body: StreamReader) -> Chunks | None:
        """How a ``body`` came that came in chunks; ``None`` if that was not followed."""
        chunks = self._chunks
        if chunks is None or chunks.body is not body:
            return None
        self._chunks = None
        return chunks

    def _refuse_http2(self) -> None:
        if not self._ending():
            self._relay.malformed(self, self._head_at, http2=True)
            self._unread = True
            self.close()

    def _tell_of_a_bad_body(self) -> None:
        """What is wrong with a body, aiohttp queues as a message of its own, and leaves who reads the body waiting."""
        body = self._body
        if body is not None and self._messages and isinstance(self._messages[-1][0], _ErrInfo) and not body.is_eof():
            body.set_exception(BadBody("the request's body is not framed as HTTP/1.1 asks"))

    def pause_writing(self) -> None:
        """Callback of asyncio: the application reads too slowly."""
        super().pause_writing()
        if self.exchange is not None:
            self.exchange.pause(perf_counter_ns())

    def resume_writing(self) -> None:
        """Callback of asyncio."""
        super().resume_writing()
        if self.exchange is not None:
            self.exchange.resume(perf_counter_ns())

    def connection_lost(self, exc: BaseException | None) -> None:
        """Callback of asyncio: the upstream must hear of it at once."""
        exchange = self.exchange
        if exchange is not None:
            exchange.downstream_lost(perf_counter_ns())
        super().connection_lost(exc)
        self._head_is_whole()
        body = self._body
        if body is not None and not body.is_eof():
            body.set_exception(ConnectionResetError())
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)

    @property
    def is_fresh(self) -> bool:
        """Nothing was asked on it yet."""
        return self._arriving is None

    def is_asked(self) -> bool:
        """Something is being asked, or has come and was not read yet: closing the connection now would reset it."""
        return bool(self.serving or self._messages or self._head_bytes) or self.has_unread()

    def rested(self, now: float) -> float:
        """Seconds since its last answer ended, or since it was made, at ``now`` on the loop's clock."""
        return now - self._next_keepalive_close_time + self._keepalive_timeout

    def part(self) -> None:
        """End a connection at rest. It is half-closed first: what the application may be sending this very moment then meets an end, not a
        reset, and no SDK takes an end before the first byte of an answer for anything but a reason to send again. TLS is closed at once.
        """
        self._unread = self.transport is not None and self.transport.can_write_eof()
        self.close()

    async def drained(self, timeout: float) -> None:
        """Wait until the kernel has taken every byte, or the connection is gone. Raises ``TimeoutError``."""
        transport = self.transport
        if transport is None or not transport.get_write_buffer_size():
            return
        transport.set_write_buffer_limits(high=0)
        try:
            async with asyncio.timeout(timeout):
                await self._drain_helper()
        except ConnectionError:
            return
        if self.transport is not None:
            self.transport.set_write_buffer_limits(high=self._relay.settings.downstream_buffer)

    async def start(self) -> None:
        """Serve the requests of this connection one after the other.

        Replaces aiohttp's own loop, which makes a task, a writer and a response object for every request.
        """
        try:
            while not self._force_close and await self._next():
                pass
        except asyncio.CancelledError:
            self.force_close()
            raise
        except Exception as error:  # the last line of defence: the process serves others
            _log.error("a connection ended by %s in the proxy itself; please report it", type(error).__name__)
            if self.transport is not None:
                self.transport.abort()
        finally:
            if self._unread:
                await self._linger()
            if self.transport is not None:
                self.transport.close()

    async def _linger(self) -> None:
        """Let an application read our reply that is still sending its request: closing now would make the kernel reset the connection."""
        transport = self.transport
        if transport is None or self._force_close:
            return
        self._close = True  # what comes is dropped
        self._lost = self._loop.create_future()
        with suppress(OSError, RuntimeError):  # it may have gone this moment
            if transport.can_write_eof():  # TLS cannot: its goodbye would make of what still comes an error
                transport.write_eof()
            transport.resume_reading()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                await self._lost

    async def _next(self) -> bool:
        if not self._messages:
            self.serving = False
            if self._ending():
                return False
            if self._head_bytes:  # begun behind the request that is over: its turn is now
                self._head_at = perf_counter_ns()
                if self._too_large:
                    self._refuse_head()
                    return False
                self._limit_head_time()
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            except asyncio.CancelledError:
                if self._ending():
                    return False
                raise
            finally:
                self._waiter = None
            head_at = self._head_at
        else:
            head_at = perf_counter_ns()
        self.serving = True
        message, body = self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        # aiohttp's parser also takes HTTP/0.9 and 2.0 for requests.
        if isinstance(message, _ErrInfo) or message.version.major != 1 or message.method in OF_OTHER_PROTOCOLS:
            self._relay.malformed(self, head_at, http2=False)
            self._unread = True
            return False
        if message.method == "CONNECT":
            await self._take_up(message, head_at)
            return False
        self._body = body
        self._keepalive = await self._relay.walk(self, message, body, head_at)
        self._body = None
        self._unread = not body.is_eof()
        # Behind an offer to upgrade, aiohttp's parser takes what comes for the other protocol, though we never accept one. The offer may be
        # the next request's, which has come already.
        if not self._keepalive or self._unread or (self._upgraded and not self._messages):
            return False
        self._rearm()
        return True

    async def _take_up(self, message: RawRequestMessage, head_at: int) -> None:
        """A CONNECT: what is inside goes on as a connection of its own, which knows where it leads."""
        context = await self._relay.connect(self, message, head_at)
        transport = self.transport
        if context is None or transport is None:
            self._unread = True
            return
        self.transport = None  # it is not ours to close any more
        super().connection_lost(None)
        fresh = self._server.shaking_hands(transport.get_extra_info("peername"))
        if fresh is None:
            transport.abort()
            return
        fresh.origin = f"https://{message.path}"
        self._server.shaken(fresh, await take_up(transport, context, fresh))

    def _ending(self) -> bool:
        return self._close or self._force_close

    def _rearm(self) -> None:
        """Restart the idle timer, as aiohttp's loop does."""
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)
