"""A small real HTTP server whose every answer is a script: the asyncio part.

Knows: connections, whose turn it is, when the other side goes away.
Must not know: protocols; those are in ``shapes_*`` and ``answers``.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, cast

from streamgauge.testing.answers import answer
from streamgauge.testing.plan import Plan, plan
from streamgauge.testing.received import Received, SendLog
from streamgauge.testing.requests import BadRequest, Request, RequestReader
from streamgauge.testing.script import Script
from streamgauge.testing.wire import Gone, Wire

Reply = Callable[[Received, Wire], Awaitable[None]]
"""Full control: an async function that writes the answer itself."""

ScriptFor = Callable[[Received], Script | Reply]

Gate = Callable[[Received], tuple[int, tuple[tuple[str, str], ...], bytes] | None]
"""Looks at a request before its script; status, headers and body refuse it, None lets it pass."""

_LOG = logging.getLogger(__name__)

WRITE_BUFFER = 64 * 1024
"""Bytes a slow reader may leave in the server before a reply waits."""


class Journal(Protocol):
    """Where requests and send logs go."""

    def received(self, received: Received) -> None:
        """A request is here whole."""

    def began(self, log: SendLog) -> None:
        """Its answer begins."""

    def over(self, log: SendLog) -> None:
        """Its answer is over, whichever way."""


@dataclass(frozen=True)
class Service:
    """What every connection of a server shares."""

    script_for: ScriptFor
    journal: Journal
    gate: Gate | None = None
    open: set[Connection] = field(default_factory=set)

    async def close(self) -> None:
        """Break every connection and wait until the loop has let go of it."""
        for connection in list(self.open):
            connection.abort()
        while self.open:
            await asyncio.sleep(0)


async def start(service: Service, host: str, port: int, tls: ssl.SSLContext | None = None) -> asyncio.Server:
    """Listen; the address is in ``server.sockets[0].getsockname()``. Raises ``OSError`` if the port is taken."""
    count = iter(range(1 << 62))
    return await asyncio.get_running_loop().create_server(lambda: Connection(service, next(count)), host, port, ssl=tls, backlog=4096)


class Connection(asyncio.Protocol):
    """One connection: requests one after the other, each with its reply; pipelined ones wait their turn."""

    def __init__(self, service: Service, number: int) -> None:
        self._service = service
        self._number = number
        self._reader = RequestReader()
        self._waiting: deque[Received] = deque()
        self._task: asyncio.Task[None] | None = None
        self._wire: Wire | None = None
        self._began: int | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection is there."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(WRITE_BUFFER)
        self._service.open.add(self)

    def abort(self) -> None:
        """Break the connection."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes came."""
        began = self._began or time.perf_counter_ns()
        try:
            requests = self._reader.feed(data)
        except BadRequest as reason:
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            _LOG.warning("scripted upstream refused a request: %s", reason)
            self._transport.close()
            return
        self._began = began if self._reader.started else None
        if self._reader.expects():
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        for request in requests:
            self._waiting.append(self._as_received(request, began))
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """asyncio: the connection is gone; an unfinished reply ends here."""
        self._service.open.discard(self)
        if self._wire is not None:
            if self._wire.log.ended_at is None:
                self._wire.log.aborted_at = time.perf_counter_ns()
            self._wire.resume()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        """asyncio: the write buffer is full."""
        if self._wire is not None:
            self._wire.pause()

    def resume_writing(self) -> None:
        """asyncio: the write buffer has room."""
        if self._wire is not None:
            self._wire.resume()

    def _as_received(self, request: Request, began: int) -> Received:
        return Received(
            request.method,
            request.target,
            request.version,
            request.head,
            request.headers,
            bytes(request.body),
            request.trailers,
            self._number,
            str(uuid.uuid4()),
            began,
            time.perf_counter_ns(),
        )

    def _next(self) -> None:
        if self._task is None and self._waiting and not self._transport.is_closing():
            received = self._waiting.popleft()
            log = SendLog(received.request_id, received.at, model=received.model)
            self._wire = Wire(self._transport, received, log)
            self._task = asyncio.get_running_loop().create_task(self._answer(received, self._wire))
            self._task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("scripted upstream: a reply failed", exc_info=error)
            self._transport.abort()
        self._next()

    async def _answer(self, received: Received, wire: Wire) -> None:
        journal = self._service.journal
        journal.received(received)
        journal.began(wire.log)
        try:
            await self._reply(received, wire)
        except Gone:
            wire.log.aborted_at = wire.log.aborted_at or time.perf_counter_ns()
        finally:
            wire.log.over = True
            journal.over(wire.log)

    async def _reply(self, received: Received, wire: Wire) -> None:
        refused = self._service.gate(received) if self._service.gate else None
        if refused is not None:
            status, headers, body = refused
            await wire.head(status, headers, len(body))
            await wire.body(body, ("body",))
            return await wire.end()
        chosen = self._service.script_for(received)
        if isinstance(chosen, Script):
            return await play(chosen, received, wire)
        return await chosen(received, wire)


async def play(script: Script, received: Received, wire: Wire) -> None:
    """Answer by a script."""
    found = answer(received, script)
    course = plan(found, script)
    log = wire.log
    log.operation, log.fault = found.operation if found else "", script.fault
    if script.status < 300 and script.usage_reported:
        log.input_tokens, log.output_tokens = script.usage().input_tokens, script.usage().output_tokens
    wire.closing = wire.closing or script.close
    wire.tcp_split, wire.split_gap = script.tcp_split, script.split_gap
    if script.raw is not None:
        await _play_raw(script, wire)
    else:
        await _play(course, script, wire)


async def _play_raw(script: Script, wire: Wire) -> None:
    await wire.until(script.head_after or 0.0)
    wire.log.head_at = time.perf_counter_ns()
    await wire.raw(script.raw or b"")
    wire.log.ended_at = time.perf_counter_ns()
    if wire.closing:
        wire.fin()


async def _play(course: Plan, script: Script, wire: Wire) -> None:
    if course.head_due is not None:
        await wire.until(course.head_due)
        for status in script.interim:
            await wire.raw(f"HTTP/1.1 {status} Interim\r\n\r\n".encode())
        await wire.head(course.status, course.headers + script.headers, course.length, close_delimited=script.close_delimited)
    for write in course.writes:
        await wire.until(write.due)
        await wire.body(write.data, write.kinds)
    if course.ending == "clean":
        await wire.end(script.trailers)
    elif course.ending == "fin":
        wire.fin()
    elif course.ending == "reset":
        await wire.reset()
    else:
        await asyncio.get_running_loop().create_future()
