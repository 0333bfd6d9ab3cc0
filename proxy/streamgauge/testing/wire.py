"""The sending side of one response: writes to the socket, keeps the send log.

Knows: HTTP/1.x response framing, back-pressure, how to end a connection well or badly.
Must not know: what is answered.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from email.utils import formatdate
from http.client import responses

from streamgauge.testing.answers import Headers
from streamgauge.testing.plan import borders
from streamgauge.testing.received import Received, SendLog

_LINGER_NOT = struct.pack("ii", 1, 0)
"""SO_LINGER on with zero seconds: closing sends a reset."""


class Gone(ConnectionError):
    """The other side closed the connection; the rest of the answer is of no use."""


class Wire:
    """Where a reply writes to. Every method that sends stamps the log just before it gives the bytes to the socket.

    ``tcp_split`` and ``split_gap`` cut each body write further, anywhere.
    """

    def __init__(self, transport: asyncio.Transport, received: Received, log: SendLog) -> None:
        self.log = log
        self.closing = _wants_close(received)
        self.tcp_split, self.split_gap = 1, 0.0
        self._transport = transport
        self._received = received
        self._chunked = False
        self._writable = asyncio.Event()
        self._writable.set()

    def pause(self) -> None:
        """The socket's buffer is full."""
        self._writable.clear()

    def resume(self) -> None:
        """The socket's buffer has room again."""
        self._writable.set()

    async def until(self, due: float) -> None:
        """Wait until ``due`` seconds after the request was received whole."""
        left = due - (time.perf_counter_ns() - self._received.at) / 1e9
        if left > 0:
            await asyncio.sleep(left)

    async def head(self, status: int, headers: Headers, length: int | None = None, *, close_delimited: bool = False) -> None:
        """The response head. ``length`` None: the body is chunked, or ends with the connection for HTTP/1.0 callers and ``close_delimited``."""
        self._chunked = length is None and not close_delimited and self._received.version != "HTTP/1.0"
        self.closing = self.closing or (length is None and not self._chunked)
        lines = [f"HTTP/1.1 {status} {responses.get(status, 'Unknown')}", f"Date: {formatdate(usegmt=True)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        lines.append(f"x-amzn-RequestId: {self._received.request_id}")
        if length is not None:
            lines.append(f"Content-Length: {length}")
        elif self._chunked:
            lines.append("Transfer-Encoding: chunked")
        lines.append(f"Connection: {'close' if self.closing else 'keep-alive'}")
        self.log.status, self.log.head_at = status, time.perf_counter_ns()
        await self.raw(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    async def body(self, data: bytes, kinds: tuple[str, ...] = ()) -> None:
        """Body bytes, framed; ``kinds`` are the events they complete."""
        if not data:
            return
        framed = b"%x\r\n%s\r\n" % (len(data), data) if self._chunked else data
        pieces = borders(len(framed), self.tcp_split)
        for start, end in pieces:
            if start and self.split_gap:
                await asyncio.sleep(self.split_gap)
            if end == len(framed):
                at = time.perf_counter_ns()
                self.log.frames += [(at, kind) for kind in kinds]
            await self.raw(framed[start:end])

    async def raw(self, data: bytes) -> None:
        """Bytes as they are. Raises ``Gone`` when the other side has closed."""
        if self._transport.is_closing():
            raise Gone
        self.log.writes += 1
        self.log.sent_bytes += len(data)
        self._transport.write(data)
        await self._writable.wait()

    async def end(self, trailers: Headers = ()) -> None:
        """The proper end of the body."""
        if self._chunked:
            await self.raw(b"0\r\n" + b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in trailers) + b"\r\n")
        self.log.ended_at = time.perf_counter_ns()
        if self.closing:
            self.fin()

    def fin(self) -> None:
        """Close; what was written still arrives."""
        self.log.ended_at = self.log.ended_at or time.perf_counter_ns()
        self._transport.close()

    async def reset(self) -> None:
        """Reset the connection, after what was written has left."""
        self.log.ended_at = time.perf_counter_ns()
        while self._transport.get_write_buffer_size() and not self._transport.is_closing():
            await asyncio.sleep(0.001)
        sock: socket.socket = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self._transport.abort()


def _wants_close(received: Received) -> bool:
    said = (received.header("connection") or "").lower()
    return said != "keep-alive" if received.version == "HTTP/1.0" else said == "close"
