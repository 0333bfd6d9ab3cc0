"""OpenAI chat completions, as JSON and as server-sent events.

A stream is complete with ``[DONE]``, also where its blank line is missing. The usage comes, if the request asked for it, in a
chunk without choices just before.
"""

from __future__ import annotations

import msgspec

from streamgauge.dialects.base import NOTHING, Events, SseDialect, WholeBody, decoded
from streamgauge.dialects.meaning.chat_completion import ChatChunk, ChatStream
from streamgauge.dialects.meaning.counts import OTHER
from streamgauge.dialects.meaning.error_body import body_fault
from streamgauge.errors import Undecodable
from streamgauge.framing.sse import SseFrame
from streamgauge.records import Finished

_chunk = msgspec.json.Decoder(ChatChunk)
_DONE = b"[DONE]"


class OpenAiChatStream(SseDialect):
    """The chunks of one streamed chat completion."""

    __slots__ = ("_chunks",)

    def __init__(self, opening: Events = NOTHING) -> None:
        super().__init__(opening)
        self._chunks = ChatStream()

    @property
    def written(self) -> int:
        """See ``Dialect``."""
        return self._chunks.written

    def _read(self, frame: SseFrame) -> Events:
        name, data = frame
        if data == _DONE:
            self._over = True
            return (Finished(self._chunks.finish_reason),)
        if name == b"error":
            return self._error(data)
        chunk = decoded(_chunk, data)
        fault = chunk.fault()
        if fault is not None:
            return self._fault(fault.error_type)
        return self._chunks.read(chunk)

    def _error(self, data: bytes) -> Events:
        try:
            fault = decoded(_chunk, data).fault()
        except Undecodable:
            fault = None
        return self._fault(fault.error_type if fault is not None else OTHER)

    def _tail(self) -> Events:
        unended = self._decoder.feed(b"\n\n") if not self._over else ()
        return self._read(unended[0]) if unended and unended[0][1] == _DONE else NOTHING


class OpenAiChat(WholeBody):
    """One chat completion."""

    __slots__ = ()

    def _read(self, body: bytes) -> Events:
        chunk = decoded(_chunk, body)
        fault = chunk.fault()
        if fault is None and chunk.choices is None and chunk.usage is None:
            fault = body_fault(body)
        if fault is not None:
            return (fault,)
        chunks = ChatStream()
        events = chunks.read(chunk)
        return (*events, Finished(chunks.finish_reason))
