"""Lines out of bytes in any slicing: ended by LF, CR or CRLF, bounded in length.

Knows: line ends, also a CRLF that was cut between its halves. Must not know: what a line says.
"""

from __future__ import annotations

from collections.abc import Sequence

from streamgauge.errors import Undecodable

MAX_LINE = 1024 * 1024
"""Real lines are below 1 KB; the longest legal ones (a whole answer repeated in the last event, a search result) are some 100 KB."""

_NOTHING: tuple[bytes, ...] = ()


class LineDecoder:
    """Turns bytes into complete lines without their ends. Holds at most one line of ``limit`` bytes.

    Raises:
        Undecodable: ``line_too_long``, now and ever after. Lines before the long one are returned first; the error then
            waits for the next call.
    """

    __slots__ = ("_after_cr", "_broken", "_held", "_limit")

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._held = bytearray()
        self._after_cr = False
        self._limit = limit
        self._broken: Undecodable | None = None

    def feed(self, chunk: bytes) -> Sequence[bytes]:
        """Take the next bytes; return the lines they complete."""
        if self._broken is not None:
            raise self._broken
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk[0] == 0x0A:
                chunk = chunk[1:]
        if not chunk:
            return _NOTHING
        last = chunk[-1]
        if self._held:
            self._held += chunk
            if b"\n" not in chunk and b"\r" not in chunk:
                return self._bounded(_NOTHING)
            chunk = bytes(self._held)
            self._held.clear()
        lines = chunk.splitlines()
        if last == 0x0D:
            self._after_cr = True
        elif last != 0x0A:
            self._held += lines.pop()
        return self._bounded(lines) if len(chunk) > self._limit else lines

    def _bounded(self, lines: Sequence[bytes]) -> Sequence[bytes]:
        whole = next((at for at, line in enumerate(lines) if len(line) > self._limit), len(lines))
        if whole == len(lines) and len(self._held) <= self._limit:
            return lines
        self._held.clear()
        self._broken = Undecodable("line_too_long")
        if whole:
            return lines[:whole]
        raise self._broken

    def close(self) -> bytes:
        """Return the bytes of a last line that has no end; empty where there is none.

        Raises:
            Undecodable: as ``feed``.
        """
        if self._broken is not None:
            raise self._broken
        rest = bytes(self._held)
        self._held.clear()
        return rest
