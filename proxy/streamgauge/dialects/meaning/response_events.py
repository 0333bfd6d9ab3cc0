"""What the JSON of OpenAI's Responses API means: the response object, and the events of a stream that end in one.

Knows: which deltas are generated output, usage that includes cached tokens, how a response ends.
Must not know: framing. Which event it is stands in its ``type``: Mantle writes the ``event:`` line behind the data.
"""

from __future__ import annotations

import msgspec

from streamgauge.dialects.base import NOTHING, Events, decoded
from streamgauge.dialects.meaning.counts import Count, Name, Word, error_code
from streamgauge.records import REASONING, TOOL, VISIBLE, Fault, Finished, Served, StreamEvent, Usage, UsageReported

_OUTPUTS: dict[str | None, Events] = {
    "response.output_text.delta": VISIBLE,
    "response.refusal.delta": VISIBLE,
    "response.reasoning_text.delta": REASONING,
    "response.reasoning_summary_text.delta": REASONING,
    "response.function_call_arguments.delta": TOOL,
    "response.custom_tool_call_input.delta": TOOL,
    "response.mcp_call_arguments.delta": TOOL,
    "response.code_interpreter_call_code.delta": TOOL,
}
"""Deltas of what the model generates. What a tool answers (shell output, search results) is no generated output."""

_ENDS = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")

_NAMED_CALLS = ("function_call", "custom_tool_call", "mcp_call")
"""Items whose name the model generates and tells when the item is added."""

_EMPTY = msgspec.Raw(b'""')


class _InputDetails(msgspec.Struct):
    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: Count | None = None


class ResponseUsage(msgspec.Struct):
    """``usage``. ``input_tokens`` is all input already, cached tokens included."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None

    def usage(self) -> Usage:
        """The same counts in this project's meaning."""
        cache, output = self.input_tokens_details or _InputDetails(), self.output_tokens_details or _OutputDetails()
        return Usage(
            self.input_tokens,
            self.output_tokens,
            cache.cached_tokens,
            cache.cache_write_tokens,
            reasoning_tokens=output.reasoning_tokens,
        )


class ResponseError(msgspec.Struct):
    """Why a response failed."""

    code: str | int | None = None
    type: str | None = None

    def fault(self) -> Fault:
        """As a word; a numeric code repeats a status, so the type goes before it."""
        return Fault(error_code(self.code if isinstance(self.code, str) else None, self.type, self.code))


class _Incomplete(msgspec.Struct):
    reason: Word | None = None


class Response(msgspec.Struct):
    """A response: a whole answer, and what a stream's first and last events carry."""

    status: Word | None = None
    model: Name | None = None
    service_tier: Word | None = None
    usage: ResponseUsage | None = None
    error: ResponseError | str | None = None
    incomplete_details: _Incomplete | None = None

    def events(self) -> Events:
        """What it says when it is over. The reason to stop is why it is incomplete, or else its status."""
        events: list[StreamEvent] = []
        if self.usage is not None:
            events.append(UsageReported(self.usage.usage()))
        if self.model is not None or self.service_tier is not None:
            events.append(Served(response_model=self.model, service_tier=self.service_tier))
        if self.error is not None or self.status == "failed":
            error = self.error if isinstance(self.error, ResponseError) else ResponseError()
            return [*events, error.fault()]
        reason = self.incomplete_details.reason if self.incomplete_details is not None else None
        return [*events, Finished(reason or self.status)]


class _Item(msgspec.Struct):
    type: str | None = None
    name: str | None = None


class _Event(msgspec.Struct):
    """Any event. ``delta`` is text in those that count, and is only looked at for being empty."""

    type: str | None = None
    delta: msgspec.Raw = _EMPTY
    item: _Item | None = None
    response: Response | None = None
    error: ResponseError | str | None = None
    code: str | int | None = None


_event = msgspec.json.Decoder(_Event)


class ResponseStream:
    """Reads the events of one stream in order. ``over`` turns true with the response's end or an error: nothing has to follow.

    ``written``: bytes of generated text so far, as JSON writes it.
    """

    __slots__ = ("over", "written")

    def __init__(self) -> None:
        self.over = False
        self.written = 0

    def read(self, payload: bytes) -> Events:
        """Say what one event means. Raises Undecodable."""
        event = decoded(_event, payload)
        kind = event.type
        output = _OUTPUTS.get(kind)
        if output is not None:
            if event.delta == _EMPTY:
                return NOTHING
            self.written += len(event.delta) - 2
            return output
        if kind == "response.output_item.added":
            named = event.item is not None and event.item.type in _NAMED_CALLS and event.item.name
            return TOOL if named else NOTHING
        if kind == "error" or event.error is not None:
            self.over = True
            error = event.error if isinstance(event.error, ResponseError) else ResponseError(event.code)
            return (error.fault(),)
        if event.response is None:
            return NOTHING
        if kind in _ENDS:
            self.over = True
            return event.response.events()
        # The tier asked for stands here too ("auto"); which one served is known at the end.
        return (Served(response_model=event.response.model),) if kind == "response.created" and event.response.model else NOTHING
