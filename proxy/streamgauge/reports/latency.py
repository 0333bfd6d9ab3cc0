"""``report latency``: percentiles per group, and who spent the time of the exchanges over the objective. Pure: rows in, a report out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from streamgauge.errors import UsageError
from streamgauge.reports.attribution import SPENDERS, TIMED_COLUMNS, Timed, phases, spent, spent_until_first_token
from streamgauge.reports.dimensions import has_order, order
from streamgauge.reports.percentiles import MAX_VALUES, Pool, Samples
from streamgauge.reports.selection import Selection, duration, nearest

MEASURED = ("ttft", "upstream_ttft", "tpot", "e2e", "proxy_overhead")
"""The figures whose values are kept; the output rate is derived from ``tpot``."""

SHARES = (0.50, 0.95, 0.99)

MAX_GROUPS = 10_000
"""A month of hours for a dozen teams. More groups than that are a mistake in ``--by``, or a job for ``exchanges --format csv``."""

OBJECTIVES = ("ttft", "upstream_ttft", "tpot", "e2e")


WAITED_FOR = ("interactive", "realtime")
"""Workload classes in which somebody waits: without a class in front, an objective is theirs. Of what is unclassified nobody knows."""

CLASSES = (*WAITED_FOR, "batch", "unclassified")
ANY = "any"


@dataclass(frozen=True, slots=True)
class Objective:
    """``figure`` should not be above ``limit`` seconds for calls of ``classes``."""

    figure: str = "ttft"
    limit: float = 2.0
    classes: tuple[str, ...] = WAITED_FOR


DEFAULT_OBJECTIVE = Objective()
"""Two seconds to the first token: about where people who wait for a chat answer begin to look elsewhere."""


def objective(text: str | None) -> Objective:
    """``ttft=1.0s`` or, for one workload class or ``any``, ``batch:e2e=60s`` as an objective. Raises ``UsageError``."""
    if text is None:
        return DEFAULT_OBJECTIVE
    figure, separator, limit = (part.strip() for part in text.partition("="))
    named, colon, rest = figure.partition(":")
    figure = rest.strip() if colon else figure
    if not separator:
        raise UsageError(f"--objective {text!r}: write figure=limit, for example --objective ttft=1.0s")
    if figure not in OBJECTIVES:
        raise UsageError(f"--objective {text}: no figure {figure}{nearest(figure, OBJECTIVES)}; there are {', '.join(OBJECTIVES)}")
    return Objective(figure, duration(f"--objective {text}", limit), _classes(text, named.strip()) if colon else WAITED_FOR)


def _classes(text: str, named: str) -> tuple[str, ...]:
    if named == ANY:
        return CLASSES
    if named not in CLASSES:
        raise UsageError(f"--objective {text}: no class {named}{nearest(named, (*CLASSES, ANY))}; there are {', '.join((*CLASSES, ANY))}")
    return (named,)


@dataclass(slots=True)
class Group:
    """One row of the report. ``key`` has a value per dimension of ``--by``; ``streaming`` separates what must not be mixed."""

    key: tuple[Any, ...]
    streaming: bool | None
    samples: dict[str, Samples]
    counted: int = 0
    other: int = 0

    def percentiles(self, figure: str) -> tuple[int, list[float | None]]:
        """(count, [p50, p95, p99]) of a figure in seconds; ``output_rate`` in tokens per second."""
        if figure != "output_rate":
            samples = self.samples[figure]
            return samples.count, samples.percentiles(SHARES)
        rates = Samples()
        for value in self.samples["tpot"].values:
            if value > 0:
                rates.add(1 / value)
        return self.samples["tpot"].count, rates.percentiles(SHARES)


@dataclass(slots=True)
class OverObjective:
    """How many exchanges of the objective's classes have its figure, how many are over it, and who spent their seconds.

    ``outside``: exchanges of other classes, which it says nothing about.
    """

    objective: Objective
    measured: int = 0
    over: int = 0
    outside: int = 0
    first_token: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SPENDERS, 0.0))
    whole: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SPENDERS, 0.0))

    def take(self, row: Timed) -> None:
        """Add one exchange that is over the objective."""
        self.over += 1
        cut = phases(row)
        for sums, parts in ((self.first_token, spent_until_first_token(cut)), (self.whole, spent(row, cut))):
            for name, seconds in parts.items():
                sums[name] += seconds


@dataclass(slots=True)
class LatencyReport:
    """``groups`` in reading order; ``others`` counts the outcomes that are not in the percentiles; ``sampled`` k: 1 in k values kept."""

    by: tuple[str, ...]
    groups: list[Group]
    over: OverObjective
    others: Counter[str]
    labelled: int
    sampled: int
    first_tokens: list[float]

    @property
    def counted(self) -> int:
        """Exchanges in the percentiles."""
        return sum(group.counted for group in self.groups)


def columns(selection: Selection) -> list[str]:
    """What the rows given to ``report`` must hold, by these names and in this order."""
    return list(dict.fromkeys([*selection.by, "streaming", "outcome", "label", "workload_class", *MEASURED, *TIMED_COLUMNS]))


def report(rows: Iterable[Sequence[Any]], selection: Selection, aim: Objective, limit: int = MAX_VALUES) -> LatencyReport:
    """Read rows of ``columns(selection)`` once. Raises ``UsageError`` when ``--by`` makes more than ``MAX_GROUPS`` groups."""
    at = {name: index for index, name in enumerate(columns(selection))}
    dimensions = tuple(name for name in selection.by if name != "streaming")  # the two modes are never mixed in a group anyway
    by = [at[name] for name in dimensions]
    streaming, outcome, label = at["streaming"], at["outcome"], at["label"]
    figures = [(name, at[name]) for name in MEASURED]
    aimed, workload, classes = at[aim.figure], at["workload_class"], frozenset(aim.classes)
    every = selection.names("outcome")
    pool, groups, over = Pool(limit), _Groups(dimensions), OverObjective(aim)
    others: Counter[str] = Counter()
    labelled = 0
    for row in rows:
        group = groups.of(tuple([row[i] for i in by]), row[streaming], pool)
        labelled += row[label] is not None
        if not every and row[outcome] != "completed":
            group.other += 1
            others[row[outcome]] += 1
            continue
        group.counted += 1
        for name, i in figures:
            value = row[i]
            if value is not None:
                pool.add(group.samples[name], value)
        if row[workload] not in classes:
            over.outside += 1
        elif row[aimed] is not None:
            over.measured += 1
            if row[aimed] > aim.limit:
                over.take(cast("Timed", row))
    found = groups.ordered()
    first_tokens = [value for group in found for value in group.samples["ttft"].values]
    return LatencyReport(dimensions, found, over, others, labelled, pool.coarsest, first_tokens)


class _Groups:
    def __init__(self, by: tuple[str, ...]) -> None:
        self._by = by
        self._found: dict[tuple[Any, ...], Group] = {}

    def of(self, key: tuple[Any, ...], streaming: bool | None, pool: Pool) -> Group:
        group = self._found.get((*key, streaming))
        if group is None:
            if len(self._found) >= MAX_GROUPS:
                raise UsageError(
                    f"--by {','.join(self._by)} makes more than {MAX_GROUPS:,} groups: use fewer dimensions, --where, or `exchanges --format csv`"
                )
            group = Group(key, streaming, {name: pool.samples() for name in MEASURED})
            self._found[*key, streaming] = group
        return group

    def ordered(self) -> list[Group]:
        """Hours and bands in their own order, everything else with the largest first; the two modes of a group together."""
        sizes: Counter[tuple[Any, ...]] = Counter()
        for group in self._found.values():
            sizes[group.key] += group.counted + group.other

        def rank(group: Group) -> tuple[Any, ...]:
            own = [order(name, value) for name, value in zip(self._by, group.key, strict=True) if has_order(name)]
            names = [order(name, value) for name, value in zip(self._by, group.key, strict=True)]
            return (own, -sizes[group.key], names, group.streaming is not True, group.streaming is None)

        return sorted(self._found.values(), key=rank)
