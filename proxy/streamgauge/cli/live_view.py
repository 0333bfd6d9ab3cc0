"""Exchanges as they complete, for a terminal or as plain lines: what the admin interface says becomes a heading, rows and a legend.

Knows: widths, words and figures. Must not know: where the answers come from, and how often somebody looks.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from streamgauge.reports.figures import FIGURES

NARROW = 116
"""Below so many columns models and operations are shortened and units stand under their headings; at 80 the line is full."""

KEPT = 500
"""Ended exchanges the medians and rates are made of: some forty seconds of the demo, and a sort of that many takes no time."""

RATE_SECONDS = 5.0
"""Rates are of the last five seconds: long enough to be steady, short enough to be now."""

LEGEND = (
    "TTFT: from the request to the first token.  TPOT: time per token after it.",
    "E2E: from the request to the last byte.  in, out: tokens.  -: not known or none.",
)
"""What the headings mean, for somebody who sees them for the first time; each line fits into 80 columns."""

_MODEL = re.compile(r"(?:(?:us|eu|apac|global|au|jp|ca)\.)?(?:[a-z0-9]+\.)?(?P<name>.+?)(?:-[0-9]{8})?(?:-v[0-9]+(?::[0-9]+)?)?")


def short_model(model: str) -> str:
    """``claude-sonnet-4-5`` of ``us.anthropic.claude-sonnet-4-5-20250929-v1:0``."""
    found = _MODEL.fullmatch(model)
    return found["name"] if found else model


_WIDE = (
    (("time, UTC", 9), ("model", 20), ("operation", 0), ("outcome", 12)),
    (("TTFT, s", 7), ("TPOT, ms", 8), ("E2E, s", 6), ("in", 6), ("out", 5)),
)
_NARROW = (("ended", 8), ("model", 10), ("operation", 0), ("outcome", 12)), (("TTFT", 5), ("TPOT", 5), ("E2E", 5), ("in", 5), ("out", 4))
"""Headings and widths of the texts, then of the figures; the operation gets what is left."""

_UNITS = ("s", "ms", "s", "", "")
_FIGURES = ("ttft", "tpot", "e2e", "input_tokens", "output_tokens")
_OPERATION = (9, 29)
"""Narrowest and widest: ``InvokeModelWithResponseStream`` has 29 letters."""


class Layout:
    """Columns of one line for a screen of ``width``: text at the left, figures at the right, so that they stand under one another."""

    def __init__(self, width: int) -> None:
        self._narrow = width < NARROW
        self._gap = " " if self._narrow else "  "
        texts, self._figures = _NARROW if self._narrow else _WIDE
        taken = sum(size for _, size in (*texts, *self._figures)) + len(self._gap) * (len(texts) + len(self._figures) - 1)
        self._texts = [(name, size or max(_OPERATION[0], min(_OPERATION[1], width - taken))) for name, size in texts]

    def heading(self) -> list[str]:
        """One line, or two where the units stand in their own."""
        names = self._line([name for name, _ in self._texts], [name for name, _ in self._figures])
        return [names, self._line(["" for _ in self._texts], _UNITS)] if self._narrow else [names]

    def row(self, ended: Mapping[str, Any]) -> str:
        """One exchange."""
        model = short_model(ended["model"] or ended["requested_model"] or ended["endpoint_name"] or "-")
        model = model.removeprefix("claude-") if self._narrow else model
        ended_at = datetime.fromtimestamp(_ended_at(ended), UTC).strftime("%H:%M:%S")
        texts = [ended_at, model, ended["operation"] or "-", ended["outcome"]]
        return self._line(texts, [FIGURES[name].show(ended[name]) for name in _FIGURES])

    def _line(self, texts: Sequence[str], figures: Sequence[str]) -> str:
        left = [_fit(text, size) for text, (_, size) in zip(texts, self._texts, strict=True)]
        right = [figure.rjust(size) for figure, (_, size) in zip(figures, self._figures, strict=True)]
        return self._gap.join([*left, *right]).rstrip()


def _fit(text: str, size: int) -> str:
    return text.ljust(size) if len(text) <= size else text[: size - 1] + "…"


@dataclass
class LiveView:
    """What is going on, from the answers of ``/api/v1/summary`` and ``/api/v1/exchanges``. Memory is bounded."""

    ended: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT))
    summary: Mapping[str, Any] = field(default_factory=dict)
    _seen: deque[str] = field(default_factory=lambda: deque(maxlen=4 * KEPT))

    def take(self, summary: Mapping[str, Any], exchanges: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Take an answer; returns the exchanges that are new in it, in the order of their ends."""
        self.summary = summary
        known = set(self._seen)
        fresh = sorted((one for one in exchanges if one["exchange_id"] not in known), key=_ended_at)
        self._seen.extend(one["exchange_id"] for one in fresh)
        self.ended.extend(fresh)
        return fresh

    @property
    def settled(self) -> bool:
        """Whether everything that was seen has its row and nothing is open."""
        counted = self.summary.get("rows", 0) + sum(self.summary.get("unmeasured", {}).values())
        return bool(self.summary) and self.summary["open"] == 0 and counted >= self.summary["seen"]

    def heading(self, now: float) -> list[str]:
        """Three lines that fit into 80 columns: counts, rates, latencies. ``now`` in seconds since the epoch."""
        return [self._counts(), self._rates(now), self._latencies()]

    def _counts(self) -> str:
        outcomes = Counter(self.summary.get("outcomes", {}))
        total = sum(outcomes.values())
        told = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.most_common())
        measured = f"{total:,} calls measured" + (f" ({told})" if told else "")
        return f"{measured}, {self.summary.get('open', 0)} open now"

    def _rates(self, now: float) -> str:
        recent = [one for one in self.ended if now - _ended_at(one) <= RATE_SECONDS]
        tokens = sum(one["output_tokens"] or 0 for one in recent)
        return f"last {RATE_SECONDS:.0f} s: {len(recent) / RATE_SECONDS:.1f} calls/s, {tokens / RATE_SECONDS:,.0f} output tokens/s"

    def _latencies(self) -> str:
        ttft, added = _known(self.ended, "ttft"), _known(self.ended, "proxy_overhead")
        if not ttft or not added:
            return "no first token yet"
        show = FIGURES["ttft"].say
        return (
            f"first token: half in {show(ttft[len(ttft) // 2])}, 19 of 20 in {show(ttft[len(ttft) * 19 // 20])}; "
            f"the proxy adds {FIGURES['proxy_overhead'].say(added[len(added) // 2])}"
        )


def _known(exchanges: Iterable[Mapping[str, Any]], name: str) -> list[float]:
    return sorted(one[name] for one in exchanges if one[name] is not None)


def _ended_at(exchange: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(exchange["started_at"]).timestamp() + float(exchange["e2e"] or 0.0)
