"""The older and smaller model families' JSON on InvokeModel: where text, the reason to stop and the counts stand.

Knows: Llama, Titan, Claude before Messages, Cohere Command and Command R, Mistral, AI21, DeepSeek, Writer, the OpenAI-like (gpt-oss, Qwen,
Jamba, imported and marketplace models), embeddings and rerank. Which of them it is shows in the members and is never asked.
Must not know: Bedrock's own counts, which are there for all families besides.

Sources: the Bedrock user guide's "Inference request parameters and response fields", and recorded traffic for Llama, Titan, Cohere Command
and AI21 J2. Not confirmed by a recording: Command R's event types (as in Cohere's own API, v1), the streams of Jamba, of Mistral's chat
models (``choices[].message``, as in their whole answers) and of Pegasus.
"""

from __future__ import annotations

from typing import Any

import msgspec

from streamgauge.dialects.base import NOTHING, Events, understood
from streamgauge.dialects.meaning.chat_completion import ChatError, ChatUsage, Choice, choice_output, choice_size, error_fault
from streamgauge.dialects.meaning.counts import Count, TokenCount, Word, integral, text_size
from streamgauge.dialects.meaning.error_body import body_fault
from streamgauge.records import TOOL, VISIBLE, Finished, StreamEvent, Usage, UsageReported

_DONE = (b'"[DONE]"', b"[DONE]")
"""Writer's last chunk, which is no object; some servers send it without its quotation marks."""


class _Message(msgspec.Struct):
    """A piece of a message, as Mistral's chat models call what others call ``delta``; only looked at for being empty."""

    content: Any = None
    tool_calls: Any = None


class _Choice(Choice):
    """DeepSeek and Mistral end with ``stop_reason`` where others have ``finish_reason``."""

    message: _Message | None = None
    stop_reason: Word | int | None = None

    def output(self) -> Events:
        if self.message is None:
            return choice_output(self)
        return VISIBLE if self.message.content else TOOL if self.message.tool_calls else NOTHING

    def size(self) -> int:
        if self.message is None:
            return choice_size(self)
        return text_size(self.message.content) if isinstance(self.message.content, str) else 0


class _Output(msgspec.Struct):
    text: str | None = None
    stop_reason: Word | None = None


class _Ending(msgspec.Struct):
    """Where an answer or a chunk says why the model stopped; servers like vLLM put a token's number beside."""

    stop_reason: Word | int | None = None
    completionReason: Word | None = None
    finish_reason: Word | None = None


class _Chunk(_Ending):
    """A chunk of any of them. ``generation_token_count`` is cumulative; ``prompt_token_count`` stands in the first chunk alone."""

    generation: str | None = None
    outputText: str | None = None
    completion: str | None = None
    text: str | None = None
    message: Any = None
    outputs: list[_Output] | None = None
    choices: list[_Choice] | None = None
    event_type: str | None = None
    tool_calls: list[msgspec.Raw] | None = None
    tool_call_delta: dict[str, Any] | None = None
    prompt_token_count: Count | None = None
    generation_token_count: Count | None = None
    inputTextTokenCount: TokenCount | None = None
    totalOutputTextTokenCount: TokenCount | None = None
    usage: ChatUsage | None = None
    error: ChatError | str | None = None

    def is_known(self) -> bool:
        """Whether one of the members is here by which a family says text, be it empty."""
        members = (self.generation, self.outputText, self.completion, self.text, self.outputs, self.choices, self.event_type)
        return any(member is not None for member in members)

    def output(self) -> Events:
        """VISIBLE where text is seen, or what a choice carries."""
        if self.generation or self.outputText or self.completion or self.text or any(output.text for output in self.outputs or ()):
            return VISIBLE
        for choice in self.choices or ():
            output = choice.output()
            if output:
                return output
        if self.tool_calls or self.tool_call_delta:
            return TOOL
        # Pegasus has its text here, as a string; what else is called a message has its text elsewhere.
        return VISIBLE if self.message and isinstance(self.message, str) else NOTHING

    def size(self) -> int:
        """Bytes of generated text in it; a tool call of Cohere's is not looked into."""
        text = self.generation or self.outputText or self.completion or self.text
        if text:
            return text_size(text)
        size = sum(text_size(output.text) for output in self.outputs or () if output.text)
        size += sum(choice.size() for choice in self.choices or ())
        return size or (text_size(self.message) if isinstance(self.message, str) else 0)

    def reason(self) -> str | None:
        """Why the model stopped, if this says so."""
        reasons: list[str | int | None] = [self.stop_reason, self.completionReason, self.finish_reason]
        reasons += (output.stop_reason for output in self.outputs or ())
        for choice in self.choices or ():
            reasons += (choice.finish_reason, choice.stop_reason)
        return _first_word(reasons)


_chunk = msgspec.json.Decoder(_Chunk)


class GeneratedTextStream:
    """Reads the chunks of one stream. ``known`` turns true with the first chunk of a known family, ``over`` with the first reason to stop or error.

    Counts that are repeated in every chunk are told once: the input's as soon as it is there, the output's with the reason to stop; of a
    stream that was cut it is not the whole.
    ``written``: bytes of generated text so far.
    """

    __slots__ = ("_input", "_output", "_told", "known", "over", "written")

    def __init__(self) -> None:
        self.known = False
        self.over = False
        self.written = 0
        self._input: int | None = None
        self._output: int | None = None
        self._told = False

    def read(self, payload: bytes) -> Events:
        """Say what one chunk means; JSON of a shape nobody knows means nothing. Raises Undecodable."""
        if payload in _DONE:
            return self._finish(None)
        chunk = understood(_chunk, payload)
        if chunk is None:
            return NOTHING
        self.known = self.known or chunk.is_known()
        self._count(chunk)
        output = chunk.output()
        if output:
            self.written += chunk.size()
        reason = chunk.reason()
        if chunk.usage is None and reason is None and chunk.error is None:
            return output if self._input is None or self._told else self._tell_input(output)
        events: list[StreamEvent] = [*output, *_usage(chunk.usage)]
        if chunk.error is not None:
            self.over = True
            events.append(error_fault(chunk.error))
        elif reason is not None:
            events += self._finish(reason)
        return events

    def _tell_input(self, output: Events) -> Events:
        """The input's count is whole from the beginning, and a stream that is cut off says no more."""
        self._told = True
        return [*output, *_stated(self._input, None)]

    def _count(self, chunk: _Chunk) -> None:
        if chunk.prompt_token_count is not None:
            self._input = chunk.prompt_token_count
        elif chunk.inputTextTokenCount is not None:
            self._input = integral(chunk.inputTextTokenCount)
        if chunk.generation_token_count is not None:
            self._output = chunk.generation_token_count
        elif chunk.totalOutputTextTokenCount is not None:
            self._output = integral(chunk.totalOutputTextTokenCount)

    def _finish(self, reason: str | None) -> Events:
        if self.over:
            return NOTHING
        self.over = True
        return [*_stated(self._input, self._output), Finished(reason)]


class _Ended(_Ending):
    """One of several results: Titan's, Cohere Command's, of an OpenAI-like server. ``tokenCount`` is Titan's."""

    tokenCount: TokenCount | None = None


class _Jurassic(msgspec.Struct):
    """J2's text with its tokens, which are the only count it gives."""

    tokens: list[msgspec.Raw] | None = None


class _JurassicEnd(msgspec.Struct):
    reason: Word | None = None


class _JurassicCompletion(msgspec.Struct):
    data: _Jurassic | None = None
    finishReason: _JurassicEnd | None = None


class _Answer(_Ending):
    """A whole answer of any of them; Cohere Command repeats the prompt as a string where J2 has it with its tokens."""

    finishReason: Word | None = None
    outputs: list[_Ended] | None = None
    choices: list[_Ended] | None = None
    results: list[_Ended] | None = None
    generations: list[_Ended] | None = None
    completions: list[_JurassicCompletion] | None = None
    prompt: _Jurassic | str | None = None
    prompt_token_count: Count | None = None
    generation_token_count: Count | None = None
    inputTextTokenCount: TokenCount | None = None
    usage: ChatUsage | None = None

    def reason(self) -> str | None:
        """Why the model stopped, if this says so."""
        reasons: list[str | int | None] = [self.stop_reason, self.completionReason, self.finish_reason, self.finishReason]
        for end in (*(self.outputs or ()), *(self.choices or ()), *(self.results or ()), *(self.generations or ())):
            reasons += (end.finish_reason, end.completionReason, end.stop_reason)
        reasons += (done.finishReason.reason for done in self.completions or () if done.finishReason is not None)
        return _first_word(reasons)

    def account(self) -> Events:
        """The model's own counts."""
        if self.usage is not None:
            return _usage(self.usage)
        asked, said = self.prompt_token_count, self.generation_token_count
        if self.inputTextTokenCount is not None:
            asked = integral(self.inputTextTokenCount)
        counted = [result.tokenCount for result in self.results or () if result.tokenCount is not None]
        if counted:
            said = integral(sum(counted))
        if isinstance(self.prompt, _Jurassic) and self.prompt.tokens is not None:
            asked = len(self.prompt.tokens)
            told = [done.data.tokens for done in self.completions or () if done.data is not None and done.data.tokens is not None]
            said = sum(map(len, told)) if told else None
        return _stated(asked, said)


_answer = msgspec.json.Decoder(_Answer)


def read_answer(body: bytes) -> Events:
    """Say what a whole answer means, as far as it is known. Raises Undecodable.

    Embeddings and rerankings have no reason to stop, and at most an input count.
    """
    answer = understood(_answer, body)
    if answer is None:
        return NOTHING
    reason, account = answer.reason(), answer.account()
    if reason is None and not account:
        fault = body_fault(body)
        return (fault,) if fault is not None else NOTHING
    return [*account, *((Finished(reason),) if reason is not None else ())]


def _first_word(reasons: list[str | int | None]) -> str | None:
    return next((reason for reason in reasons if reason and isinstance(reason, str)), None)


def _usage(usage: ChatUsage | None) -> Events:
    if usage is None:
        return NOTHING
    said = usage.usage()
    return (UsageReported(said),) if said != Usage() else NOTHING


def _stated(asked: int | None, said: int | None) -> Events:
    return (UsageReported(Usage(asked, said)),) if asked is not None or said is not None else NOTHING
