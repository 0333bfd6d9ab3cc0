"""InvokeModel and InvokeModelWithResponseStream of Amazon Bedrock: the model family's own JSON, in event-stream chunks or whole.

The family is told from the first chunk, not from the model's id, which may be an ARN that does not name it. A stream is complete with its
family's end marker; one that nothing was understood of cannot be called cut. Where a guardrail intervened, that is the reason to stop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from streamgauge.dialects.base import NOTHING, Events, StreamDialect, WholeBody, decoded, understood
from streamgauge.dialects.meaning.claude import ClaudeMessage, ClaudeStream
from streamgauge.dialects.meaning.converse_events import (
    Account,
    DeltaEvent,
    StartEvent,
    StopEvent,
    account_events,
    delta_output,
    delta_size,
    start_output,
    start_size,
)
from streamgauge.dialects.meaning.counts import exception_name, text_size
from streamgauge.dialects.meaning.generated_text import GeneratedTextStream, read_answer
from streamgauge.dialects.meaning.guardrail import INTERVENED, intervened, with_reason
from streamgauge.dialects.meaning.invocation_metrics import EXTRAS, metrics_events
from streamgauge.errors import Undecodable
from streamgauge.framing.eventstream import EventStreamDecoder, Frame
from streamgauge.records import VISIBLE, Finished, UsageReported


class _Chunk(msgspec.Struct):
    """The payload of a ``chunk`` event: base64 in JSON, padded by a member of random length that is not read."""

    data: bytes = msgspec.field(name="bytes", default=b"")


class _Family(msgspec.Struct):
    """What the first chunk, or a whole answer, says about its family."""

    type: str | None = None
    messageStart: dict[str, Any] | None = None
    contentBlockStart: dict[str, Any] | None = None
    contentBlockDelta: dict[str, Any] | None = None
    contentBlockStop: dict[str, Any] | None = None
    messageStop: dict[str, Any] | None = None
    stopReason: str | None = None


class _NovaEvent(msgspec.Struct):
    """One of ConverseStream's events, named by its key."""

    contentBlockDelta: DeltaEvent | None = None
    contentBlockStart: StartEvent | None = None
    messageStop: StopEvent | None = None
    metadata: Account | None = None


_chunk = msgspec.json.Decoder(_Chunk)
_family = msgspec.json.Decoder(_Family)
_nova = msgspec.json.Decoder(_NovaEvent)
_claude_message = msgspec.json.Decoder(ClaudeMessage)
_account = msgspec.json.Decoder(Account)

_CLAUDE_BEGINS = ("message_start", "content_block_start", "content_block_delta", "ping", "error")

_NOVA_BEGINS = ("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop")


class _Reader(Protocol):
    over: bool
    written: int

    def read(self, payload: bytes) -> Events: ...


class _NovaStream:
    __slots__ = ("over", "written")

    def __init__(self) -> None:
        self.over = False
        self.written = 0

    def read(self, payload: bytes) -> Events:
        event = decoded(_nova, payload)
        if event.contentBlockDelta is not None:
            delta = event.contentBlockDelta.delta
            if delta is not None and delta.text:
                self.written += text_size(delta.text)
                return VISIBLE
            self.written += delta_size(event.contentBlockDelta)
            return delta_output(event.contentBlockDelta)
        if event.contentBlockStart is not None:
            self.written += start_size(event.contentBlockStart)
            return start_output(event.contentBlockStart)
        if event.messageStop is not None:
            self.over = True
            return (Finished(event.messageStop.stopReason),)
        return account_events(event.metadata) if event.metadata is not None else NOTHING


def _reader(payload: bytes) -> _Reader:
    family = understood(_family, payload)
    make: Callable[[], _Reader] = GeneratedTextStream
    if family is not None and family.type in _CLAUDE_BEGINS:
        make = ClaudeStream
    elif family is not None and any(getattr(family, key) is not None for key in _NOVA_BEGINS):
        make = _NovaStream
    return make()


class InvokeModelStream(StreamDialect[Frame]):
    """The chunks of one InvokeModelWithResponseStream response."""

    __slots__ = ("_blocked", "_reader")

    def __init__(self, opening: Events = NOTHING) -> None:
        super().__init__(EventStreamDecoder(), opening)
        self._reader: _Reader | None = None
        self._blocked = False

    @property
    def written(self) -> int:
        """See ``Dialect``."""
        return self._reader.written if self._reader is not None else 0

    def _read(self, frame: Frame) -> Events:
        (kind, name, _), payload = frame
        if kind != "event":
            return NOTHING if kind is None else self._fault(exception_name(name))
        if name != "chunk":
            return NOTHING
        data = decoded(_chunk, payload).data
        if self._reader is None:
            self._reader = _reader(data)
        events = self._reader.read(data)
        if EXTRAS in data:
            return self._with_extras(data, events, self._reader)
        return events if not self._blocked else with_reason(events)

    def _with_extras(self, data: bytes, events: Events, reader: _Reader) -> Events:
        """What Bedrock adds to a family's chunk. A guardrail that shows behind the reason to stop replaces it."""
        if not self._blocked and intervened(data):
            self._blocked = True
            if reader.over and not any(isinstance(event, Finished) for event in events):
                events = [*events, Finished(INTERVENED)]
        metrics = metrics_events(data)
        self._over = self._over or bool(metrics)
        return [*(with_reason(events) if self._blocked else events), *metrics]

    def _cut(self) -> bool:
        if not self._decoder.close() or self._reader is None:
            return True
        if isinstance(self._reader, GeneratedTextStream):
            return self._reader.known and not (self._reader.over or self._over)
        return not self._reader.over


class InvokeModel(WholeBody):
    """One InvokeModel answer. Vectors and images may be larger than what is held; where the head has the counts nothing is missed then."""

    __slots__ = ("_metered",)

    def __init__(self, opening: Events = NOTHING) -> None:
        super().__init__(opening)
        self._metered = any(isinstance(event, UsageReported) for event in opening)

    def feed(self, body: bytes) -> Events:
        """See ``Dialect.feed``."""
        try:
            return super().feed(body)
        except Undecodable:
            if self._metered:
                return NOTHING
            raise

    def close(self) -> Events:
        """See ``Dialect.close``."""
        try:
            return super().close()
        except Undecodable as error:
            if self._metered and error.reason == "body_too_large":
                return NOTHING
            raise

    def _read(self, body: bytes) -> Events:
        if not intervened(body):
            return self._answer(body)
        events = with_reason(self._answer(body))
        return events if any(isinstance(event, Finished) for event in events) else [*events, Finished(INTERVENED)]

    def _answer(self, body: bytes) -> Events:
        family = understood(_family, body)
        if family is not None and family.type == "message":
            return decoded(_claude_message, body).events()
        if family is not None and family.stopReason is not None:
            return (*account_events(decoded(_account, body)), Finished(family.stopReason))
        return read_answer(body)
