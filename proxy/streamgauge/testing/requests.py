"""HTTP/1.x requests out of bytes, in any slicing; keeps everything as it came.

Knows: request line, header block, Content-Length, chunked bodies with trailers, Expect.
Must not know: sockets, clocks, what the request is about.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from streamgauge.testing.received import RawHeaders

MAX_HEAD = 256 * 1024
"""Far above what AWS takes (a request-metadata header alone may have 8,500 bytes), far below what hurts."""

MAX_BODY = 64 * 1024 * 1024
"""Bedrock allows 25,000,000 bytes."""


class BadRequest(ValueError):
    """The bytes are no HTTP/1.x request that can be framed safely."""


@dataclass
class Request:
    """One request as it came."""

    method: str
    target: str
    version: str
    head: bytes
    headers: RawHeaders
    body: bytearray = field(default_factory=bytearray)
    trailers: RawHeaders = ()

    def has(self, name: bytes, token: bytes) -> bool:
        """Whether a header with that lower-case name contains the lower-case token."""
        return any(key.lower() == name and token in value.lower() for key, value in self.headers)


class RequestReader:
    """Feed bytes, get whole requests. ``started`` says that bytes of an unfinished one are held; ``expects`` that it waits for a 100."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._request: Request | None = None
        self._left = 0
        self._chunked = False
        self._asked = False

    @property
    def started(self) -> bool:
        """Whether part of a request is here."""
        return bool(self._buffer) or self._request is not None

    def expects(self) -> bool:
        """True once per request that asked for ``100-continue`` and whose body is not here yet."""
        waiting = self._request is not None and self._request.has(b"expect", b"100-continue") and not self._asked
        self._asked = self._asked or waiting
        return waiting

    def feed(self, data: bytes) -> list[Request]:
        """The requests completed by these bytes. Raises ``BadRequest``."""
        self._buffer += data
        done = []
        while (request := self._next()) is not None:
            done.append(request)
        return done

    def _next(self) -> Request | None:
        if self._request is None and not self._read_head():
            return None
        request = self._request
        assert request is not None
        if not (self._read_chunks(request) if self._chunked else self._read_length(request)):
            return None
        self._request, self._asked = None, False
        return request

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD:
                raise BadRequest("head too large")
            return False
        head = bytes(self._buffer[: end + 4])
        del self._buffer[: end + 4]
        line, *fields = head[:-4].split(b"\r\n")
        parts = line.decode("latin-1").split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise BadRequest("request line")
        self._request = request = Request(parts[0], parts[1], parts[2], head, _fields(fields))
        self._chunked = request.has(b"transfer-encoding", b"chunked")
        self._left = _length(request.headers)
        return True

    def _read_length(self, request: Request) -> bool:
        take = min(self._left, len(self._buffer))
        request.body += self._buffer[:take]
        del self._buffer[:take]
        self._left -= take
        return self._left == 0

    def _read_chunks(self, request: Request) -> bool:
        while (end := self._buffer.find(b"\r\n")) >= 0:
            size = _size(bytes(self._buffer[:end]))
            if size == 0:
                return self._read_trailers(request, end + 2)
            if len(self._buffer) < end + 2 + size + 2:
                return False
            request.body += self._buffer[end + 2 : end + 2 + size]
            del self._buffer[: end + 2 + size + 2]
            if len(request.body) > MAX_BODY:
                raise BadRequest("body too large")
        return False

    def _read_trailers(self, request: Request, start: int) -> bool:
        if self._buffer[start : start + 2] == b"\r\n":
            del self._buffer[: start + 2]
            return True
        end = self._buffer.find(b"\r\n\r\n", start)
        if end < 0:
            return False
        request.trailers = _fields(bytes(self._buffer[start:end]).split(b"\r\n"))
        del self._buffer[: end + 4]
        return True


def _fields(lines: list[bytes]) -> RawHeaders:
    pairs = [line.split(b":", 1) for line in lines]
    if any(len(pair) != 2 for pair in pairs):
        raise BadRequest("header line")
    return tuple((name, value.strip(b" \t")) for name, value in pairs)


def _length(headers: RawHeaders) -> int:
    lengths = {value for name, value in headers if name.lower() == b"content-length"}
    if len(lengths) > 1 or not all(value.isdigit() for value in lengths):
        raise BadRequest("content-length")
    length = int(lengths.pop()) if lengths else 0
    if length > MAX_BODY:
        raise BadRequest("body too large")
    return length


def _size(line: bytes) -> int:
    try:
        return int(line.split(b";", 1)[0], 16)
    except ValueError:
        raise BadRequest("chunk size") from None
