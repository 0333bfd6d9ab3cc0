"""Token counts for exchanges whose provider stated none: what is held for them, and the estimate that completes the row.

Only the row waits for the counting process, and only for so long. A body is held by reference, while its exchange lasts, within a bound.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from streamgauge.estimate.factors import shipped_factors
from streamgauge.estimate.filling import CHARACTERS, Text, fill, wanted
from streamgauge.estimate.size import text_bytes
from streamgauge.records import Measurement, Operation, RequestFacts
from streamgauge.tokens.counter import TokenCounter
from streamgauge.tokens.messages import Counted

if TYPE_CHECKING:
    import asyncio

    from streamgauge.measure.observation import Observation
    from streamgauge.tokens.counter import Refusal
    from streamgauge.tokens.settings import EstimateSettings

MAX_TEXT = 1 << 20
"""A larger body is not held: its size is enough for the rare case that it is needed."""

STREAM_BYTES = 1 << 16
"""Kept of a stream that will state no counts: some hundred tokens of it. What comes after is estimated in proportion to its text."""

_FAILURES = ("stream_error", "timeout")
"""Outcomes that others wait for, a breaker among them: such a row is estimated from sizes at once."""

_log = logging.getLogger("streamgauge.relay")


class Kept:
    """What is held of one exchange. ``prompt``: its request's body; ``prompt_bytes``: the text in it, where it is not held;
    ``stream_bytes``: how much of its stream to keep; ``held``: bytes that all this may come to; ``event_stream``: its stream comes in
    AWS's frames.
    """

    __slots__ = ("event_stream", "held", "prompt", "prompt_bytes", "stream_bytes")

    def __init__(self, prompt: bytes | None, prompt_bytes: int, stream_bytes: int, held: int) -> None:
        self.event_stream = False
        self.prompt = prompt
        self.prompt_bytes = prompt_bytes
        self.stream_bytes = stream_bytes
        self.held = held


class Estimates:
    """One per worker. ``hold`` when the request is known, ``complete`` when the measurement is."""

    def __init__(self, settings: EstimateSettings, loop: asyncio.AbstractEventLoop) -> None:
        self._settings = settings
        self._counter = TokenCounter(loop, settings)
        self._held = 0

    def hold(self, operation: Operation, facts: RequestFacts, body: bytes) -> Kept | None:
        """Keep what an estimate may need. ``release`` it."""
        if operation.dialect == "opaque" or not self._settings.enabled:
            return None
        room = self._settings.held_bytes - self._held
        stream_bytes = STREAM_BYTES if room >= STREAM_BYTES and _states_nothing(operation, facts) else 0
        size = len(body)
        if not body.startswith(b"{"):  # compressed, or none of the shapes that are known
            kept = Kept(None, 0, stream_bytes, stream_bytes)
        elif size <= MAX_TEXT and size + stream_bytes <= room:
            kept = Kept(body, 0, stream_bytes, stream_bytes + size)
        else:
            kept = Kept(None, text_bytes(body), stream_bytes, stream_bytes)
        kept.event_stream = operation.dialect == "sagemaker_stream"
        self._held += kept.held
        return kept

    def release(self, kept: Kept) -> None:
        """The exchange is over: what was held for it is in nobody's way any more."""
        self._held -= kept.held
        kept.held = 0

    def complete(self, m: Measurement, kept: Kept, observation: Observation, done: Callable[[Measurement], None]) -> bool:
        """Call ``done`` with the measurement once it is as complete as it gets: at once, or when the counting process has answered, which is
        what a true result says.
        """
        answer = observation.kept if m.output_tokens is None else None
        unsent = observation.points.sent is None
        if unsent or not wanted(m, observation.written, answered_whole=_generated(m, observation.kept)):
            done(m)
            return False
        prompt = kept.prompt if m.input_tokens is None else None
        if (prompt is None and answer is None) or m.outcome in _FAILURES:
            self._from_sizes(m, kept, observation, None)
            done(m)
            return False

        def told(what: Counted | Refusal) -> None:
            try:
                if isinstance(what, Counted) and not what.failed:
                    self._from_counts(m, kept, observation, what)
                else:
                    self._from_sizes(m, kept, observation, what if isinstance(what, str) else "late")
            except Exception as error:  # the row goes as it is
                _log.error("an estimate failed by %s in the proxy itself; please report it", type(error).__name__)
            done(m)

        return self._counter.ask(prompt, answer, told, event_stream=kept.event_stream)

    def _from_counts(self, m: Measurement, kept: Kept, observation: Observation, counted: Counted) -> None:
        text = Text(
            prompt_tokens=counted.prompt,
            prompt_bytes=kept.prompt_bytes,
            answer_tokens=counted.answer,
            answer_read=counted.answer_bytes,
            answer_bytes=observation.written,
        )
        fill(m, shipped_factors().of(_model(m)), text)

    def _from_sizes(self, m: Measurement, kept: Kept, observation: Observation, reason: Refusal | None) -> None:
        by = CHARACTERS if reason is None else f"{CHARACTERS}_{reason}"
        answer = observation.kept
        written = observation.written
        if not written and answer is not None and _generated(m, answer):
            written = text_bytes(answer)
        text = Text(
            prompt_bytes=text_bytes(kept.prompt) if kept.prompt is not None else kept.prompt_bytes,
            answer_bytes=written,
            prompt_by=by if kept.prompt is not None else CHARACTERS,
            answer_by=by if answer is not None else CHARACTERS,
        )
        fill(m, shipped_factors().of(_model(m)), text)

    @property
    def waiting(self) -> int:
        """Rows that wait for the counting process."""
        return self._counter.waiting

    def close(self) -> None:
        """Rows that still wait are completed from sizes; the counting process ends."""
        self._counter.close()


def _states_nothing(operation: Operation, facts: RequestFacts) -> bool:
    """Whether it can be told beforehand that a stream will state no usage: it was not asked to, and its server tells only who asks.

    Where it states it all the same, what was kept is dropped.
    """
    if facts.stream_usage or not facts.streaming:
        return False
    return operation.dialect in ("openai_chat", "sagemaker_stream")


def _generated(m: Measurement, whole: bytes | None) -> bool:
    """Whether an answer in one piece is a model's text, as far as can be seen without reading it: it says why it stopped, or is TGI's or
    LMI's, which need not say so. Vectors, rankings and whatever else an endpoint serves are not.
    """
    return whole is not None and not m.streaming and (m.finish_reason is not None or b'"generated_text"' in whole)


def _model(m: Measurement) -> str | None:
    return m.response_model or m.requested_model
