"""Two prices for one key at one time, and times without one: what makes a price book say two things, or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from streamgauge.pricing.mistakes import Mistake
from streamgauge.pricing.rate import Rate, shown


def by_key(rates: Iterable[Rate]) -> Iterator[tuple[str, Sequence[Rate]]]:
    """(region, its rows of one key), the oldest first."""
    groups: dict[tuple[object, ...], list[Rate]] = {}
    for rate in rates:
        for region in rate.regions:
            groups.setdefault((region, *rate.cell), []).append(rate)
    for key, group in groups.items():
        if len(group) > 1:
            group.sort(key=lambda r: (r.start is not None, r.start))
        yield str(key[0]), group


def overlaps(file: str, rates: Iterable[Rate]) -> list[Mistake]:
    """Rows of one key whose times overlap; each is told with the line it collides with."""
    found: dict[tuple[int, int], Mistake] = {}
    for region, group in by_key(rates):
        latest = group[0]
        for rate in group[1:]:
            if latest.end is None or rate.start is None or latest.end > rate.start:
                span = f"{shown(latest.start)} to {shown(latest.end)}"
                reason = f"overlaps line {latest.line} ({span}): two prices of {rate.model} {rate.kind} in {region} at one time"
                found.setdefault((latest.line, rate.line), Mistake(file, rate.line, "effective_from", reason))
            if latest.end is not None and (rate.end is None or rate.end > latest.end):
                latest = rate
    return list(found.values())


def gaps(file: str, rates: Iterable[Rate]) -> list[Mistake]:
    """Times between two prices of one key at which there is none, and nobody wrote ``withdrawn``."""
    found: dict[int, Mistake] = {}
    for region, group in by_key(rates):
        for one, other in pairwise(group):
            if one.end is not None and other.start is not None and one.end < other.start:
                span = f"{shown(one.end)} to {shown(other.start)}"
                reason = f"no price of {one.model} {one.kind} in {region} from {span} (line {one.line}); write a row with usd withdrawn"
                found.setdefault(other.line, Mistake(file, other.line, "effective_from", reason))
    return list(found.values())
