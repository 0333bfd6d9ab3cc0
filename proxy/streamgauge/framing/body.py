"""Collects a whole body up to a limit, for answers that are one JSON document.

Knows: how much may be held. Must not know: what the bytes mean.
"""

from __future__ import annotations

from streamgauge.errors import Undecodable

MAX_BODY = 1024 * 1024
"""Long answers of language models are some 100 KB of JSON; what is larger carries images or vectors. Times the number of
open exchanges this is the memory bound of all whole bodies."""


class BoundedBody:
    """The bytes of one body, in order, at most ``limit`` of them."""

    __slots__ = ("_held", "_limit", "_overrun")

    def __init__(self, limit: int = MAX_BODY) -> None:
        self._held = bytearray()
        self._limit = limit
        self._overrun = False

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            Undecodable: ``body_too_large``, now and ever after; nothing is held any more.
        """
        if self._overrun or len(self._held) + len(chunk) > self._limit:
            self._overrun = True
            self._held.clear()
            raise Undecodable("body_too_large")
        self._held += chunk

    def take(self) -> bytes:
        """Return all bytes and hold none.

        Raises:
            Undecodable: ``body_too_large``, when it was.
        """
        if self._overrun:
            raise Undecodable("body_too_large")
        body = bytes(self._held)
        self._held.clear()
        return body
