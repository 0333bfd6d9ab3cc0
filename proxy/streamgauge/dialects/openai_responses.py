"""OpenAI Responses, as JSON and as server-sent events (``/v1/responses`` on Bedrock and Mantle).

A stream is complete with the event that carries the finished response; there is no ``[DONE]``, and one that comes all the same
says nothing.
"""

from __future__ import annotations

import msgspec

from streamgauge.dialects.base import NOTHING, Events, SseDialect, WholeBody, decoded
from streamgauge.dialects.meaning.counts import OTHER
from streamgauge.dialects.meaning.error_body import body_fault
from streamgauge.dialects.meaning.response_events import Response, ResponseStream
from streamgauge.errors import Undecodable
from streamgauge.framing.sse import SseFrame
from streamgauge.records import Fault

_response = msgspec.json.Decoder(Response)
_DONE = b"[DONE]"


class OpenAiResponsesStream(SseDialect):
    """The events of one streamed response."""

    __slots__ = ("_events",)

    def __init__(self, opening: Events = NOTHING) -> None:
        super().__init__(opening)
        self._events = ResponseStream()

    def _read(self, frame: SseFrame) -> Events:
        name, data = frame
        if name == b"error":
            return self._error(data)
        return self._events.read(data) if data != _DONE else NOTHING

    def _error(self, data: bytes) -> Events:
        self._events.over = True
        try:
            events = self._events.read(data)
        except Undecodable:
            events = NOTHING
        return events if events and isinstance(events[0], Fault) else (Fault(OTHER),)

    def _cut(self) -> bool:
        return not self._events.over


class OpenAiResponses(WholeBody):
    """One response that was not streamed."""

    __slots__ = ()

    def _read(self, body: bytes) -> Events:
        response = decoded(_response, body)
        fault = body_fault(body) if response.status is None and response.usage is None else None
        return response.events() if fault is None else (fault,)
