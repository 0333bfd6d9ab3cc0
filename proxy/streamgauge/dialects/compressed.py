"""An answer that came compressed: decoded piece by piece for the dialect that reads it, so that a stream keeps its moments.

Knows: nothing but the order of things. Must not know: any format, of compression or of a provider.
"""

from __future__ import annotations

from streamgauge.dialects.base import NOTHING, Dialect, Events
from streamgauge.errors import Undecodable
from streamgauge.framing.coding import ContentDecoder
from streamgauge.records import StreamEvent


class Compressed:
    """Feeds ``inner`` what ``decoder`` makes of the body.

    How much is told of a read in which damage is found depends on the slicing: the libraries keep what they had before it.
    """

    __slots__ = ("_broken", "_decoder", "_inner")

    def __init__(self, inner: Dialect, decoder: ContentDecoder) -> None:
        self._inner = inner
        self._decoder = decoder
        self._broken: Undecodable | None = None

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
        """See ``Dialect``."""
        return self._inner.kept

    @property
    def ended(self) -> bool:
        """See ``Dialect``."""
        return self._inner.ended

    def feed(self, body: bytes) -> Events:
        """See ``Dialect.feed``."""
        if self._broken is not None:
            raise self._broken
        said: Events = NOTHING
        try:
            for plain in self._decoder.feed(body):
                more = self._inner.feed(plain)
                # The usual read holds one piece: its answer is passed on as it is, interned where it was.
                said = [*said, *more] if said and more else more or said
        except Undecodable as error:
            return self._damaged(error, said)
        return said

    def _damaged(self, error: Undecodable, said: Events) -> Events:
        """What the response head said is told in any case: ``inner`` has it until its first bytes."""
        self._broken = error
        events: list[StreamEvent] = [*said]
        try:
            events += self._inner.feed(b"")
        except Undecodable:
            pass  # ``inner`` itself raised the error
        if not events:
            raise error
        return events

    def close(self) -> Events:
        """See ``Dialect.close``. Whether the end is missing is said by what was decoded, not by the compression's own trailer."""
        if self._broken is not None:
            raise self._broken
        return self._inner.close()
