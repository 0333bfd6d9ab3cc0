"""What Anthropic's Messages JSON means, on its own route, on Mantle and inside InvokeModel.

Knows: message and delta events, usage with cached tokens left out of the input, thinking, errors.
Must not know: framing.
"""

from __future__ import annotations

import msgspec

from streamgauge.dialects.base import NOTHING, Events, decoded
from streamgauge.dialects.meaning.counts import Count, Name, Word, error_code, text_size, usage_besides_cache
from streamgauge.records import REASONING, TOOL, VISIBLE, Fault, Finished, Served, StreamEvent, Usage, UsageReported


class _Delta(msgspec.Struct):
    """A content delta, or a message's last words. ``signature`` is no generated text and is not read."""

    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: Word | None = None


class _Block(msgspec.Struct):
    """The start of a content block. ``data`` is encrypted thinking, which has no deltas."""

    type: str | None = None
    name: str | None = None
    text: str | None = None
    data: str | None = None


class _CacheCreation(msgspec.Struct):
    ephemeral_5m_input_tokens: Count | None = None
    ephemeral_1h_input_tokens: Count | None = None


class _OutputDetails(msgspec.Struct):
    thinking_tokens: Count | None = None


class ClaudeUsage(msgspec.Struct):
    """``usage``, of which a stream tells parts in several events."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_creation: _CacheCreation | None = None
    output_tokens_details: _OutputDetails | None = None
    service_tier: Word | None = None

    def update(self, later: ClaudeUsage) -> None:
        """Take over each count of a later statement that is not null."""
        for name in self.__struct_fields__:
            value = getattr(later, name)
            if value is not None:
                setattr(self, name, value)

    def usage(self) -> Usage:
        """The same counts in this project's meaning."""
        written, hour = self.cache_creation_input_tokens, None
        if self.cache_creation is not None:
            hour = self.cache_creation.ephemeral_1h_input_tokens
            if written is None:
                written = (hour or 0) + (self.cache_creation.ephemeral_5m_input_tokens or 0)
        reasoning = self.output_tokens_details.thinking_tokens if self.output_tokens_details is not None else None
        return usage_besides_cache(
            self.input_tokens, self.output_tokens, self.cache_read_input_tokens, written, cache_write_1h=hour, reasoning=reasoning
        )


class ClaudeError(msgspec.Struct):
    """``error`` of an error event."""

    type: str | None = None


class ClaudeMessage(msgspec.Struct):
    """A whole answer, and the head of a stream."""

    model: Name | None = None
    stop_reason: Word | None = None
    usage: ClaudeUsage | None = None

    def events(self) -> tuple[StreamEvent, ...]:
        """What a whole answer says."""
        events: list[StreamEvent] = []
        if self.usage is not None:
            events.append(UsageReported(self.usage.usage()))
        served = Served(response_model=self.model, service_tier=self.usage.service_tier if self.usage is not None else None)
        if served != Served():
            events.append(served)
        return (*events, Finished(self.stop_reason))


class ClaudeEvent(msgspec.Struct):
    """Any event of a stream; which one is in ``type``, whatever the framing says."""

    type: str | None = None
    delta: _Delta | None = None
    content_block: _Block | None = None
    message: ClaudeMessage | None = None
    usage: ClaudeUsage | None = None
    error: ClaudeError | None = None


_event = msgspec.json.Decoder(ClaudeEvent)


class ClaudeStream:
    """Reads the events of one stream in order. ``over`` turns true with ``message_stop`` or an error: nothing has to follow.

    ``written``: bytes of generated text so far; encrypted thinking is none.
    """

    __slots__ = ("_stop_reason", "_usage", "over", "written")

    def __init__(self) -> None:
        self.over = False
        self.written = 0
        self._stop_reason: Word | None = None
        self._usage = ClaudeUsage()

    def read(self, payload: bytes) -> Events:
        """Say what one event means. Raises Undecodable."""
        event = decoded(_event, payload)
        kind = event.type
        if kind == "content_block_delta":
            return self._delta(event.delta)
        if kind == "content_block_start":
            return self._block(event.content_block)
        if kind == "message_start":
            return self._started(event.message)
        if kind == "message_delta":
            return self._closing(event)
        if kind == "message_stop":
            self.over = True
            return (Finished(self._stop_reason),)
        if kind == "error" or event.error is not None:
            self.over = True
            return (Fault(error_code(event.error.type if event.error is not None else None)),)
        return NOTHING

    def _delta(self, delta: _Delta | None) -> Events:
        if delta is None:
            return NOTHING
        if delta.text:
            self.written += text_size(delta.text)
            return VISIBLE
        if delta.partial_json:
            self.written += text_size(delta.partial_json)
            return TOOL
        if delta.thinking:
            self.written += text_size(delta.thinking)
            return REASONING
        return NOTHING

    def _block(self, block: _Block | None) -> Events:
        """A block's start is empty but for a tool's name, which the model generates, and for encrypted thinking."""
        if block is None:
            return NOTHING
        if block.text:
            self.written += text_size(block.text)
            return VISIBLE
        if block.type in ("tool_use", "server_tool_use", "mcp_tool_use") and block.name:
            self.written += text_size(block.name)
            return TOOL
        return REASONING if block.type == "redacted_thinking" and block.data else NOTHING

    def _started(self, message: ClaudeMessage | None) -> Events:
        """Here ``output_tokens`` is a placeholder of 1 to 8: taken as a report it would price a cut stream at nearly nothing."""
        if message is None:
            return NOTHING
        events: list[StreamEvent] = []
        served = Served(response_model=message.model)
        if message.usage is not None:
            message.usage.output_tokens = None
            self._usage.update(message.usage)
            events.append(UsageReported(self._usage.usage()))
            served = Served(response_model=message.model, service_tier=message.usage.service_tier)
        events.append(served)
        return events

    def _closing(self, event: ClaudeEvent) -> Events:
        if event.delta is not None and event.delta.stop_reason is not None:
            self._stop_reason = event.delta.stop_reason
        if event.usage is None:
            return NOTHING
        self._usage.update(event.usage)
        return (UsageReported(self._usage.usage()),)
