"""Where the generated text stands in the older and smaller model families' JSON on InvokeModel.

Knows: the field that holds text and the field that holds the reason to stop, family by family.
Must not know: their token counts; the family-independent second source has them for all.
"""

from __future__ import annotations

import msgspec

from streamgauge.dialects.base import NOTHING, Events, understood
from streamgauge.dialects.meaning.chat_completion import ChatUsage, Choice, choice_output
from streamgauge.dialects.meaning.counts import Word
from streamgauge.records import VISIBLE, Finished, StreamEvent, Usage, UsageReported


class _Choice(Choice):
    """DeepSeek ends with ``stop_reason`` where others have ``finish_reason``; servers like vLLM put a token's number there."""

    stop_reason: Word | int | None = None


class _Output(msgspec.Struct):
    text: str | None = None
    stop_reason: Word | None = None


class Generated(msgspec.Struct):
    """A chunk or an answer of any of: Llama, Titan, Claude before Messages, Cohere, Mistral, DeepSeek, Writer, gpt-oss, Qwen."""

    generation: str | None = None
    outputText: str | None = None  # noqa: N815 - the provider's spelling
    completion: str | None = None
    text: str | None = None
    outputs: list[_Output] | None = None
    choices: list[_Choice] | None = None
    usage: ChatUsage | None = None
    stop_reason: Word | None = None
    completionReason: Word | None = None  # noqa: N815
    finish_reason: Word | None = None

    def output(self) -> Events:
        """VISIBLE where text is seen, or what a choice carries."""
        if self.generation or self.outputText or self.completion or self.text or any(output.text for output in self.outputs or ()):
            return VISIBLE
        for choice in self.choices or ():
            output = choice_output(choice)
            if output:
                return output
        return NOTHING

    def reason(self) -> str | None:
        """Why the model stopped, if this says so."""
        reasons = [self.stop_reason, self.completionReason, self.finish_reason]
        reasons += (output.stop_reason for output in self.outputs or ())
        for choice in self.choices or ():
            reasons += (choice.finish_reason, choice.stop_reason if isinstance(choice.stop_reason, str) else None)
        return next((reason for reason in reasons if reason), None)

    def account(self) -> Events:
        """The model's own usage, which only the OpenAI-like families state in a shape known here."""
        usage = self.usage.usage() if self.usage is not None else Usage()
        return (UsageReported(usage),) if usage != Usage() else NOTHING


_generated = msgspec.json.Decoder(Generated)


class GeneratedTextStream:
    """Reads the chunks of one stream. ``known`` turns true with the first text, ``over`` with the first reason to stop."""

    __slots__ = ("known", "over")

    def __init__(self) -> None:
        self.known = False
        self.over = False

    def read(self, payload: bytes) -> Events:
        """Say what one chunk means; JSON of a shape nobody knows means nothing. Raises Undecodable."""
        chunk = understood(_generated, payload)
        if chunk is None:
            return NOTHING
        events: list[StreamEvent] = [*chunk.output(), *chunk.account()]
        reason = chunk.reason()
        if reason is not None and not self.over:
            self.over = True
            events.append(Finished(reason))
        self.known = self.known or bool(events)
        return events


def read_answer(body: bytes) -> Events:
    """Say what a whole answer means, as far as it is known. Raises Undecodable."""
    answer = understood(_generated, body)
    if answer is None:
        return NOTHING
    reason = answer.reason()
    return [*answer.account(), *((Finished(reason),) if reason is not None else ())]
