"""What all dialects have in common: the interface, and the walk from bytes over frames to stream events.

Knows: order of events, what happens at the end of a body, how an error is kept until it can be raised.
Must not know: any provider's format.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

from streamgauge.dialects.meaning.counts import OTHER
from streamgauge.errors import Undecodable
from streamgauge.framing.body import BoundedBody
from streamgauge.framing.sse import SseDecoder, SseFrame
from streamgauge.records import Fault, StreamEvent

Events = Sequence[StreamEvent]

NOTHING: tuple[StreamEvent, ...] = ()
"""The answer of a frame that says nothing: a role, a ping, an empty delta."""

TRUNCATED = Fault("stream_truncated")
"""A stream ended cleanly for HTTP, but without its own end marker; SDKs take that for a complete answer."""

NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What the JSON decoder raises for bytes that are no JSON, no UTF-8, or nested beyond reason."""

F = TypeVar("F")
F_co = TypeVar("F_co", covariant=True)
T = TypeVar("T")


class Dialect(Protocol):
    """Turns the body bytes of one response into stream events. One object per response."""

    @property
    def frames(self) -> int:
        """Complete frames of any kind so far, also those that say nothing."""

    @property
    def written(self) -> int:
        """Bytes (UTF-8) of generated text in a stream so far; an answer in one piece is not looked into and has 0."""

    @property
    def kept(self) -> bytes | None:
        """The body, as far as it was kept, for an estimate of its tokens: of an answer in one piece once it is complete, of a stream
        if that was asked for (``keeping.Keeping``).
        """

    @property
    def ended(self) -> bool:
        """Whether the stream's own end marker was seen, behind which its format has nothing more. SDKs leave there."""

    def feed(self, body: bytes) -> Events:
        """Take the next body bytes, in any slicing; return the events they complete.

        Raises:
            Undecodable: the bytes make no sense. Events before the damage are returned first; the error then comes with the
                next call, be it ``feed`` or ``close``, and with every later one.
        """

    def close(self) -> Events:
        """The body ended cleanly; return what is only known now. A stream without its end marker ends in a ``Fault``.

        Raises:
            Undecodable: as ``feed``.
        """


class Decoder(Protocol[F_co]):
    """Bytes in, frames out; see ``framing``."""

    def feed(self, chunk: bytes) -> Sequence[F_co]:
        """Take bytes, return the frames they complete."""

    def close(self) -> bool:
        """Whether the bytes ended at a frame border."""


class Unread:
    """What a dialect says of itself that counts no text, keeps nothing and has no end of its own before its body's."""

    __slots__ = ()

    @property
    def written(self) -> int:
        """See ``Dialect``; those that know text count it."""
        return 0

    @property
    def kept(self) -> bytes | None:
        """See ``Dialect``."""
        return None

    @property
    def ended(self) -> bool:
        """See ``Dialect``; an event stream may have more behind its marker."""
        return False


class StreamDialect(Unread, ABC, Generic[F]):
    """A dialect whose body is a row of frames. Subclasses say what a frame means.

    ``opening`` are events known from the response head; they come with the first bytes.
    Subclasses set ``_over`` once the stream's own end marker was seen, and answer a fault with ``_fault``.
    """

    __slots__ = ("_broken", "_decoder", "_faulted", "_opening", "_over", "frames")

    def __init__(self, decoder: Decoder[F], opening: Events = NOTHING) -> None:
        self.frames = 0
        self._decoder = decoder
        self._opening = opening
        self._over = False
        self._faulted = False
        self._broken: Undecodable | None = None

    @abstractmethod
    def _read(self, frame: F) -> Events:
        """Say what one frame means. Raises Undecodable."""

    def _tail(self) -> Events:
        """Say what is only known at the end of the body; may set ``_over``."""
        return NOTHING

    def _cut(self) -> bool:
        """Whether the body ended before the stream did. Bytes of half a frame count: a last usage frame may be among them."""
        return not self._decoder.close() or not self._over

    def _fault(self, error_type: str) -> Events:
        """Answer an error the provider reported inside the stream."""
        self._faulted = True
        return (Fault(error_type),)

    def feed(self, body: bytes) -> Events:
        """See ``Dialect.feed``."""
        if self._broken is not None:
            raise self._broken
        if self._opening:
            return self._first(body)
        frames = self._decoder.feed(body)
        if len(frames) != 1:
            return self._read_all(frames)
        self.frames += 1
        try:
            return self._read(frames[0])
        except Undecodable as error:
            self._broken = error
            raise

    def _first(self, body: bytes) -> Events:
        opening, self._opening = self._opening, NOTHING
        try:
            return [*opening, *self.feed(body)]
        except Undecodable as error:
            self._broken = error
            return opening

    def _read_all(self, frames: Sequence[F]) -> Events:
        events: list[StreamEvent] = []
        for frame in frames:
            self.frames += 1
            try:
                events += self._read(frame)
            except Undecodable as error:
                self._broken = error
                if events:
                    return events
                raise
        return events

    def close(self) -> Events:
        """See ``Dialect.close``."""
        if self._broken is not None:
            raise self._broken
        events = [*self._opening, *self._tail()]
        if not self._faulted and self._cut():
            events.append(TRUNCATED)
        return events


class SseDialect(StreamDialect[SseFrame]):
    """A stream of server-sent events. Behind its end marker nothing is missed, not even half an event."""

    __slots__ = ()

    def __init__(self, opening: Events = NOTHING) -> None:
        super().__init__(SseDecoder(), opening)

    @property
    def ended(self) -> bool:
        """See ``Dialect``."""
        return not self._cut() and not self._faulted

    def _cut(self) -> bool:
        return not self._over


class Meaning(Protocol):
    """What the data of a provider's events mean; ``over`` once the end marker was seen."""

    over: bool
    written: int

    def read(self, data: bytes) -> Events:
        """Say what one event's data mean. Raises Undecodable."""


class NamedErrorDialect(SseDialect):
    """A stream whose events tell their meaning in their JSON, not in their ``event:`` line; but ``event: error`` ends it, whatever its data."""

    __slots__ = ("_events",)

    def __init__(self, events: Meaning, opening: Events = NOTHING) -> None:
        super().__init__(opening)
        self._events = events

    @property
    def written(self) -> int:
        """See ``Dialect``."""
        return self._events.written

    def _read(self, frame: SseFrame) -> Events:
        name, data = frame
        return self._events.read(data) if name != b"error" else self._error(data)

    def _error(self, data: bytes) -> Events:
        self._events.over = True
        try:
            events = self._events.read(data)
        except Undecodable:
            events = NOTHING
        return events if events and isinstance(events[0], Fault) else (Fault(OTHER),)

    def _cut(self) -> bool:
        return not self._events.over


class WholeBody(Unread, ABC):
    """A dialect whose body is one JSON document, understood when it is complete.

    Such a body is one frame. It yields no ``Output``: without streaming there is no moment of the first token to be seen.
    """

    __slots__ = ("_body", "_opening", "frames", "kept")

    def __init__(self, opening: Events = NOTHING) -> None:
        self.frames = 0
        self.kept: bytes | None = None
        self._opening = opening
        self._body = BoundedBody()

    @abstractmethod
    def _read(self, body: bytes) -> Events:
        """Say what the document means. Raises Undecodable."""

    def feed(self, body: bytes) -> Events:
        """See ``Dialect.feed``. What the head says is told before an answer that is too large raises."""
        if not self._opening:
            self._body.feed(body)
            return NOTHING
        opening, self._opening = self._opening, NOTHING
        try:
            self._body.feed(body)
        except Undecodable:
            pass  # the body keeps the error for the next call
        return opening

    def close(self) -> Events:
        """See ``Dialect.close``."""
        body = self.kept = self._body.take()
        self.frames = 1
        return [*self._opening, *self._read(body)]


def decoded(decoder: msgspec.json.Decoder[T], payload: bytes) -> T:
    """Decode JSON whose shape is the provider's contract.

    Raises:
        Undecodable: ``json``, for bytes that are not JSON, of another shape, or nested beyond reason.
    """
    try:
        return decoder.decode(payload)
    except NOT_JSON:
        raise Undecodable("json") from None


def understood(decoder: msgspec.json.Decoder[T], payload: bytes) -> T | None:
    """Decode JSON whose shape is the customer's own affair: ``None`` when it is JSON of another shape.

    Raises:
        Undecodable: ``json``, for bytes that are not JSON, or nested beyond reason.
    """
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError:
        return None
    except NOT_JSON:
        raise Undecodable("json") from None
