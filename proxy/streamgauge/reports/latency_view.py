"""``report latency`` as tables for people and as records for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streamgauge.reports.attribution import SPENDERS
from streamgauge.reports.bars import UNICODE, Ink
from streamgauge.reports.figures import FEW, FEW_MARK, FIGURES
from streamgauge.reports.histogram import histogram
from streamgauge.reports.latency import SHARES, Group, LatencyReport
from streamgauge.reports.percentiles import nearest_rank
from streamgauge.reports.table import Column, Table
from streamgauge.reports.wording import duration, percent, plural

_P = ("p50", "p95", "p99")
_FELT = (("ttft", (0, 1, 2)), ("e2e", (0, 1, 2)))
_CAUSED = (("upstream_ttft", (0, 1)), ("tpot", (0, 1)), ("output_rate", (0,)), ("proxy_overhead", (0, 2)))

FIGURES_OF_REPORT = ("ttft", "upstream_ttft", "tpot", "output_rate", "e2e", "proxy_overhead")

_MODES = {True: "stream", False: "whole", None: "-"}


def show(value: Any) -> str:
    """A dimension's value in a table; ``-`` where it is not known."""
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)


def tables(report: LatencyReport) -> list[Table]:
    """What the users felt; what the provider and the proxy did."""
    percentiles = [{name: group.percentiles(name) for name in FIGURES_OF_REPORT} for group in report.groups]
    felt = _table(report, percentiles, _FELT, "What the application felt", others=True)
    caused = _table(report, percentiles, _CAUSED, "What the provider and the proxy did", others=False)
    caused.notes = _notes(report, percentiles)
    return [felt, caused]


def _table(report: LatencyReport, percentiles: list[dict[str, Any]], shown: Any, title: str, *, others: bool) -> Table:
    columns = [Column(name, key=True) for name in report.by] + [Column("mode")]
    if others:
        columns.append(Column("other", right=True))
    few = any(0 < p[name][0] < FEW for p in percentiles for name, _ in shown)
    for name, which in shown:
        columns += _columns(name, which)
    rows = []
    for group, found in zip(report.groups, percentiles, strict=True):
        if not group.counted and not others:
            continue  # nothing completed: the first table says so
        cells = [show(value) for value in group.key] + [_MODES[group.streaming]]
        if others:
            cells.append(f"{group.other:,}")
        for name, which in shown:
            cells += _cells(name, which, *found[name], few=few)
        rows.append(cells)
    return Table(columns, rows, title)


def _columns(name: str, which: tuple[int, ...]) -> Iterator[Column]:
    figure = FIGURES[name]
    over = f"{figure.heading}, {figure.unit}"
    if name == "output_rate":  # stands beside TPOT, whose values and count it shares
        yield Column("p50", right=True, over=figure.unit)
        return
    yield Column("n", right=True, over=over)
    for i in which:
        yield Column(_P[i], right=True, over=over)


def _cells(name: str, which: tuple[int, ...], n: int, values: list[float | None], *, few: bool) -> Iterator[str]:
    figure = FIGURES[name]
    if name != "output_rate":
        yield f"{n:,}" if n else "-"
    mark = (FEW_MARK if 0 < n < FEW else " ") if few else ""
    for i in which:
        yield figure.show(values[i]) + mark


def _notes(report: LatencyReport, percentiles: list[dict[str, Any]]) -> list[str]:
    notes = []
    if any(0 < p[name][0] < FEW for p in percentiles for name in FIGURES_OF_REPORT):
        notes.append(f"{FEW_MARK} fewer than {FEW} values: read it as a hint, not as a percentile")
    if report.others:
        told = ", ".join(f"{n:,} {outcome}" for outcome, n in report.others.most_common())
        notes.append(f"other = not completed, in no percentile: {told}")
    if any(group.streaming is False and group.counted for group in report.groups):
        notes.append("whole = answered in one piece: such an exchange has no first token, TPOT or output rate")
    if report.labelled:
        notes.append(f"{plural(report.labelled, 'exchange')} of drills, replays or probes included; --where label= leaves them out")
    if report.sampled > 1:
        notes.append(f"percentiles of the largest groups come from every {report.sampled}th exchange (bounded memory); counts are exact")
    return notes


def verdict(report: LatencyReport) -> list[str]:
    """How many are over the objective, in a sentence."""
    over, figure = report.over, FIGURES[report.over.objective.figure]
    aim = f"{figure.heading} objective {duration(over.objective.limit)}"
    outside = f"{over.outside:,} of another workload class have no such objective" if over.outside else ""
    if not over.measured:
        advice = f"; {outside}, --objective any:{over.objective.figure}=... takes all" if outside else ""
        return [f"{aim}: no {' or '.join(over.objective.classes)} exchange in this selection has that figure{advice}"]
    told = f"{aim}: {over.over:,} of {plural(over.measured, 'exchange')} were over it ({percent(over.over, over.measured)})"
    without = report.counted - over.measured - over.outside
    rest = [f"{without:,} more have no {figure.heading}"] if without else []
    return ["; ".join([told, *rest, *([outside] if outside else [])])]


def spenders(report: LatencyReport) -> Table | None:
    """Who spent the time of the exchanges over the objective; ``None`` when there are none."""
    over = report.over
    if not over.over:
        return None
    first, whole = sum(over.first_token.values()), sum(over.whole.values())
    columns = [Column("who spent their time")]
    for heading in ("to the first token", "whole exchange"):
        columns += [Column("sum", right=True, over=heading), Column("share", right=True, over=heading)]
    rows = []
    for name, words in sorted(SPENDERS.items(), key=lambda item: -over.whole[item[0]]):
        first_cells = _time(over.first_token[name], first) if name not in ("provider_generation", "reader") else ("-", "-")
        rows.append([words, *(first_cells if first else ("-", "-")), *_time(over.whole[name], whole)])
    return Table(columns, rows)


def _time(seconds: float, whole: float) -> tuple[str, str]:
    return duration(seconds), percent(seconds, whole)


def plot(report: LatencyReport, width: int, chars: Ink = UNICODE) -> list[str]:
    """The distribution of TTFT over the whole selection; empty when nothing was streamed."""
    values = sorted(report.first_tokens)
    if not values:
        return []
    marks = {name: found for name, share in zip(_P, SHARES, strict=True) if (found := nearest_rank(values, share)) is not None}
    return [f"TTFT of {plural(len(values), 'stream')}", *histogram(values, width, marks=marks, chars=chars)]


def records(report: LatencyReport) -> list[dict[str, Any]]:
    """One flat record per group: durations in seconds, rates in tokens per second, ``null`` where there is no value."""
    return [_record(report, group) for group in report.groups]


def fields(report: LatencyReport) -> list[str]:
    """The names of a record's members."""
    figures = [f"{name}_{part}" for name in FIGURES_OF_REPORT for part in ("n", *_P)]
    return list(dict.fromkeys([*report.by, "streaming", "counted", "other", *figures]))


def _record(report: LatencyReport, group: Group) -> dict[str, Any]:
    record: dict[str, Any] = dict(zip(report.by, group.key, strict=True))
    record |= {"streaming": group.streaming, "counted": group.counted, "other": group.other}
    for name in FIGURES_OF_REPORT:
        n, values = group.percentiles(name)
        record[f"{name}_n"] = n
        record |= {f"{name}_{p}": value for p, value in zip(_P, values, strict=True)}
    return record


def summary(report: LatencyReport) -> dict[str, Any]:
    """The objective, who spent the time over it, and what is not in the percentiles; seconds."""
    over = report.over
    return {
        "objective": {
            "figure": over.objective.figure,
            "limit": over.objective.limit,
            "classes": list(over.objective.classes),
            "measured": over.measured,
            "over": over.over,
            "outside": over.outside,
        },
        "spent_until_first_token": over.first_token,
        "spent_whole": over.whole,
        "other_outcomes": dict(report.others),
        "labelled": report.labelled,
        "sampled_1_in": report.sampled,
    }
