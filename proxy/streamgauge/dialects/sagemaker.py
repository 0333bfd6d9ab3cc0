"""InvokeEndpoint and InvokeEndpointWithResponseStream of Amazon SageMaker: whatever the customer's container says.

Streams come as PayloadParts that respect no line: lines are put together across parts. An end marker is only missed where the
container's format has one.
"""

from __future__ import annotations

from streamgauge.dialects.base import NOTHING, Events, StreamDialect, WholeBody
from streamgauge.dialects.meaning.container_lines import ContainerStream, read_container_answer
from streamgauge.dialects.meaning.counts import exception_name
from streamgauge.errors import Undecodable
from streamgauge.framing.eventstream import EventStreamDecoder, Frame
from streamgauge.framing.lines import LineDecoder
from streamgauge.records import VISIBLE, Output, StreamEvent

_PLAIN = ("text/plain", "application/x-text")
"""Inner content types whose bytes are the generated text itself."""


class SageMakerStream(StreamDialect[Frame]):
    """The parts of one streamed endpoint response. ``inner_type`` is the content type inside the parts, as the head says."""

    __slots__ = ("_container", "_half", "_lines", "_plain", "_plain_written")

    def __init__(self, opening: Events = NOTHING, inner_type: str = "") -> None:
        super().__init__(EventStreamDecoder(), opening)
        self._plain = inner_type in _PLAIN
        self._lines = LineDecoder()
        self._container = ContainerStream()
        self._half = False
        self._plain_written = 0

    @property
    def written(self) -> int:
        """See ``Dialect``."""
        return self._plain_written + self._container.written

    def _read(self, frame: Frame) -> Events:
        (kind, name, _), payload = frame
        if kind != "event":
            return NOTHING if kind is None else self._fault(exception_name(name))
        if name != "PayloadPart" or not payload:
            return NOTHING
        if self._plain:
            self._plain_written += len(payload)
            return VISIBLE
        events: list[StreamEvent] = []
        read = self._container.read
        try:
            for line in self._lines.feed(payload):
                events += read(line)
        except Undecodable as error:
            if not events:
                raise
            self._broken = error
        return events

    def _tail(self) -> Events:
        """The last line may lack its end."""
        try:
            events = self._container.read(self._lines.close())
        except Undecodable:
            self._half = True
            return NOTHING
        return [*events, *self._container.close()]

    def _cut(self) -> bool:
        container = self._container
        if container.faulted:
            return False
        if not self._decoder.close() or not self.frames:
            return True
        return not container.over and (self._half or container.has_end)


class SageMaker(WholeBody):
    """One endpoint answer, understood where it is a chat completion or text generation."""

    __slots__ = ()

    def _read(self, body: bytes) -> Events:
        return read_container_answer(body)


class SageMakerLines(WholeBody):
    """A container's stream that was asked for without streaming: SageMaker collects it into one body."""

    __slots__ = ()

    def _read(self, body: bytes) -> Events:
        container = ContainerStream()
        events: list[StreamEvent] = []
        for line in body.splitlines():
            events += (event for event in container.read(line) if not isinstance(event, Output))
        return [*events, *container.close()]
