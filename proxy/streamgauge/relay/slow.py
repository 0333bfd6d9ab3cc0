"""The slow path: the same exchange through ``aiohttp.ClientSession``, where ``fast_path`` is off: for comparison, and as a way out.

What differs: chunk borders of an answer are ours; its trailers and interim responses end here; spaces around a header's value, which mean nothing, are ours.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.http_writer import StreamWriter
from multidict import CIMultiDict
from yarl import URL

from streamgauge.errors import (
    EgressProxyRefused,
    StreamgaugeError,
    UpstreamNameUnknown,
    UpstreamTimeout,
    UpstreamTlsFailed,
    UpstreamUnreachable,
)
from streamgauge.framing.http1 import MAX_HEAD_BYTES, ResponseHead
from streamgauge.relay.egress import EgressProxy, refused, silent
from streamgauge.relay.heads import request_head
from streamgauge.relay.settings import RelaySettings
from streamgauge.targets import Target

if TYPE_CHECKING:
    from streamgauge.relay.exchange import Exchange
    from streamgauge.relay.loop_watch import LoopWatch
    from streamgauge.relay.pool import Pool


_exact_head: ContextVar[bytes] = ContextVar("exact_head")
"""The exact head of the request that the current task sends: aiohttp makes its request objects itself and passes nothing of ours on."""


class ExactWriter(StreamWriter):
    """Writes the head it was given instead of one that aiohttp composes."""

    async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None:
        """Hold the exact head until the first bytes of the body, as the base class does with its own."""
        await super().write_headers(status_line, headers)
        self._headers_buf = _exact_head.get()
        _exact_head.set(b"")  # there is a connection


class ExactRequest(ClientRequest):
    """Sends the very bytes of head and body that it was given: no header of aiohttp's, no waiting for a ``100 Continue``."""

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        """As the base class does, with the exact writer and without what a transparent proxy has no use for."""
        writer = ExactWriter(conn.protocol, self.loop)
        await writer.write_headers("", CIMultiDict())
        task = self.loop.create_task(self.write_bytes(writer, conn))
        self._writer = task
        response = aiohttp.ClientResponse(
            self.method,
            self.original_url,
            writer=task,
            continue100=None,
            timer=self._timer,
            request_info=self.request_info,
            traces=[],
            loop=self.loop,
            session=self._session,
            stream_writer=writer,
        )
        self.response = response  # type: ignore[assignment,unused-ignore]  # aiohttp's own type is inferred one way or the other
        return response


class SlowPath:
    """One session for all slow exchanges of a worker, made on first use."""

    def __init__(self, settings: RelaySettings, pool: Pool, watch: LoopWatch) -> None:
        self._settings = settings
        self._pool = pool
        self._watch = watch
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Name, connection and TLS session are one to aiohttp; silence afterwards is the worker's to notice, as on the fast path.
            settings = self._settings
            made = settings.connect_timeout + settings.tls_timeout
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=made, connect=settings.name_timeout + made, sock_read=None)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=int(self._settings.dns_age)),
                timeout=timeout,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                request_class=ExactRequest,
                max_line_size=MAX_HEAD_BYTES,
                max_field_size=MAX_HEAD_BYTES,
                max_headers=MAX_HEAD_BYTES,
                read_bufsize=self._settings.downstream_buffer,
            )
            # A request is sent once: whether to repeat it is the caller's to decide.
            self._session._retry_connection = False  # noqa: SLF001 - there is no public switch
        return self._session

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    async def send(self, exchange: Exchange, method: str, target: Target, headers: list[tuple[bytes, bytes]], content: bytes) -> None:
        """Run the whole exchange. Raises ``UpstreamUnreachable`` and its kin before anything was sent; later failures go to the exchange."""
        task = asyncio.get_running_loop().create_task(self._relay(exchange, method, target, headers, content))
        exchange.upstream = _SlowUpstream(task)
        exchange.last_read_at = perf_counter_ns()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()
        elif exchange.verdict is None:
            exchange.downstream_lost(perf_counter_ns())

    async def _relay(self, exchange: Exchange, method: str, target: Target, headers: list[tuple[bytes, bytes]], content: bytes) -> None:
        points = exchange.observation.points
        _exact_head.set(request_head(method.encode("latin-1"), target.origin_path, headers))
        # aiohttp learns only where to connect; path and headers are in the head.
        egress = self._pool.egress_for((target.scheme, target.host, target.port))
        if egress is None:
            await self._pool.refuse_ourselves(target.host, target.port)
        else:
            await self._pool.refuse_ourselves(egress.host, egress.port)
        url = URL.build(scheme=target.scheme, host=target.host, port=target.port)
        tls: Any = self._pool.tls() if target.scheme == "https" else True
        try:
            response = await self._open().request(method, url, data=content or None, ssl=tls, allow_redirects=False, **_way(egress))
        except aiohttp.ClientError as error:
            exchange.upstream = None
            failure = (_of_proxy(error, egress, target) if egress is not None else None) or _of_connecting(error, target)
            if failure is not None:
                raise failure from None
            # A response error here is one of aiohttp's parser: a status of the upstream's is no error to it.
            protocol = isinstance(error, aiohttp.ClientResponseError)
            exchange.upstream_broke("upstream_protocol" if protocol else "upstream_reset", perf_counter_ns())
            return
        points.sent = points.connected = points.issued
        async with response:
            await self._answer(exchange, response, method)

    async def _answer(self, exchange: Exchange, response: aiohttp.ClientResponse, method: str) -> None:
        upstream = exchange.upstream
        assert isinstance(upstream, _SlowUpstream)
        if response.status == 101:
            exchange.upstream = None
            exchange.upstream_broke("upstream_protocol", perf_counter_ns())
            return
        head = _head(response)
        names = {name.lower() for name, _ in head.headers}
        bodiless = method == "HEAD" or response.status in (204, 304)
        chunked = b"transfer-encoding" in names and not exchange.http_1_0 and not bodiless
        until_close = not bodiless and not names & {b"transfer-encoding", b"content-length"}
        exchange.transport.write(exchange.begin(head, ends_with_connection=until_close, at=perf_counter_ns()))
        observation = exchange.observation
        lost = _watch(response)
        try:
            async for part in response.content.iter_any():
                at = perf_counter_ns()
                exchange.last_read_at = at
                observation.chunks += 1
                exchange.transport.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
                points = observation.points
                if points.forwarded is None:
                    points.first_body, points.forwarded = at, perf_counter_ns()
                if observation.feed(part, at, self._watch.blocked_ns):
                    exchange.first_output(exchange)
                await upstream.readable.wait()
        except aiohttp.ClientError:
            exchange.upstream = None
            exchange.upstream_broke("upstream_reset", perf_counter_ns())
            return
        if until_close and lost is not None and lost.done() and lost.exception() is not None:
            exchange.upstream = None
            exchange.upstream_broke("upstream_reset", perf_counter_ns())
            return
        if chunked:
            exchange.transport.write(b"0\r\n\r\n")
        exchange.complete(perf_counter_ns())


class _SlowUpstream:
    """What an exchange holds on to: pausing holds back the next read, aborting cancels the task and with it the connection."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task
        self.readable = asyncio.Event()
        self.readable.set()

    def pause(self) -> None:
        self.readable.clear()

    def resume(self) -> None:
        self.readable.set()

    def abort(self) -> None:
        self._task.cancel()


def _of_proxy(error: aiohttp.ClientError, egress: EgressProxy, target: Target) -> EgressProxyRefused | None:
    """What went wrong before the proxy had let us through; ``None`` for what is not its doing."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return refused(egress, error.status, f"{target.host}:{target.port}")
    if isinstance(error, aiohttp.ServerTimeoutError):  # aiohttp does not tell how far it was; nearly always that is the proxy's silence
        return EgressProxyRefused(f"the egress proxy {egress.name} {silent(target.host, target.port)}")
    if isinstance(error, aiohttp.ClientSSLError):
        ours = (error.host, error.port) == (egress.host, egress.port)
        return EgressProxyRefused(f"no trusted TLS session with the egress proxy {egress.name}; see relay.ca_file") if ours else None
    if isinstance(error, (aiohttp.ClientProxyConnectionError, aiohttp.ClientConnectorDNSError)):
        return EgressProxyRefused(f"the egress proxy {egress.name} cannot be reached ({error.strerror or 'no address'})")
    if not isinstance(error, aiohttp.ClientConnectorError) and _exact_head.get():
        return EgressProxyRefused(f"the egress proxy {egress.name} ended the connection before it let us through")
    return None


def _of_connecting(error: aiohttp.ClientError, target: Target) -> StreamgaugeError | None:
    """What went wrong before anything was sent; ``None`` for all that comes later."""
    where = f"{target.host}:{target.port}"
    if isinstance(error, aiohttp.ServerTimeoutError):
        return UpstreamTimeout(f"{where} did not accept a connection in time (relay.connect_timeout)")
    if isinstance(error, aiohttp.ClientSSLError):
        return UpstreamTlsFailed(f"no trusted TLS session with {where}")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return UpstreamNameUnknown(f"{target.host} has no address ({error.strerror or 'the resolver did not say why'})")
    if isinstance(error, aiohttp.ClientConnectorError):
        return UpstreamUnreachable(f"{where} cannot be reached")
    return None


def _way(egress: EgressProxy | None) -> dict[str, Any]:
    """Options of aiohttp for a proxy; its own reading of a URL's user and password is not used."""
    if egress is None:
        return {}
    headers = {} if egress.authorization is None else {"Proxy-Authorization": egress.authorization.decode("ascii")}
    return {"proxy": URL.build(scheme=egress.scheme, host=egress.host, port=egress.port), "proxy_headers": headers}


def _watch(response: aiohttp.ClientResponse) -> asyncio.Future[None] | None:
    """The end of the response's connection, if it still has one. An end before the body's is told to who reads the body.

    aiohttp does not do that where its parser gave up in the middle of a body: the reader would wait for good.
    """
    connection = response.connection
    if connection is None or connection.protocol is None:
        return None
    lost = connection.protocol.closed

    def tell(ended: asyncio.Future[None]) -> None:
        ended.exception()
        if not response.content.is_eof():
            response.content.set_exception(aiohttp.ClientPayloadError("the connection ended within the body"))

    if lost is not None:
        lost.add_done_callback(tell)
    return lost


def _head(response: aiohttp.ClientResponse) -> ResponseHead:
    """The head as it came: aiohttp keeps names, case, order and values."""
    version = response.version
    reason = (response.reason or "").encode("utf-8", "surrogateescape")
    line = b"HTTP/1.%d %d %b" % (version.minor if version else 1, response.status, reason)
    raw = b"\r\n".join([line, *(b"%b: %b" % pair for pair in response.raw_headers)]) + b"\r\n\r\n"
    by_name = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in response.raw_headers}
    return ResponseHead(response.status, raw, tuple(response.raw_headers), version is None or version.minor == 1, by_name)
