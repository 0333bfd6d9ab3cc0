"""InvokeEndpoint and InvokeEndpointWithResponseStream of Amazon SageMaker: whatever the customer's container says.

Streams come as PayloadParts that respect no line: lines are put together across parts. Understood in them: chat completion
chunks (vLLM and its like), as server-sent events or as JSON lines, and the token lines of LMI and TGI. An end marker is only missed where
the format has one. JSON of other shapes means nothing and is no error: an endpoint may serve anything.
"""

from __future__ import annotations

import msgspec

from streamgauge.dialects.base import NOTHING, Events, StreamDialect, WholeBody, understood
from streamgauge.dialects.meaning.chat_completion import ChatChunk, ChatStream
from streamgauge.dialects.meaning.counts import Count, Word, error_code, exception_name
from streamgauge.errors import Undecodable
from streamgauge.framing.eventstream import EventStreamDecoder, Frame
from streamgauge.framing.lines import LineDecoder
from streamgauge.records import VISIBLE, Fault, Finished, StreamEvent, Usage, UsageReported

FAILED_GENERATION = "finish_reason_error"
"""LMI reports a failure in mid-stream as a last line with this finish reason, under status 200."""

_PLAIN = ("text/plain", "application/x-text")
"""Inner content types whose bytes are the generated text itself."""


class _Token(msgspec.Struct):
    text: str | None = None
    special: bool = False


class _Details(msgspec.Struct):
    """``input_length`` is TGI's newer name for the input count, ``prompt_tokens`` its older one; LMI has none."""

    finish_reason: Word | None = None
    generated_tokens: Count | None = None
    prompt_tokens: Count | None = None
    input_length: Count | None = None


class _Line(ChatChunk):
    """A line of LMI or TGI, or a chat completion chunk; ``outputs`` is LMI's dynamic batch."""

    token: _Token | None = None
    generated_text: str | None = None
    details: _Details | None = None
    outputs: list[str] | None = None
    error_type: Word | None = None

    def fault(self) -> Fault | None:
        """As for any chunk; TGI names the kind beside the text, LMI in its finish reason."""
        if self.error is not None and self.error_type is not None:
            return Fault(error_code(self.error_type))
        if self.details is not None and self.details.finish_reason == "error":
            return Fault(FAILED_GENERATION)
        return ChatChunk.fault(self)

    def account(self) -> Events:
        """The counts in ``details``, where they are given."""
        details = self.details or _Details()
        fresh = details.input_length if details.prompt_tokens is None else details.prompt_tokens
        if fresh is None and details.generated_tokens is None:
            return NOTHING
        return (UsageReported(Usage(input_tokens=fresh, output_tokens=details.generated_tokens)),)


_line = msgspec.json.Decoder(_Line)
_answer = msgspec.json.Decoder(_Line | list[_Line])


class SageMakerStream(StreamDialect[Frame]):
    """The parts of one streamed endpoint response. ``inner_type`` is the content type inside the parts, as the head says."""

    __slots__ = ("_chunks", "_half", "_has_end", "_lines", "_plain")

    def __init__(self, opening: Events = NOTHING, inner_type: str = "") -> None:
        super().__init__(EventStreamDecoder(), opening)
        self._plain = inner_type in _PLAIN
        self._lines = LineDecoder()
        self._chunks = ChatStream()
        self._has_end = False
        self._half = False

    def _read(self, frame: Frame) -> Events:
        (kind, name, _), payload = frame
        if kind != "event":
            return NOTHING if kind is None else self._fault(exception_name(name))
        if name != "PayloadPart" or not payload:
            return NOTHING
        if self._plain:
            return VISIBLE
        events: list[StreamEvent] = []
        try:
            for line in self._lines.feed(payload):
                events += self._read_line(line)
        except Undecodable as error:
            if not events:
                raise
            self._broken = error
        return events

    def _read_line(self, line: bytes) -> Events:
        line = line.strip()
        if line.startswith(b"data:"):
            line = line[5:].lstrip()
        elif not line.startswith(b"{"):
            return NOTHING
        if not line:
            return NOTHING
        if line == b"[DONE]":
            return self._finish(self._chunks.finish_reason)
        message = understood(_line, line)
        return self._means(message) if message is not None else NOTHING

    def _means(self, line: _Line) -> Events:
        fault = line.fault()
        if fault is not None:
            return self._fault(fault.error_type)
        if line.choices is not None:
            self._has_end = True
            return self._chunks.read(line)
        if line.token is None:
            return VISIBLE if line.outputs and any(line.outputs) else NOTHING
        self._has_end = True
        output = VISIBLE if line.token.text and not line.token.special else NOTHING
        if line.details is None and line.generated_text is None:
            return output
        reason = line.details.finish_reason if line.details is not None else None
        return [*output, *line.account(), *self._finish(reason)]

    def _finish(self, reason: str | None) -> Events:
        if self._over:
            return NOTHING
        self._over = True
        return (Finished(reason),)

    def _tail(self) -> Events:
        """The last line may lack its end, and chat completion lines may lack ``[DONE]``: then the reason to stop is the end."""
        try:
            events = [*self._read_line(self._lines.close())]
        except Undecodable:
            self._half = True
            return NOTHING
        if self._chunks.finish_reason is not None:
            events += self._finish(self._chunks.finish_reason)
        return events

    def _cut(self) -> bool:
        if not self._decoder.close() or not self.frames:
            return True
        return not self._over and (self._half or self._has_end)


class SageMaker(WholeBody):
    """One endpoint answer, understood where it is a chat completion or text generation."""

    __slots__ = ()

    def _read(self, body: bytes) -> Events:
        answer = understood(_answer, body)
        if isinstance(answer, list):
            # Of several answers in one body no count is this exchange's.
            answer = answer[0] if len(answer) == 1 else None
        if answer is None:
            return NOTHING
        fault = answer.fault()
        if fault is not None:
            return (fault,)
        chunks = ChatStream()
        events = [*chunks.read(answer), *answer.account()]
        reason = chunks.finish_reason or (answer.details.finish_reason if answer.details is not None else None)
        return [*events, *((Finished(reason),) if reason is not None else ())]
