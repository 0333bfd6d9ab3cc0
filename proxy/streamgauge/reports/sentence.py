"""One sentence that says where the time of an exchange went. Pure."""

from __future__ import annotations

from streamgauge.records import Measurement
from streamgauge.reports.attribution import SPENDERS, phases, spent
from streamgauge.reports.wording import duration, listing, percent, plural

WORTH_NAMING = 0.05
"""A spender with less than a twentieth of the time is not named beside the largest."""


def sentence(m: Measurement) -> str:
    """Such as ``78 % of 4.21 s was the provider before its first token, 20 % the provider's generation.``"""
    if m.e2e is None:
        return f"It ended as {m.outcome}; how long it took is not known."
    whole = duration(m.e2e)
    shares = sorted(spent(m).items(), key=lambda item: -item[1])
    named = [(name, seconds) for name, seconds in shares if seconds > m.e2e * WORTH_NAMING]
    if not named:
        return f"It ended as {m.outcome} after {whole}."
    first, *rest = [(percent(seconds, m.e2e), _words(name, m)) for name, seconds in named]
    told = f"{first[0]} of {whole} was {first[1]}"
    if rest:
        told += ", " + listing([f"{share} {words}" for share, words in rest])
    return f"{_ending(m)}{told}{_stalls(m)}."


def _words(name: str, m: Measurement) -> str:
    kinds = {phase.name for phase in phases(m)}
    if name == "provider_first" and "no_answer" in kinds:
        return "waiting for an answer that did not come"
    if name == "provider_first" and m.upstream_ttft is None:
        return _without_token(m, kinds)
    if name == "proxy" and "local" in kinds:
        return "the proxy, which answered by itself"
    if name == "provider_generation" and m.output_tokens:
        return f"the provider generating {plural(m.output_tokens, 'token')}"
    return SPENDERS[name]


def _without_token(m: Measurement, kinds: set[str]) -> str:
    if m.http_status is not None and m.http_status >= 400:
        return f"the provider until it had answered HTTP {m.http_status}"
    if "body" in kinds or m.outcome == "completed":
        return "the provider, which answered in one piece"
    return "the provider without a first token yet"


def _ending(m: Measurement) -> str:
    return "" if m.outcome == "completed" else f"It ended as {m.outcome}{f' ({m.error_type})' if m.error_type else ''}: "


def _stalls(m: Measurement) -> str:
    if not m.stall_count or not m.stall_time or not m.e2e or m.stall_time < m.e2e * WORTH_NAMING:
        return ""
    whose = {"upstream": "the provider's", "downstream": "the application's", "proxy": "the proxy's"}.get(m.stall_side or "", "nobody's")
    told = whose if m.stall_count == 1 else f"the longest was {whose}"
    return f"; {plural(m.stall_count, 'stall')} inside took {duration(m.stall_time)} ({told})"
