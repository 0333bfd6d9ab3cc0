"""Finds head, body and end of one HTTP/1.1 response in the bytes of a connection, in any slicing.

Knows: status line, header block, interim responses, content length, chunked coding with trailers, bodies that end with the connection (RFC 9112).
Must not know: sockets, clocks, what a body means.

The relay forwards the very bytes it received. This scanner only says where things are: it is stricter than most clients,
since a response that two readers can frame differently is how one caller's answer ends up in another's connection.
"""

from __future__ import annotations

import re

import msgspec

from streamgauge.errors import BadResponse

MAX_HEAD_BYTES = 65_536
"""Head of a response, all interim heads apart. AWS answers stay under 4 KiB; nginx and Envoy stop at 32-60 KiB."""

MAX_LINE_BYTES = 8_192
"""A chunk-size line with extensions, or one trailer line."""

MAX_TRAILER_BYTES = 65_536
"""All trailers together: the same room as a head."""

MAX_INTERIMS = 8
"""1xx responses before the final one. More is a loop, not a hint."""

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([\t \x21-\x7e\x80-\xff]*))?")
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_HEADER_LINE = re.compile(rb"(" + _TOKEN + rb"):([\t \x21-\x7e\x80-\xff]*+)")
_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_EXTENSIONS = rb"(?:;" + _TOKEN + rb"(?:=(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?)*"
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[\t ]*+" + _EXTENSIONS)
# Nothing here can match in two ways, so a hostile line costs no more than its length. Groups are not possessive, only classes are:
# before CPython 3.11.5 (Debian 12 has 3.11.2) a possessive group that fails inside keeps what it had read (CPython issue 106052).
_LENGTH = re.compile(r"[0-9]{1,18}")

_LINES: dict[bytes, tuple[bytes, bytes, str, str]] = {}
_LINES_KEPT = 4_096
_LINE_KEPT_BYTES = 128
"""Header lines whose parts are remembered: all but the date and the request id are the same in every answer. Forgotten all at once when full."""

_SIZES: dict[bytes, int] = {}
_SIZES_KEPT = 4_096
"""Chunk-size lines whose value is remembered: streams repeat a few hundred, and a dict hit costs a third of a checked parse."""


class ResponseHead(msgspec.Struct, frozen=True):
    """A response's head. ``raw`` is the exact block including the empty line; ``headers`` in order, names and values as sent.

    ``by_name`` has the names in lower case; values of repeated names are joined by a comma.
    """

    status: int
    raw: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    http_1_1: bool
    by_name: dict[str, str]


# States of a body. Integers, since the hot path compares them per chunk.
_HEAD, _LENGTH_BODY, _UNTIL_CLOSE, _SIZE_LINE, _CHUNK_DATA, _CHUNK_END, _TRAILERS, _DONE = range(8)


class ResponseScanner:
    """Feed the connection's bytes; read ``head``, ``done`` and ``consumed`` after each feed.

    ``feed`` returns the body bytes found, chunk framing removed, in order. ``consumed`` is how many bytes of the last fed data belong to
    this response (fewer than fed only when ``done``). ``interims`` holds the raw 1xx heads found by the last feed up to the one that completed
    the head; ``body_start`` is where the body begins in the data of that one.
    Raises ``BadResponse``; after that the object must not be fed again.
    """

    __slots__ = (
        "_buffer",
        "_expects_body",
        "_interims_seen",
        "_remaining",
        "_state",
        "_trailer_bytes",
        "body_start",
        "consumed",
        "head",
        "interims",
    )

    def __init__(self, *, expects_body: bool = True) -> None:
        """``expects_body`` is false for answers to HEAD."""
        self._state = _HEAD
        self._buffer = b""
        self._remaining = 0
        self._trailer_bytes = 0
        self._expects_body = expects_body
        self._interims_seen = 0
        self.head: ResponseHead | None = None
        self.interims: tuple[bytes, ...] = ()
        self.consumed = 0
        self.body_start = 0

    @property
    def done(self) -> bool:
        """The response is complete."""
        return self._state == _DONE

    @property
    def has_trailers(self) -> bool:
        """Trailers came behind the chunks."""
        return self._trailer_bytes > 0

    @property
    def ends_with_connection(self) -> bool:
        """The body has no stated end: only the connection's orderly close ends it."""
        return self._state == _UNTIL_CLOSE

    def feed(self, data: bytes) -> list[bytes]:
        """Body bytes in ``data``. See the class."""
        # The frequent case first: whole chunks arriving at a chunk border, nothing carried over.
        if self._state == _SIZE_LINE and not self._buffer:
            self.consumed = size = len(data)
            end = data.find(b"\r\n")
            length = _SIZES.get(data[:end])
            # Most often a read is exactly one chunk.
            if length is not None and length and end + 4 + length == size and data.endswith(b"\r\n"):
                return [data[end + 2 : -2]]
            return self._feed_chunked(data, 0)
        if self._state == _HEAD:
            start = self._feed_head(data)
            if start < 0:
                self.consumed = len(data)
                return []
            self.body_start = start
            return self._feed_body(data, start)
        self.interims = ()
        return self._feed_body(data, 0)

    def _feed_head(self, data: bytes) -> int:
        """Index in ``data`` where the body starts, or -1 while the head is incomplete."""
        held = len(self._buffer)
        buffer = self._buffer + data
        start = 0
        interims: list[bytes] = []
        while True:
            end = buffer.find(b"\r\n\r\n", start)
            # While the end is missing, up to three bytes of it may be here already.
            if (end if end >= 0 else len(buffer) - 3) - start > MAX_HEAD_BYTES:
                raise BadResponse("head too large")
            if end < 0:
                _check_plausible(buffer[start:])
                self._buffer = buffer[start:]
                self.interims = tuple(interims)
                return -1
            head = parse_head(buffer[start : end + 4])
            start = end + 4
            if head.status >= 200:
                break
            self._interims_seen += 1
            if head.status == 101 or self._interims_seen > MAX_INTERIMS:
                raise BadResponse("unexpected switch of protocols" if head.status == 101 else "too many interim responses")
            interims.append(head.raw)
        self._buffer = b""
        self.interims = tuple(interims)
        self.head = head
        self._choose_framing(head)
        return start - held

    def _choose_framing(self, head: ResponseHead) -> None:
        coding, length = body_framing(head)
        if not self._expects_body or head.status in (204, 304):
            self._state = _DONE
        elif coding:
            self._state = _SIZE_LINE
        elif length is None:
            self._state = _UNTIL_CLOSE
        else:
            self._remaining = length
            self._state = _LENGTH_BODY if length else _DONE

    def _feed_body(self, data: bytes, pos: int) -> list[bytes]:
        self.consumed = len(data)
        state = self._state
        if state == _LENGTH_BODY:
            return self._feed_length(data, pos)
        if state == _UNTIL_CLOSE:
            return [data[pos:]] if pos < len(data) else []
        if state == _DONE:
            self.consumed = pos
            return []
        return self._feed_chunked(data, pos)

    def _feed_length(self, data: bytes, pos: int) -> list[bytes]:
        available = len(data) - pos
        if available >= self._remaining:
            end = pos + self._remaining
            self._remaining = 0
            self._state = _DONE
            self.consumed = end
            return [data[pos:end]]
        self._remaining -= available
        return [data[pos:]] if available else []

    def _feed_chunked(self, data: bytes, pos: int) -> list[bytes]:
        out: list[bytes] = []
        size = len(data)
        state = self._state
        while pos < size:
            if state == _SIZE_LINE:
                end = data.find(b"\r\n", pos)
                if end < 0 or self._buffer:
                    line, pos = self._line(data, pos)
                    if line is None:
                        break
                else:
                    line = data[pos:end]
                    pos = end + 2
                self._remaining = _SIZES.get(line) or _parse_size(line)
                state = _CHUNK_DATA if self._remaining else _TRAILERS
            elif state == _CHUNK_DATA:
                end = pos + self._remaining
                if end > size:
                    out.append(data[pos:])
                    self._remaining = end - size
                    pos = size
                    break
                out.append(data[pos:end])
                self._remaining = 0
                # Most often the chunk's CRLF is here as well: no further round through the loop for it.
                if data[end : end + 2] == b"\r\n":
                    pos = end + 2
                    state = _SIZE_LINE
                else:
                    pos = end
                    state = _CHUNK_END
            elif state == _CHUNK_END:
                pos = self._chunk_end(data, pos)
                state = _CHUNK_END if self._buffer else _SIZE_LINE
            else:
                line, pos = self._line(data, pos)
                if line is None:
                    break
                if not line:
                    state = _DONE
                    self.consumed = pos
                    break
                self._trailer(line)
        self._state = state
        return out

    def _chunk_end(self, data: bytes, pos: int) -> int:
        ending = self._buffer + data[pos : pos + 2 - len(self._buffer)]
        if not b"\r\n".startswith(ending):
            raise BadResponse("chunk longer than its stated size")
        pos += len(ending) - len(self._buffer)
        self._buffer = b"" if len(ending) == 2 else ending
        return pos

    def _line(self, data: bytes, pos: int) -> tuple[bytes | None, int]:
        """The next CRLF-ended line (without it) and where it ends; ``None`` while incomplete."""
        held = self._buffer
        # A line ending may be torn between CR and LF, so the search runs over what is held plus the new bytes.
        joined = held + data[pos : pos + MAX_LINE_BYTES + 2]
        end = joined.find(b"\r\n")
        if (end if end >= 0 else len(joined) - 1) > MAX_LINE_BYTES:
            raise BadResponse("line too long")
        if end < 0:
            if b"\n" in joined:
                raise BadResponse("bare line feed")
            self._buffer = joined
            return None, len(data)
        self._buffer = b""
        return joined[:end], pos + end + 2 - len(held)

    def _trailer(self, line: bytes) -> None:
        self._trailer_bytes += len(line) + 2
        if self._trailer_bytes > MAX_TRAILER_BYTES or not _HEADER_LINE.fullmatch(line):
            raise BadResponse("bad trailer")


def _parse_size(line: bytes) -> int:
    matched = _CHUNK_SIZE.fullmatch(line) if len(line) <= MAX_LINE_BYTES else None
    if matched is None:
        raise BadResponse("bad chunk size")
    value = int(matched[1], 16)
    if len(_SIZES) < _SIZES_KEPT and len(line) <= 8:
        _SIZES[line] = value
    return value


def _check_plausible(part: bytes) -> None:
    """Refuse at once what no further bytes can mend: waiting for them would be a hang."""
    if not b"HTTP/1.1 ".startswith(part[:9]) and not b"HTTP/1.0 ".startswith(part[:9]):
        raise BadResponse("not an HTTP/1 response")
    if part.count(b"\n") != part.count(b"\r\n"):
        raise BadResponse("bare line feed")


def parse_head(raw: bytes) -> ResponseHead:
    """The head in ``raw`` (status line to empty line, inclusive). Raises ``BadResponse`` on anything two readers could read differently."""
    lines = raw[:-4].split(b"\r\n")
    status = _STATUS_LINE.fullmatch(lines[0])
    if status is None:
        raise BadResponse("bad status line")
    headers = []
    by_name: dict[str, str] = {}
    for line in lines[1:]:
        name, value, lowered, text = _LINES.get(line) or _parse_line(line)
        headers.append((name, value))
        by_name[lowered] = f"{by_name[lowered]}, {text}" if lowered in by_name else text
    return ResponseHead(int(status[2]), raw, tuple(headers), status[1] == b"1", by_name)


def _parse_line(line: bytes) -> tuple[bytes, bytes, str, str]:
    """(name, value, name in lower case, value as text)."""
    matched = _HEADER_LINE.fullmatch(line)
    if matched is None:
        raise BadResponse("bad header line")
    name, value = matched[1], matched[2].strip(b"\t ")
    parts = (name, value, name.lower().decode("latin-1"), value.decode("latin-1"))
    if len(line) <= _LINE_KEPT_BYTES:
        if len(_LINES) >= _LINES_KEPT:
            _LINES.clear()
        _LINES[line] = parts
    return parts


def body_framing(head: ResponseHead) -> tuple[bool, int | None]:
    """(chunked, content length) as the head states them. Raises ``BadResponse`` where they are doubtful, repeated or conflict."""
    by_name = head.by_name
    coding = by_name.get("transfer-encoding")
    length = by_name.get("content-length")
    if coding is not None:
        if length is not None or coding.lower() != "chunked" or not head.http_1_1:
            raise BadResponse("unsupported transfer coding")
        return True, None
    if length is None:
        return False, None
    if not _LENGTH.fullmatch(length):
        raise BadResponse("bad content length")
    return False, int(length)
