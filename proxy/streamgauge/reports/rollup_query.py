"""Counts, tokens and money of any period and grouping, from the rollups: whole days from days, whole hours from hours, the rest from rows.

A sum is the same to the last pico-dollar whichever way it is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from streamgauge.errors import UsageError
from streamgauge.pricing.money import PICO
from streamgauge.reports.query import Ledger, clause
from streamgauge.reports.selection import Selection, Value
from streamgauge.sinks.rollup import DAY, HOUR, SOURCE, Tally
from streamgauge.sinks.rollup_table import COUNTS, KEYS, MONEY, rollup_daily, rollup_hourly

PERIODS = {"hour": HOUR, "day": DAY, "week": DAY, "month": 7}
"""Groupings by time, and how much of a moment's text tells them (a week: its day)."""

_SPLIT = 10**6
"""Pico-dollars are summed in two parts, so that not even nine million lines overflow a 64-bit sum."""


class Sums(msgspec.Struct, kw_only=True):
    """What the exchanges of a ``group`` (values of ``selection.by``) add up to. Counts as in ``rollup_table.COUNTS``, money in pico-dollars.

    ``cost_pico`` is what the rows were written with, ``adjusted_pico`` what later corrections add to it.
    """

    group: tuple[Value, ...]
    exchanges: int = 0
    priced: int = 0
    usage_estimated: int = 0
    usage_unknown: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    adjustments: int = 0
    cost_pico: int = 0
    adjusted_pico: int = 0


_NUMBERS = (*COUNTS, *(f"{name}_pico" for name in MONEY))


@dataclass(frozen=True)
class _Span:
    """A part of a period and where its sums come from: a rollup, or ``None``: the rows."""

    table: sa.Table | None
    since: datetime | None
    until: datetime | None


def sums(ledger: Ledger, selection: Selection) -> list[Sums]:
    """One line for each group of ``selection.by``, in no order. Raises ``UsageError`` for a column that rows are not summed by."""
    _refuse_unknown(selection)
    found: dict[tuple[Value, ...], Sums] = {}
    for span in _spans(ledger, selection):
        lines = _from_rows(ledger, selection, span) if span.table is None else _from_rollup(ledger, selection, span.table, span)
        for group, numbers in lines:
            into = found.setdefault(group, Sums(group=group))
            for name, number in zip(_NUMBERS, numbers, strict=True):
                setattr(into, name, getattr(into, name) + number)
    return list(found.values())


def _refuse_unknown(selection: Selection) -> None:
    known = ", ".join((*KEYS, *PERIODS))
    for name in selection.by:
        if name not in KEYS and name not in PERIODS:
            raise UsageError(f"--by {name}: sums are kept by {known}")
    for condition in selection.where:
        if condition.column not in KEYS:
            raise UsageError(f"--where {condition.column}: sums are kept by {', '.join(KEYS)}")


def _spans(ledger: Ledger, selection: Selection) -> Iterator[_Span]:
    since, until = selection.since, selection.until
    if not (ledger.has(rollup_hourly) and ledger.has(rollup_daily)):
        yield _Span(None, since, until)
        return
    yield from _cut(since, until, _hour, rollup_hourly, None if "hour" in selection.by else rollup_daily)


def _cut(since: datetime | None, until: datetime | None, unit: Any, table: sa.Table, coarser: sa.Table | None) -> Iterator[_Span]:
    """Whole units from ``table`` (or, of those, whole days from ``coarser``), what is left at both ends from what is finer."""
    finer = None if table is rollup_hourly else rollup_hourly
    begin, end = since and unit(since, up=True), until and unit(until, up=False)
    if begin and end and begin >= end:
        yield _Span(finer, since, until)
        return
    if since != begin:
        yield _Span(finer, since, begin)
    if coarser is not None:
        yield from _cut(begin, end, _day, coarser, None)
    else:
        yield _Span(table, begin, end)
    if until != end:
        yield _Span(finer, end, until)


def _hour(moment: datetime, *, up: bool) -> datetime:
    moment = moment.astimezone(UTC)
    whole = moment.replace(minute=0, second=0, microsecond=0)
    return whole + timedelta(hours=1) if up and whole < moment else whole


def _day(moment: datetime, *, up: bool) -> datetime:
    whole = moment.replace(hour=0)
    return whole + timedelta(days=1) if up and whole < moment else whole


def _from_rollup(ledger: Ledger, selection: Selection, table: sa.Table, span: _Span) -> Iterator[tuple[tuple[Value, ...], list[int]]]:
    by = [_expression(table, name).label(name) for name in selection.by]
    statement = sa.select(*by, *(_sum(table.c[name]) for name in COUNTS), *(part for name in MONEY for part in _money(table, name)))
    conditions = [clause(table.c[condition.column], condition) for condition in selection.where]
    form = "%Y-%m-%dT%H" if table is rollup_hourly else "%Y-%m-%d"
    if span.since:
        conditions.append(table.c.period >= span.since.strftime(form))
    if span.until:
        conditions.append(table.c.period < span.until.strftime(form))
    grouped = statement.where(*conditions).group_by(*(sa.literal_column(str(place + 1)) for place in range(len(by))))
    for line in ledger.fetch(grouped):
        values = tuple(line)
        keys, counts, money = values[: len(by)], values[len(by) : len(by) + len(COUNTS)], values[len(by) + len(COUNTS) :]
        if counts[0] is None:
            continue  # no line at all, of a sum over everything
        numbers = [int(number or 0) for number in (*counts, *money)]
        parts = iter(numbers[len(COUNTS) :])
        picos = [dollars * PICO + next(parts) * _SPLIT + next(parts) for dollars in parts]
        yield _named(selection.by, keys), [*numbers[: len(COUNTS)], *picos]


def _expression(table: sa.Table, name: str) -> sa.ColumnElement[Any]:
    return sa.func.substr(table.c.period, 1, PERIODS[name]) if name in PERIODS else table.c[name]


def _sum(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.func.sum(column)


def _money(table: sa.Table, name: str) -> Iterator[sa.ColumnElement[Any]]:
    picos = table.c[f"{name}_picos"]
    split: Any = sa.literal_column(str(_SPLIT))
    yield _sum(table.c[f"{name}_dollars"])
    yield _sum(picos.op("/")(split))
    yield _sum(picos.op("%")(split))


def _from_rows(ledger: Ledger, selection: Selection, span: _Span) -> Iterator[tuple[tuple[Value, ...], list[int]]]:
    within = replace(selection, since=span.since, until=span.until)
    tally = Tally(HOUR)
    for row in ledger.rows(within, SOURCE):
        tally.add(tuple(row)[: len(SOURCE)])
    for row in ledger.corrected(within, SOURCE):
        tally.adjust(tuple(row)[:-1], row[-1])
    for (period, keys), numbers in tally.sums.items():
        known = dict(zip(KEYS, keys, strict=True))
        group = [period[: PERIODS[name]] if name in PERIODS else known[name] for name in selection.by]
        yield _named(selection.by, group), numbers


def _named(by: tuple[str, ...], values: Iterable[Any]) -> tuple[Value, ...]:
    return tuple(_week(value) if name == "week" else value for name, value in zip(by, values, strict=True))


def _week(day: str) -> str:
    """The ISO week of a day: ``2026-W48``."""
    year, week, _ = date.fromisoformat(day).isocalendar()
    return f"{year}-W{week:02d}"
