"""``report errors``: what did not complete, by group; usage that is unknown; exchanges that have no row. Pure: counts in, a report out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from streamgauge.reports.dimensions import has_order, order
from streamgauge.reports.selection import Selection

KINDS = ("outcome", "error_type", "side", "http_status")


def columns(selection: Selection) -> list[str]:
    """What the counted rows must be grouped by, in this order; ``n``, ``first``, ``last``, ``example`` follow."""
    return list(dict.fromkeys([*selection.by, *KINDS, "usage_source", "undecoded"]))


@dataclass(slots=True)
class Failure:
    """One way of not completing within a group; ``first`` and ``last`` are times of start, ``example`` the newest exchange's id."""

    key: tuple[Any, ...]
    kind: tuple[Any, ...]
    n: int
    first: str
    last: str
    example: str


@dataclass(slots=True)
class FailureReport:
    """``totals`` are all exchanges of a group, the completed ones included: the denominator of every share."""

    by: tuple[str, ...]
    failures: list[Failure]
    totals: Counter[tuple[Any, ...]]
    outcomes: Counter[str]
    usage: Counter[str] = field(default_factory=Counter)
    undecoded: Counter[str] = field(default_factory=Counter)
    unknown_completed: int = 0

    @property
    def total(self) -> int:
        """All exchanges of the selection."""
        return sum(self.totals.values())


def report(counts: Iterable[Sequence[Any]], selection: Selection) -> FailureReport:
    """From counts grouped by ``columns(selection)``: failures, hours and bands in their own order, else the largest group first.

    Every failure has its outcome, error type, side and status anyway; as a dimension of ``--by`` they make no groups, whose shares would all
    be the whole.
    """
    names = columns(selection)
    by = tuple(name for name in selection.by if name not in KINDS)
    at = {name: index for index, name in enumerate(names)}
    failures: dict[tuple[Any, ...], Failure] = {}
    result = FailureReport(by, [], Counter(), Counter())
    for row in counts:
        n, first, last, example = row[len(names) : len(names) + 4]
        key = tuple(row[at[name]] for name in by)
        kind = tuple(row[at[name]] for name in KINDS)
        result.totals[key] += n
        result.outcomes[row[at["outcome"]]] += n
        _usage(result, row[at["outcome"]], row[at["usage_source"]], row[at["undecoded"]], n)
        if row[at["outcome"]] == "completed":
            continue
        known = failures.setdefault((key, kind), Failure(key, kind, 0, first, last, example))
        known.n += n
        known.first, known.last = min(known.first, first), max(known.last, last)
        known.example = max(known.example, example)
    result.failures = sorted(failures.values(), key=lambda failure: _rank(result, failure))
    return result


def _usage(result: FailureReport, outcome: str, source: str, undecoded: str | None, n: int) -> None:
    result.usage[source] += n
    if outcome == "completed" and source == "unknown":
        result.unknown_completed += n
    if undecoded:
        result.undecoded[undecoded] += n


def _rank(result: FailureReport, failure: Failure) -> tuple[Any, ...]:
    named = list(zip(result.by, failure.key, strict=True))
    own = [order(name, value) for name, value in named if has_order(name)]
    return (own, -result.totals[failure.key], [order(name, value) for name, value in named], -failure.n, str(failure.kind))
