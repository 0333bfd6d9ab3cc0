"""Rollups made anew from the rows, hour by hour, and compared with them. The same on both databases.

Each hour is a transaction of its own: who writes meanwhile waits for one hour's rows at most, and what he writes is added as always.
Periods of which rows may have been deleted for their age are left as they are: there the rollups know more than the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from streamgauge.sinks.ledger_table import PRUNED_BEFORE, exchanges, meta
from streamgauge.sinks.ledger_write import changing_rollups, insert_for
from streamgauge.sinks.rollup import COLUMNS, DAY, HOUR, SOURCE, Tally
from streamgauge.sinks.rollup_table import KEYS, adjustments, rollup_daily, rollup_hourly
from streamgauge.sinks.statements import add_lines, stored

PAGE = 5_000
"""Rows in memory at a time."""

END = "~"
"""Behind every period and every moment that begins like one: no digit, letter or sign of a moment comes after it."""

Progress = Callable[[str, int], None]
"""Told the period that is done, and the rows so far."""


def rebuild(engine: sa.Engine, progress: Progress = lambda _period, _rows: None) -> int:
    """Make the rollups anew of all that the rows can tell. Returns the number of rows read. Raises SQLAlchemy's errors."""
    rows = 0
    begin = first_whole_day(engine)
    for day, hours in _days(engine, begin):
        for hour in hours:
            with changing_rollups(engine) as connection:
                rows += _put(connection, rollup_hourly, hour, sums_of_rows(connection, hour))
            progress(hour, rows)
        with changing_rollups(engine) as connection:
            _put(connection, rollup_daily, day, _stored_sums(connection, rollup_hourly, day, DAY))
    return rows


def differing(engine: sa.Engine) -> list[str]:
    """Periods whose rollup is not what the rows say, hours and days, of all that the rows can tell. Nothing is changed; who writes may go on."""
    found = []
    for day, hours in _days(engine, first_whole_day(engine)):
        for hour in hours:
            with _one_moment(engine) as connection:
                if sums_of_rows(connection, hour).sums != _stored_sums(connection, rollup_hourly, hour, HOUR).sums:
                    found.append(hour)
        with _one_moment(engine) as connection:
            if _stored_sums(connection, rollup_hourly, day, DAY).sums != _stored_sums(connection, rollup_daily, day, DAY).sums:
                found.append(day)
    return found


@contextmanager
def _one_moment(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection that sees the ledger as it is at one moment, whatever is written meanwhile."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


def first_whole_day(engine: sa.Engine) -> str:
    """The first day of which no row was deleted for its age; empty if none ever was."""
    with engine.connect() as connection:
        pruned = connection.execute(sa.select(meta.c.value).where(meta.c.key == PRUNED_BEFORE)).scalar()
    return f"{pruned[:DAY]}{END}" if pruned else ""


def sums_of_rows(connection: sa.Connection, period: str) -> Tally:
    """What the rows that began in an hour (or on a day, by hour) add up to, with the corrections to them."""
    found = Tally()
    within = exchanges.c.started_at.between(period, period + END)
    source = [exchanges.c[name] for name in SOURCE]
    for row in _pages(connection, sa.select(*source).where(within)):
        found.add(tuple(row))
    corrected = sa.select(*source, adjustments.c.delta_picos).join(adjustments, adjustments.c.exchange_id == exchanges.c.exchange_id)
    for row in _pages(connection, corrected.where(within)):
        found.adjust(tuple(row)[:-1], row[-1])
    return found


def _days(engine: sa.Engine, begin: str) -> Iterator[tuple[str, list[str]]]:
    """Each day that rows or rollups know of, behind ``begin``, with its hours."""
    at = exchanges.c.started_at
    with engine.connect() as connection:
        hours = set(connection.scalars(sa.select(sa.func.substr(at, 1, HOUR)).where(at > begin).distinct()))
        hours.update(connection.scalars(sa.select(rollup_hourly.c.period).where(rollup_hourly.c.period > begin).distinct()))
        days = set(connection.scalars(sa.select(rollup_daily.c.period).where(rollup_daily.c.period > begin).distinct()))
    days.update(hour[:DAY] for hour in hours)
    for day in sorted(days):
        yield day, sorted(hour for hour in hours if hour[:DAY] == day)


def _stored_sums(connection: sa.Connection, table: sa.Table, period: str, unit: int) -> Tally:
    found = Tally(unit)
    for line in connection.execute(stored(table).where(table.c.period.between(period, period + END))):
        found.add_stored(*split_line(line))
    return found


def split_line(line: Any) -> tuple[str, Any, Any]:
    """A line as ``statements.stored`` selects it, in three: period, keys, sums."""
    values, end = tuple(line), 1 + len(KEYS)
    return values[0], values[1:end], values[end:]


def _put(connection: sa.Connection, table: sa.Table, period: str, sums: Tally) -> int:
    connection.execute(sa.delete(table).where(table.c.period == period))
    lines = [dict(zip(COLUMNS, line, strict=True)) for line in sums.lines()]
    if lines:
        connection.execute(add_lines(table, insert_for(connection)), lines)
    return sum(counts[0] for counts in sums.sums.values())


def _pages(connection: sa.Connection, statement: sa.Select[Any]) -> Iterator[Any]:
    for page in connection.execute(statement.execution_options(yield_per=PAGE)).partitions():
        yield from page
