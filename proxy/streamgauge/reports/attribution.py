"""Where the time of one exchange went: phases on one axis, and who spent them. Pure.

The axis begins when the application's request head was read and ends with ``e2e``. The phases follow one another without gap or overlap,
so their sum is ``e2e``; a time point that was not measured is left out and its time falls to the phase it would have ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

PHASES: dict[str, str] = {
    "upload": "waiting for the application to send its request (reader)",
    "request": "the proxy, before it begins to send upstream",
    "connect": "getting a connection to the provider, TLS included",
    "no_answer": "waiting for a first byte that never came",
    "first_byte": "the provider, from the request to the head of its answer",
    "first_token": "the provider, from the head of its answer to the first generated output",
    "generation": "first generated output to last, stalls included",
    "body": "the answer's body, where it was not streamed",
    "tail": "the provider, from the last output to its last byte (usage, end marker)",
    "handover": "the provider's last byte to the last byte handed to the application (proxy, or an application that reads slowly)",
    "local": "a reply made by the proxy; nothing was sent upstream",
}

SPENDERS: dict[str, str] = {
    "provider_first": "the provider before its first token",
    "provider_generation": "the provider's generation",
    "reader": "the application reading slowly",
    "upload": "the application's upload",
    "connect": "connecting to the provider",
    "proxy": "the proxy",
}
"""Who can spend time, in words that fit into a sentence. An answer in one piece is all "before the first token": nothing is known of its inside."""


class Timed(Protocol):
    """The time fields of a Measurement, or of a row that has columns of these names; seconds."""

    streaming: bool | None
    http_status: int | None
    upload: float | None
    connect: float | None
    ttfb: float | None
    ttft: float | None
    upstream_ttft: float | None
    time_to_last_token: float | None
    upstream_e2e: float | None
    e2e: float | None
    downstream_wait: float | None
    gap_proxy: float | None
    gap_reader: float | None
    overhead_request: float | None
    overhead_tail: float | None


TIMED_COLUMNS = tuple(Timed.__annotations__)
"""What a row needs to be attributed."""


class Phase(NamedTuple):
    """One stretch of the axis, in seconds from its beginning. ``name`` is a key of ``PHASES``."""

    name: str
    start: float
    end: float

    @property
    def length(self) -> float:
        """Seconds."""
        return self.end - self.start


def sent_at(m: Timed) -> float:
    """Seconds from the application's request head to the moment the proxy begins to send upstream."""
    upload = m.upload or 0.0
    if m.ttft is not None and m.upstream_ttft is not None:
        return max(upload, m.ttft - m.upstream_ttft)
    # The request leg leaves out only the wait for the application's body, the upload is the whole of reading it:
    # their sum may be late by what the proxy did meanwhile, and is never later than what the end leaves over.
    latest = upload + (m.overhead_request or 0.0)
    if m.e2e is not None and m.upstream_e2e is not None:
        latest = min(latest, m.e2e - m.upstream_e2e - (m.overhead_tail or 0.0))
    return max(upload, latest)


class _Axis:
    def __init__(self, end: float) -> None:
        self.phases: list[Phase] = []
        self._end = end
        self._at = 0.0

    def until(self, name: str, at: float | None) -> None:
        """The phase ``name`` lasted to ``at``; an unknown or earlier point leaves the axis where it is."""
        if at is None:
            return
        stop = min(at, self._end)
        if stop > self._at:
            self.phases.append(Phase(name, self._at, stop))
            self._at = stop


def phases(m: Timed) -> list[Phase]:
    """The phases of an exchange, in order, only those that lasted; empty where no end is known (a lost exchange)."""
    if m.e2e is None:
        return []
    axis = _Axis(m.e2e)
    axis.until("upload", m.upload)
    if m.upstream_e2e is None and m.ttfb is None and m.connect is None:
        axis.until("local", m.e2e)
        return axis.phases
    sent = sent_at(m)
    axis.until("request", sent)
    axis.until("connect", _after(sent, m.connect))
    _upstream(axis, m, sent)
    axis.until("handover", m.e2e)
    return axis.phases


def _upstream(axis: _Axis, m: Timed, sent: float) -> None:
    over = _after(sent, m.upstream_e2e)
    if m.ttfb is None and m.upstream_ttft is None:
        axis.until("no_answer", m.e2e if over is None else over)
        return
    axis.until("first_byte", _after(sent, m.ttfb))
    if m.upstream_ttft is None:
        # An error has no token to wait for, also where a stream was asked for.
        axis.until("first_token" if m.streaming and (m.http_status or 0) < 400 else "body", over)
        return
    axis.until("first_token", sent + m.upstream_ttft)
    axis.until("generation", _after(sent, m.time_to_last_token))
    axis.until("generation" if m.time_to_last_token is None else "tail", over)


def _after(sent: float, seconds: float | None) -> float | None:
    return None if seconds is None else sent + seconds


def spent(m: Timed, cut: Iterable[Phase] | None = None) -> dict[str, float]:
    """Seconds by spender (keys of ``SPENDERS``); their sum is ``e2e``. ``cut``: the phases of ``m``, from whoever has them already."""
    length = dict.fromkeys(PHASES, 0.0)
    for name, start, end in phases(m) if cut is None else cut:
        length[name] += end - start
    proxy_late, reader_slow = _inside(m, length["generation"])
    waited = _reader_at_the_end(m, length["handover"])
    body_waited = min(max(0.0, (m.downstream_wait or 0.0) - waited), length["body"])
    return {
        "provider_first": length["no_answer"] + length["first_byte"] + length["first_token"] + length["body"] - body_waited,
        "provider_generation": length["generation"] - proxy_late - reader_slow + length["tail"],
        "reader": reader_slow + waited + body_waited,
        "upload": length["upload"],
        "connect": length["connect"],
        "proxy": length["request"] + length["local"] + proxy_late + length["handover"] - waited,
    }


_BEFORE_FIRST_TOKEN = {
    "upload": "upload",
    "request": "proxy",
    "connect": "connect",
    "first_byte": "provider_first",
    "first_token": "provider_first",
}


def spent_until_first_token(cut: Iterable[Phase]) -> dict[str, float]:
    """As ``spent``, of the phases up to the first generated output alone; its sum is ``ttft`` where that is known."""
    found = dict.fromkeys(SPENDERS, 0.0)
    for name, start, end in cut:
        if name in _BEFORE_FIRST_TOKEN:
            found[_BEFORE_FIRST_TOKEN[name]] += end - start
    return found


def _inside(m: Timed, generation: float) -> tuple[float, float]:
    """(proxy, reader): the parts of the generation that were not the provider's silence."""
    proxy = min(m.gap_proxy or 0.0, generation)
    return proxy, min(m.gap_reader or 0.0, generation - proxy)


def _reader_at_the_end(m: Timed, handover: float) -> float:
    if m.overhead_tail is not None:
        return max(0.0, handover - m.overhead_tail)
    return min(handover, m.downstream_wait or 0.0)
