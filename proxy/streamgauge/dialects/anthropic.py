"""Anthropic Messages, as JSON and as server-sent events (``/anthropic/v1/messages`` on Bedrock and Mantle).

A stream is complete with ``message_stop``. An event's meaning is in its JSON, not in its ``event:`` line, except for
``event: error``, whose data may be anything.
"""

from __future__ import annotations

import msgspec

from streamgauge.dialects.base import NOTHING, Events, NamedErrorDialect, WholeBody, decoded
from streamgauge.dialects.meaning.claude import ClaudeMessage, ClaudeStream
from streamgauge.dialects.meaning.error_body import body_fault

_message = msgspec.json.Decoder(ClaudeMessage)


class AnthropicStream(NamedErrorDialect):
    """The events of one streamed Messages response."""

    __slots__ = ()

    def __init__(self, opening: Events = NOTHING) -> None:
        super().__init__(ClaudeStream(), opening)


class Anthropic(WholeBody):
    """One Messages answer."""

    __slots__ = ()

    def _read(self, body: bytes) -> Events:
        message = decoded(_message, body)
        if message.stop_reason is None and message.usage is None and (fault := body_fault(body)) is not None:
            return (fault,)
        return message.events()
