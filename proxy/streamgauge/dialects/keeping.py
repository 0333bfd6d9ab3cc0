"""A stream that will tell no counts, kept for the length of its exchange so that its tokens can be estimated from its text.

Knows: how much is kept. Must not know: any format.
"""

from __future__ import annotations

from streamgauge.dialects.base import Dialect, Events


class Keeping:
    """Feeds ``inner`` and keeps the first ``limit`` bytes of the body, as the pieces in which they came."""

    __slots__ = ("_inner", "_pieces", "_room")

    def __init__(self, inner: Dialect, limit: int) -> None:
        self._inner = inner
        self._pieces: list[bytes] = []
        self._room = limit

    @property
    def frames(self) -> int:
        """See ``Dialect``."""
        return self._inner.frames

    @property
    def written(self) -> int:
        """See ``Dialect``."""
        return self._inner.written

    @property
    def kept(self) -> bytes | None:
        """See ``Dialect``: the beginning of the stream, or what ``inner`` keeps of an answer in one piece."""
        inner = self._inner.kept
        return b"".join(self._pieces) if inner is None else inner

    @property
    def ended(self) -> bool:
        """See ``Dialect``."""
        return self._inner.ended

    def feed(self, body: bytes) -> Events:
        """See ``Dialect.feed``."""
        if self._room > 0:
            self._pieces.append(body[: self._room] if len(body) > self._room else body)
            self._room -= len(body)
        return self._inner.feed(body)

    def close(self) -> Events:
        """See ``Dialect.close``."""
        return self._inner.close()
