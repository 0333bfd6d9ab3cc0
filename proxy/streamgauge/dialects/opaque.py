"""Answers nobody here understands: they are timed, nothing is read in them, and nothing in them is a fault."""

from __future__ import annotations

from streamgauge.dialects.base import NOTHING, Events, Unread
from streamgauge.errors import Undecodable


class Opaque(Unread):
    """Counts the first bytes as its one frame and tells only what the head said.

    ``refused`` is the reason why an answer that could have been understood is not read (``content_encoding``); it is raised
    with the first bytes, or with the next call where the head had something to tell first.
    """

    __slots__ = ("_opening", "_refused", "frames")

    def __init__(self, opening: Events = NOTHING, refused: str | None = None) -> None:
        self.frames = 0
        self._opening = opening
        self._refused = refused

    def feed(self, body: bytes) -> Events:
        """See ``Dialect.feed``."""
        self.frames = 1 if body else self.frames
        return self.close()

    def close(self) -> Events:
        """See ``Dialect.close``."""
        if self._opening:
            opening, self._opening = self._opening, NOTHING
            return opening
        if self._refused is not None and self.frames:
            raise Undecodable(self._refused)
        return NOTHING
