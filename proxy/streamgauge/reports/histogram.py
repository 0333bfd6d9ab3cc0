"""A histogram of latencies in text, on a logarithmic axis: a slow tail is as long as it is, and a second peak is seen. Pure."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

from streamgauge.reports.bars import UNICODE, Ink, bar
from streamgauge.reports.wording import duration, percent

STEPS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
"""Bounds within a decade: round numbers, roughly equal ratios."""


def bounds(low: float, high: float) -> list[float]:
    """Round bounds around [low, high], ascending; the last is above ``high``."""
    # A decade more on both sides: the logarithm of a number just below a power of ten rounds up to it.
    decade = math.floor(math.log10(low)) - 1
    found = [step * 10.0**d for d in range(decade, math.floor(math.log10(high)) + 2) for step in STEPS]
    first = max(i for i, bound in enumerate(found) if bound <= low)
    past = next(i for i, bound in enumerate(found) if bound > high)
    return found[first : past + 1]


def histogram(values: Sequence[float], width: int, *, marks: dict[str, float] | None = None, chars: Ink = UNICODE) -> list[str]:
    """One line per range: range, bar, count, share; ``marks`` (such as ``{"p95": 1.2}``) are named in the range they fall into."""
    positive = [value for value in values if value > 0]
    if not positive:
        return []
    edges = bounds(min(positive), max(positive))
    counts = [0] * (len(edges) - 1)
    for value in positive:
        counts[_range_of(value, edges)] += 1
    names: list[list[str]] = [[] for _ in counts]
    for name, value in (marks or {}).items():
        if edges[0] <= value < edges[-1]:
            names[_range_of(value, edges)].append(name)
    room = max(10, width - 46)
    return [_line(edges[i], edges[i + 1], n, len(positive), max(counts), room, names[i], chars) for i, n in enumerate(counts)]


def _range_of(value: float, edges: Sequence[float]) -> int:
    return min(bisect.bisect_right(edges, value), len(edges) - 1) - 1


def _line(low: float, high: float, n: int, total: int, largest: int, room: int, names: list[str], chars: Ink) -> str:
    label = f"{_bound(low):>8} to {_bound(high):<8}"
    drawn = bar(n, largest, room, chars).ljust(room)
    return f"{label}{chars.edge}{drawn} {n:>7,} {percent(n, total):>7}  {' '.join(names)}".rstrip()


def _bound(seconds: float) -> str:
    text = duration(seconds)
    number, unit = text.split(" ", 1)
    return f"{float(number):g} {unit}" if " " not in unit else text
