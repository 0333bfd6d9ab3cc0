"""What the containers on SageMaker endpoints say, line by line or as one answer: chat completions (vLLM and its like), LMI, TGI.

Knows: as server-sent events or as JSON lines, it is the same JSON; which formats have an end marker.
Must not know: framing, parts. JSON of other shapes means nothing and is no error: an endpoint may serve anything.

Sources: LMI's output schema (deepjavalibrary/djl-serving, lmi_input_output_schema.md), TGI's OpenAPI document.
"""

from __future__ import annotations

import msgspec

from streamgauge.dialects.base import NOTHING, Events, understood
from streamgauge.dialects.meaning.chat_completion import ChatChunk, ChatStream
from streamgauge.dialects.meaning.counts import Count, Word, error_code, text_size
from streamgauge.records import VISIBLE, Fault, Finished, Usage, UsageReported

FAILED_GENERATION = "finish_reason_error"
"""LMI reports a failure in mid-stream as a last line with this finish reason, under status 200."""

_DONE = (b"[DONE]", b'"[DONE]"')


class _Token(msgspec.Struct):
    text: str | None = None
    special: bool = False


class _Details(msgspec.Struct):
    """``input_length`` is TGI's newer name for the input count, ``prompt_tokens`` its older one, ``prefill`` its tokens if they were asked
    for (``decoder_input_details``); LMI has none."""

    finish_reason: Word | None = None
    generated_tokens: Count | None = None
    prompt_tokens: Count | None = None
    input_length: Count | None = None
    prefill: list[msgspec.Raw] | None = None


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
        if fresh is None and details.prefill:
            fresh = len(details.prefill)
        if fresh is None and details.generated_tokens is None:
            return NOTHING
        return (UsageReported(Usage(input_tokens=fresh, output_tokens=details.generated_tokens)),)


_line = msgspec.json.Decoder(_Line)
_answer = msgspec.json.Decoder(_Line | list[_Line])


class ContainerStream:
    """Reads the lines of one stream. ``over`` turns true with the end marker, ``has_end`` once a format was seen that has one."""

    __slots__ = ("_chunks", "_written", "faulted", "has_end", "over")

    def __init__(self) -> None:
        self.over = False
        self.has_end = False
        self.faulted = False
        self._written = 0
        self._chunks = ChatStream()

    @property
    def written(self) -> int:
        """Bytes of generated text so far."""
        return self._written + self._chunks.written

    def read(self, line: bytes) -> Events:
        """Say what one line means, with or without its ``data:``. Raises Undecodable."""
        line = line.strip()
        if line.startswith(b"data:"):
            line = line[5:].lstrip()
        elif not line.startswith(b"{") and line not in _DONE:
            return NOTHING
        if not line:
            return NOTHING
        if line in _DONE:
            return self._finish(self._chunks.finish_reason)
        message = understood(_line, line)
        return self._means(message) if message is not None else NOTHING

    def _means(self, line: _Line) -> Events:
        fault = line.fault()
        if fault is not None:
            self.faulted = True
            return (fault,)
        if line.choices is not None:
            self.has_end = True
            return self._chunks.read(line)
        if line.token is None:
            self._written += sum(map(text_size, line.outputs or ()))
            return VISIBLE if line.outputs and any(line.outputs) else NOTHING
        self.has_end = True
        output = NOTHING
        if line.token.text and not line.token.special:
            self._written += text_size(line.token.text)
            output = VISIBLE
        if line.details is None and line.generated_text is None:
            return output
        reason = line.details.finish_reason if line.details is not None else None
        return [*output, *line.account(), *self._finish(reason)]

    def _finish(self, reason: str | None) -> Events:
        if self.over:
            return NOTHING
        self.over = True
        return (Finished(reason),)

    def close(self) -> Events:
        """No more lines. Chat completion lines may lack ``[DONE]``: then the reason to stop is the end."""
        return self._finish(self._chunks.finish_reason) if self._chunks.finish_reason is not None else NOTHING


def read_container_answer(body: bytes) -> Events:
    """Say what a whole answer means, as far as it is known. Raises Undecodable."""
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
