"""One exchange as a waterfall: its phases on one time axis, and the sentence that says where the time went. Pure."""

from __future__ import annotations

import textwrap
from typing import Any

import msgspec

from streamgauge.records import Measurement
from streamgauge.reports.attribution import Phase, phases, spent
from streamgauge.reports.bars import UNICODE, Ink, span
from streamgauge.reports.figures import FIGURES
from streamgauge.reports.sentence import sentence
from streamgauge.reports.table import Line
from streamgauge.reports.wording import duration, moment, percent

TITLES: dict[str, str] = {
    "upload": "upload (reader)",
    "request": "proxy, request leg",
    "connect": "connect",
    "no_answer": "no answer",
    "first_byte": "provider to first byte",
    "first_token": "provider to first token",
    "generation": "generation",
    "body": "provider, body",
    "tail": "provider, tail",
    "handover": "hand-over",
    "local": "proxy, local reply",
}
"""Short names of the phases, for the left of the chart."""

_LEFT = 24
_VALUES = 20
_NAMES = 13
"""Widths of the chart's left side and of the names of facts, in characters."""


def waterfall(m: Measurement, attempts: list[Measurement], width: int = 80, chars: Ink = UNICODE) -> list[Line]:
    """Everything about one exchange, in lines for a screen of ``width``."""
    return [
        *_head(m, width),
        Line("", "blank"),
        *_chart(m, width, chars),
        Line("", "blank"),
        *_folded(sentence(m), width),
        Line("", "blank"),
        *_facts(m, attempts, width),
    ]


def record(m: Measurement, attempts: list[Measurement]) -> dict[str, Any]:
    """The same for programs: the measurement with all its fields, phases, seconds by spender, sentence, the other attempts' ids."""
    return {
        "exchange": msgspec.structs.asdict(m),
        "phases": [{"phase": phase.name, "start": phase.start, "end": phase.end} for phase in phases(m)],
        "spent": spent(m) if m.e2e is not None else None,
        "sentence": sentence(m),
        "attempts": [{"exchange_id": a.exchange_id, "sdk_attempt": a.sdk_attempt, "outcome": a.outcome} for a in attempts],
    }


def _head(m: Measurement, width: int) -> list[Line]:
    ended = m.outcome + (f", {m.error_type}" if m.error_type else "") + (f", HTTP {m.http_status}" if m.http_status else "")
    whose = f", {m.side} side" if m.side else ""
    what = "  ".join(part for part in (m.model or m.requested_model or m.endpoint_name, m.operation, m.region) if part)
    conflict = f"; another is named: {m.tenant_conflict}" if m.tenant_conflict is not None else ""
    who = " / ".join(dict.fromkeys(part for part in (m.team, m.tenant, m.app) if part))
    return [
        Line(f"exchange {m.exchange_id}", "title"),
        *_fact("started", f"{moment(m.started_at, milliseconds=True)} UTC", width),
        *(_fact("who", f"{who} ({m.tenant_trust}{conflict})", width) if who else []),
        *_fact("what", what or "-", width),
        *_fact("ended", ended + whose, width),
    ]


def _chart(m: Measurement, width: int, chars: Ink) -> list[Line]:
    found = phases(m)
    if not found or not m.e2e:
        return [Line("no time points: this exchange was never seen to end", "note")]
    room = max(10, width - _LEFT - _VALUES - 3)
    end = duration(m.e2e)
    axis = " " * (_LEFT + _VALUES + 1) + "0" + end.rjust(room)
    out = [Line(axis, "heading")]
    for phase in found:
        out.append(_phase(phase, m.e2e, room, chars))
        if phase.name == "generation":
            out += [_within(*part, phase.length, room, chars) for part in _generation(m)]
        waited = (m.downstream_wait or 0.0) - (m.gap_reader or 0.0)
        if phase.name in ("handover", "body") and waited > 0:
            out.append(_within("reader wait", min(waited, phase.length), phase.length, room, chars))
    return out


def _phase(phase: Phase, whole: float, room: int, chars: Ink) -> Line:
    values = f"{duration(phase.length):>10} {percent(phase.length, whole):>8} "
    return Line(f"{TITLES[phase.name]:<{_LEFT}}{values}{chars.edge}{span(phase.start, phase.end, whole, room, chars)}{chars.edge}")


def _generation(m: Measurement) -> list[tuple[str, float]]:
    stalled = f"stalls ({m.stall_count})" if m.stall_count else "stalls"
    parts = [(stalled, m.stall_time), ("reader wait", m.gap_reader), ("proxy late", m.gap_proxy)]
    return [(name, seconds) for name, seconds in parts if seconds]


def _within(name: str, seconds: float, whole: float, room: int, chars: Ink) -> Line:
    # Where in the phase these moments lay is not kept, only their sum: no bar on the axis.
    share = f"{percent(seconds, whole)} of it"
    return Line(f"  {chars.rule} {name:<{_LEFT - 4}}{duration(seconds):>10} {'':>8} {chars.edge}{share:^{room}}{chars.edge}", "note")


def _facts(m: Measurement, attempts: list[Measurement], width: int) -> list[Line]:
    facts = [
        ("first token", _first(m)),
        ("generation", _rate(m)),
        ("tokens", _tokens(m)),
        ("provider says", _provider(m)),
        ("size", _size(m)),
    ]
    facts += [("request id", m.upstream_request_id or ""), ("trace", m.trace_id or ""), ("retry", _retry(m, attempts))]
    facts += [("cost", f"${m.cost_usd} ({m.cost_status})" if m.cost_usd else "")]
    out = [line for name, text in facts if text for line in _fact(name, text, width)]
    return out + [Line("  " + _attempt(a, a.exchange_id == m.exchange_id)) for a in attempts if len(attempts) > 1]


def _first(m: Measurement) -> str:
    names = ("ttft", "upstream_ttft", "ttft_reasoning", "ttft_visible", "ttft_tool")
    return "  ".join(f"{FIGURES[n].heading} {duration(value)}" for n in names if (value := getattr(m, n)) is not None)


def _rate(m: Measurement) -> str:
    if m.tpot is None:
        return ""
    gaps = [f"{p} {duration(value)}" for p in ("p50", "p95", "p99", "max") if (value := getattr(m, f"itl_{p}")) is not None]
    rate = f", {FIGURES['output_rate'].say(1 / m.tpot)}" if m.tpot > 0 else ""
    return f"TPOT {duration(m.tpot)}{rate}" + (f"; gaps between chunks: {', '.join(gaps)}" if gaps else "")


def _tokens(m: Measurement) -> str:
    if m.input_tokens is None and m.output_tokens is None:
        return f"{m.usage_source}" + (f" ({m.undecoded})" if m.undecoded else "")
    cached = [
        f"{value:,} {name}"
        for name, value in (("read from cache", m.cache_read_tokens), ("written to cache", m.cache_write_tokens))
        if value
    ]
    reasoning = f" ({m.reasoning_tokens:,} reasoning)" if m.reasoning_tokens else ""
    parts = f" ({', '.join(cached)})" if cached else ""
    told = f"{_known(m.input_tokens)} in{parts}, {_known(m.output_tokens)} out{reasoning}"
    conflict = f"; the second source says {m.usage_conflict}" if m.usage_conflict else ""
    return f"{told}; {m.usage_source}{' by the provider' if m.usage_source == 'reported' else _basis(m)}{conflict}"


def _basis(m: Measurement) -> str:
    """What an estimate was made from, for each count that is one."""
    parts = (("input", m.input_estimate), ("output", m.output_estimate))
    said = [f"{name} from its {'text' if how == 'tokenizer' else 'size'}" for name, how in parts if how is not None]
    return f" ({', '.join(said)})" if said else ""


def _known(tokens: int | None) -> str:
    return "unknown" if tokens is None else f"{tokens:,}"


def _provider(m: Measurement) -> str:
    told = []
    for name, theirs, ours in (("latency", m.provider_latency, m.upstream_e2e), ("first token", m.provider_ttft, m.upstream_ttft)):
        if theirs is not None:
            beside = f" (we saw {duration(ours)}: {duration(ours - theirs)} more)" if ours is not None and ours >= theirs else ""
            less = f" (we saw {duration(ours)}, less)" if ours is not None and ours < theirs else ""
            told.append(f"{name} {duration(theirs)}{beside}{less}")
    return "; ".join(told)


def _size(m: Measurement) -> str:
    parts = [
        f"{value:,} {name}"
        for value, name in ((m.request_bytes, "bytes up"), (m.response_bytes, "bytes down"), (m.chunks, "chunks"))
        if value
    ]
    if m.in_flight is not None:
        parts.append(f"{m.in_flight:,} in flight at the start")
    if m.connection_reused is not None:
        parts.append("reused connection" if m.connection_reused else "new connection")
    return ", ".join(parts)


def _retry(m: Measurement, attempts: list[Measurement]) -> str:
    if not m.sdk_invocation_id:
        return ""
    known = f"; {len(attempts)} attempts in this ledger:" if len(attempts) > 1 else ""
    return f"SDK call {m.sdk_invocation_id}, attempt {m.sdk_attempt or '?'}{known}"


def _attempt(a: Measurement, itself: bool) -> str:
    took = duration(a.e2e) if a.e2e is not None else "-"
    return f"{a.exchange_id}  attempt {a.sdk_attempt or '?'}  {a.outcome}  {took}{'  (this one)' if itself else ''}"


def _fact(name: str, text: str, width: int) -> list[Line]:
    return _folded(f"{name:<{_NAMES}} {text}", width, _NAMES + 1)


def _folded(text: str, width: int, indent: int = 0) -> list[Line]:
    return [Line(part) for part in textwrap.wrap(text, width, subsequent_indent=" " * indent, break_on_hyphens=False)]
