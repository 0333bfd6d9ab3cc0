"""Anthropic Messages, as JSON and as server-sent events (``/anthropic/v1/messages`` on Bedrock and Mantle).

A stream is complete with ``message_stop``. An event's meaning is in its JSON, not in its ``event:`` line, except for
``event: error``, whose data may be anything.
"""

from __future__ import annotations

import msgspec

from streamgauge.dialects.base import NOTHING, Events, SseDialect, WholeBody, decoded
from streamgauge.dialects.meaning.claude import ClaudeMessage, ClaudeStream
from streamgauge.dialects.meaning.counts import OTHER
from streamgauge.dialects.meaning.error_body import body_fault
from streamgauge.errors import Undecodable
from streamgauge.framing.sse import SseFrame
from streamgauge.records import Fault

_message = msgspec.json.Decoder(ClaudeMessage)


class AnthropicStream(SseDialect):
    """The events of one streamed Messages response."""

    __slots__ = ("_events",)

    def __init__(self, opening: Events = NOTHING) -> None:
        super().__init__(opening)
        self._events = ClaudeStream()

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


class Anthropic(WholeBody):
    """One Messages answer."""

    __slots__ = ()

    def _read(self, body: bytes) -> Events:
        message = decoded(_message, body)
        if message.stop_reason is None and message.usage is None and (fault := body_fault(body)) is not None:
            return (fault,)
        return message.events()
