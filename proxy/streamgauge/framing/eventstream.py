"""Decoder of ``application/vnd.amazon.eventstream``: bytes in any slicing become frames.

Knows: the binary layout (prelude, headers, payload, two checksums) and its limits.
Must not know: what an event means; that is the dialects' business.
Runs for every chunk of every Bedrock and SageMaker stream, so it holds no headers it has seen before twice and
copies a payload once.

Layout, big-endian: total length u32, headers length u32, CRC-32 of these 8 bytes, headers, payload, CRC-32 of all before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple
from zlib import crc32

from streamgauge.errors import Undecodable

PRELUDE = 12
OVERHEAD = 16
"""Prelude plus the trailing checksum: the size of a frame without headers and payload."""

MAX_HEADERS = 128 * 1024
MAX_PAYLOAD = 24 * 1024 * 1024
"""The limits of botocore's own decoder: what it refuses, no caller can have read either."""

KNOWN_HEADERS_LIMIT = 512
KNOWN_HEADER_BYTES = 512
"""Header blocks of real streams are some dozens, each around 80 bytes, and repeat for ever. More or longer ones are
parsed each time, so that a peer inventing headers cannot fill the memory."""

_prelude = Struct(">III").unpack_from
_u32 = Struct(">I").unpack_from

_STRING = 7
_FIXED_WIDTH = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Header value types whose width is in the type: true, false, int8, int16, int32, int64, timestamp, uuid."""
_MEASURED_WIDTH = (6, _STRING)
"""Header value types that carry their width: bytes and string."""


class Head(NamedTuple):
    """The headers a dialect asks for; ``None`` where the frame has none of this name.

    ``kind`` is ``:message-type`` (``event``, ``exception``, ``error``); ``name`` is ``:event-type``, else ``:exception-type``,
    else ``:error-code``.
    """

    kind: str | None
    name: str | None
    content_type: str | None


Frame = tuple[Head, bytes]
"""A complete frame with both checksums right: its head and its payload."""

_known: dict[bytes, Head] = {}
_NOTHING: tuple[Frame, ...] = ()


class EventStreamDecoder:
    """Turns the bytes of one stream into frames. Holds at most one incomplete frame.

    Raises:
        Undecodable: ``prelude_crc``, ``message_crc``, ``frame_size`` or ``header``. The decoder is dead after that and raises
            the same again. Frames that were complete before the damage are returned first; the error waits for the next call.
    """

    __slots__ = ("_broken", "_held", "_need")

    def __init__(self) -> None:
        self._held = bytearray()
        self._need = PRELUDE
        self._broken: Undecodable | None = None

    def feed(self, chunk: bytes) -> Sequence[Frame]:
        """Take the next bytes of the stream; return the frames they complete, in order."""
        if self._broken is not None:
            raise self._broken
        if self._held:
            self._held += chunk
            if len(self._held) < self._need:
                return _NOTHING
            chunk = bytes(self._held)
            self._held.clear()
        frames: list[Frame] = []
        at, end = 0, len(chunk)
        self._need = PRELUDE
        try:
            while end - at >= PRELUDE:
                total, headers_size, checksum = _prelude(chunk, at)
                running = crc32(chunk[at : at + 8])
                if running != checksum:
                    raise Undecodable("prelude_crc")
                _check_sizes(total, headers_size)
                stop = at + total
                if stop > end:
                    self._need = total
                    break
                if crc32(chunk[at + 8 : stop - 4], running) != _u32(chunk, stop - 4)[0]:
                    raise Undecodable("message_crc")
                body = at + PRELUDE + headers_size
                block = chunk[at + PRELUDE : body]
                frames.append((_known.get(block) or _head(block), chunk[body : stop - 4]))
                at = stop
        except Undecodable as error:
            self._broken = error
            if frames:
                return frames
            raise
        if at < end:
            self._held += chunk[at:] if at else chunk
        return frames

    def whole(self, chunk: bytes) -> Frame | None:
        """The frame, if ``chunk`` is exactly one whole frame of a kind seen before: most reads are, and this is half the price of ``feed``.

        ``None`` says nothing about the bytes: give them to ``feed``.
        """
        size = len(chunk)
        if self._held or size < OVERHEAD or self._broken is not None:
            return None
        total, headers_size, checksum = _prelude(chunk, 0)
        if total != size:
            return None
        body = PRELUDE + headers_size
        head = _known.get(chunk[PRELUDE:body])
        running = crc32(chunk[:8])
        if head is None or running != checksum or crc32(chunk[8:-4], running) != _u32(chunk, size - 4)[0]:
            return None
        return head, chunk[body:-4]

    def close(self) -> bool:
        """Say whether the stream ended at a frame border.

        Raises:
            Undecodable: damage that was found behind the last frames ``feed`` returned.
        """
        if self._broken is not None:
            raise self._broken
        return not self._held


def _check_sizes(total: int, headers_size: int) -> None:
    payload = total - headers_size - OVERHEAD
    if payload < 0 or payload > MAX_PAYLOAD or headers_size > MAX_HEADERS:
        raise Undecodable("frame_size")


def _head(block: bytes) -> Head:
    """Parse a header block that was not seen before, and remember it while there is room."""
    try:
        values = _strings(block)
    except (IndexError, ValueError, KeyError):
        raise Undecodable("header") from None
    name = values.get(":event-type") or values.get(":exception-type") or values.get(":error-code")
    head = Head(values.get(":message-type"), name, values.get(":content-type"))
    if len(block) <= KNOWN_HEADER_BYTES and len(_known) < KNOWN_HEADERS_LIMIT:
        _known[block] = head
    return head


def _strings(block: bytes) -> dict[str, str]:
    """Read the string headers of a block; headers of other types are stepped over. Raises on a malformed block."""
    seen: set[str] = set()
    values: dict[str, str] = {}
    at = 0
    while at < len(block):
        name_end = at + 1 + block[at]
        name = block[at + 1 : name_end].decode()
        kind = block[name_end]
        at = name_end + 1
        if kind in _MEASURED_WIDTH:
            width = int.from_bytes(block[at : at + 2], "big")
            at += 2
        else:
            width = _FIXED_WIDTH[kind]
        if at + width > len(block) or name in seen:
            raise ValueError(name)
        seen.add(name)
        if kind == _STRING:
            values[name] = block[at : at + width].decode()
        at += width
    return values
