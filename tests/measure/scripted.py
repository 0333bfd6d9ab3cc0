"""A dialect that says what it is told to say, and an observation with a handy clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from streamgauge.measure.observation import Observation
from streamgauge.measure.outcome import Verdict
from streamgauge.measure.timing import Points
from streamgauge.records import Measurement, StreamEvent

MS = 1_000_000
Answer = Sequence[StreamEvent] | Exception

COMPLETED: Verdict = ("completed", None, None)


class Scripted:
    """Answers each feed with the next of ``answers``: events to return, or an exception to raise. Each feed is one frame."""

    def __init__(self, answers: Iterable[Answer] = (), at_close: Answer = ()) -> None:
        self.answers = list(answers)
        self.at_close = at_close
        self.frames = 0
        self.written = 0
        self.kept: bytes | None = None
        self.ended = False

    def feed(self, body: bytes) -> Sequence[StreamEvent]:
        self.frames += 1
        return _say(self.answers.pop(0) if self.answers else ())

    def close(self) -> Sequence[StreamEvent]:
        return _say(self.at_close)


def _say(answer: Answer) -> Sequence[StreamEvent]:
    if isinstance(answer, Exception):
        raise answer
    return answer


def observe(answers: Iterable[Answer] = (), at_close: Answer = (), *, streaming: bool | None = True) -> Observation:
    """Head read at 0, sent at 100 ms, response head at 200 ms; the stream says ``answers``."""
    observation = Observation(Points(head=0, body=50 * MS, issued=100 * MS, connected=120 * MS), streaming=streaming)
    observation.answered(Scripted(answers, at_close), 200 * MS)
    return observation


def ended(observation: Observation, at_ms: int, verdict: Verdict = COMPLETED, *, tail_wait_ms: int = 0, **start: Any) -> Measurement:
    """The measurement of an exchange that ended at ``at_ms``."""
    usual: dict[str, Any] = {"exchange_id": "e", "started_at": "2026-11-24T05:00:00.000000Z", "proxy_id": "p", "outcome": "proxy_error"}
    return observation.close(Measurement(**(usual | start)), verdict, at_ms * MS, tail_wait_ns=tail_wait_ms * MS)
