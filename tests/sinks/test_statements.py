from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from streamgauge.sinks.ledger_table import meta, metadata
from streamgauge.sinks.rollup import COLUMNS, SOURCE, Tally, tally
from streamgauge.sinks.rollup_rebuild import split_line
from streamgauge.sinks.rollup_table import rollup_hourly
from streamgauge.sinks.statements import add_lines, add_to_meta, add_total, put, stored
from tests.postgres import Database
from tests.sinks.money_rows import row, rows


def _added_in_parts(engine: sa.Engine, insert: Any) -> Tally:
    given = rows(120)
    again = Tally()
    with engine.begin() as connection:
        metadata.create_all(connection)
        for start in range(0, 120, 9):
            found = tally(given[start : start + 9])
            found.adjust(tuple(getattr(given[start], name) for name in SOURCE), -(10**11) * 7)
            connection.execute(add_lines(rollup_hourly, insert), [dict(zip(COLUMNS, line, strict=True)) for line in found.lines()])
        connection.execute(put(meta, insert), [{"key": "k", "value": "5"}])
        connection.execute(add_to_meta(insert), [{"key": "k", "value": "7"}])
        connection.execute(add_total(insert), [{"outcome": "completed", "count": 2}])
        for line in connection.execute(stored(rollup_hourly)):
            again.add_stored(*split_line(line))
        assert connection.scalar(sa.select(meta.c.value)) == "12"
        picos = connection.execute(sa.select(rollup_hourly.c.cost_picos, rollup_hourly.c.adjusted_picos)).all()
    assert all(0 <= value < 10**12 for line in picos for value in line)
    return again


def _expected() -> Tally:
    given, found = rows(120), Tally()
    for start in range(0, 120, 9):
        found.add_tally(tally(given[start : start + 9]))
        found.adjust(tuple(getattr(given[start], name) for name in SOURCE), -(10**11) * 7)
    return found


def test_sqlite_adds_lines_exactly() -> None:
    engine = sa.create_engine("sqlite://")
    assert _added_in_parts(engine, sqlite.insert).sums == _expected().sums
    engine.dispose()


def test_postgres_adds_lines_exactly(database: Database) -> None:
    engine = sa.create_engine(database.open_url.replace("postgresql://", "postgresql+psycopg://"))
    assert _added_in_parts(engine, postgresql.insert).sums == _expected().sums
    engine.dispose()


def test_a_column_that_a_version_before_did_not_fill_counts_as_nothing() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        (line,) = tally([row("a", cost_usd="1.5")]).lines()
        values = dict(zip(COLUMNS, line, strict=True))
        connection.execute(rollup_hourly.insert(), {key: values[key] for key in ("period", "key", "exchanges", "cost_dollars")})
        connection.execute(add_lines(rollup_hourly, sqlite.insert), [values])
        found = connection.execute(sa.select(rollup_hourly.c.exchanges, rollup_hourly.c.cost_dollars, rollup_hourly.c.cost_picos)).one()
    assert tuple(found) == (2, 2, 5 * 10**11)
    engine.dispose()
