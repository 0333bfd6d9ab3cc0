"""Decoder of ``text/event-stream``: bytes in any slicing become server-sent events.

Knows: the WHATWG grammar (field lines in any order, comments, byte order mark, blank line as the end of an event).
Must not know: what the data mean. ``id`` and ``retry`` steer reconnecting browsers and are skipped.
"""

from __future__ import annotations

from collections.abc import Sequence

from streamgauge.errors import Undecodable
from streamgauge.framing.lines import MAX_LINE, LineDecoder

SseFrame = tuple[bytes, bytes]
"""An event's name (empty when it has none) and its data; several data lines are joined by LF."""

_BOM = b"\xef\xbb\xbf"
_NOTHING: tuple[SseFrame, ...] = ()


class SseDecoder:
    """Turns the bytes of one stream into events. Holds at most one line and the data of one event, ``limit`` bytes each.

    Raises:
        Undecodable: ``line_too_long``, for a line or for the data of one event, now and ever after. Events before are returned first.
    """

    __slots__ = ("_broken", "_data", "_first", "_limit", "_lines", "_name")

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._lines = LineDecoder(limit)
        self._limit = limit
        self._first = True
        self._name = b""
        self._data: bytes | bytearray | None = None
        self._broken: Undecodable | None = None

    def feed(self, chunk: bytes) -> Sequence[SseFrame]:
        """Take the next bytes; return the events they complete. An event without data is none, as the grammar says."""
        if self._broken is not None:
            raise self._broken
        lines = self._lines.feed(chunk)
        if not lines:
            return _NOTHING
        if self._first:
            self._first = False
            lines = [lines[0].removeprefix(_BOM), *lines[1:]]
        frames: list[SseFrame] = []
        for line in lines:
            if line.startswith(b"data:") or line == b"data":
                value = line[6:] if line.startswith(b" ", 5) else line[5:]
                if self._data is None:
                    self._data = value
                elif not self._join(value):
                    return self._overrun(frames)
            elif not line:
                if self._data is not None:
                    frames.append((self._name, bytes(self._data)))
                    self._data = None
                self._name = b""
            elif line.startswith(b"event:") or line == b"event":
                self._name = line[6:].removeprefix(b" ")
        return frames

    def _join(self, value: bytes) -> bool:
        """Add a further data line; false when that is more than may be held."""
        if not isinstance(self._data, bytearray):
            self._data = bytearray(self._data or b"")  # grows in place: many short lines cost no copy each
        self._data += b"\n"
        self._data += value
        return len(self._data) <= self._limit

    def _overrun(self, frames: Sequence[SseFrame]) -> Sequence[SseFrame]:
        self._data = None
        self._broken = Undecodable("line_too_long")
        if frames:
            return frames
        raise self._broken

    def close(self) -> bool:
        """Say whether the stream ended behind a complete event.

        Raises:
            Undecodable: as ``feed``.
        """
        if self._broken is not None:
            raise self._broken
        return not self._lines.close() and self._data is None
