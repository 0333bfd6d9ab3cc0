"""OpenAI Responses, as JSON and as server-sent events (``/v1/responses`` on Bedrock and Mantle).

A stream is complete with the event that carries the finished response; there is no ``[DONE]``, and one that comes all the same
says nothing.
"""

from __future__ import annotations

import msgspec

from streamgauge.dialects.base import NOTHING, Events, NamedErrorDialect, WholeBody, decoded
from streamgauge.dialects.meaning.error_body import body_fault
from streamgauge.dialects.meaning.response_events import Response, ResponseStream
from streamgauge.framing.sse import SseFrame

_response = msgspec.json.Decoder(Response)
_DONE = b"[DONE]"


class OpenAiResponsesStream(NamedErrorDialect):
    """The events of one streamed response."""

    __slots__ = ()

    def __init__(self, opening: Events = NOTHING) -> None:
        super().__init__(ResponseStream(), opening)

    def _read(self, frame: SseFrame) -> Events:
        return super()._read(frame) if frame[1] != _DONE else NOTHING


class OpenAiResponses(WholeBody):
    """One response that was not streamed."""

    __slots__ = ()

    def _read(self, body: bytes) -> Events:
        response = decoded(_response, body)
        fault = body_fault(body) if response.status is None and response.usage is None else None
        return response.events() if fault is None else (fault,)
