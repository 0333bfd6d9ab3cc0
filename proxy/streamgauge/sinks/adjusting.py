"""Corrections to the cost of rows that are written: added, never changed, and in the rollups in the same transaction."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from streamgauge.sinks.ledger_table import OUTBOX_FOR, exchanges, meta, outbox
from streamgauge.sinks.ledger_write import changing_rollups, insert_for
from streamgauge.sinks.rollup import COLUMNS, SOURCE, Tally, by_day
from streamgauge.sinks.rollup_table import adjustments, rollup_daily, rollup_hourly
from streamgauge.sinks.statements import add_adjustment, add_lines

AT_ONCE = 500
"""Corrections in one transaction: some ten milliseconds in which a proxy's own commit waits."""


class Adjustment(msgspec.Struct, frozen=True):
    """One correction; fields as in the table ``adjustments``."""

    adjustment_id: str
    exchange_id: str
    at: str
    reason: str
    delta_picos: int
    cost_status: str | None = None
    price_book: str | None = None


def add_adjustments(engine: sa.Engine, corrections: Sequence[Adjustment]) -> int:
    """Add those that are not there yet and whose exchange is; returns how many. Raises SQLAlchemy's errors."""
    added = 0
    for start in range(0, len(corrections), AT_ONCE):
        with changing_rollups(engine) as connection:
            new, sums = adjust(connection, corrections[start : start + AT_ONCE])
            add_to_rollups(connection, sums)
            if new and engine.dialect.name == "sqlite" and connection.scalar(sa.select(meta.c.value).where(meta.c.key == OUTBOX_FOR)):
                connection.execute(sa.insert(outbox), [{"kind": "adjustment", "item": name, "started_at": None} for name in new])
        added += len(new)
    return added


def adjust(connection: sa.Connection, corrections: Sequence[Adjustment]) -> tuple[list[str], Tally]:
    """Insert those that are new, without touching a rollup: their ids, and what the hourly rollups then lack."""
    sums = Tally()
    wanted = {correction.exchange_id for correction in corrections}
    about = exchanges.c.exchange_id
    rows = {
        row[0]: tuple(row)[1:] for row in connection.execute(sa.select(about, *(exchanges.c[n] for n in SOURCE)).where(about.in_(wanted)))
    }
    known = {c.adjustment_id: c for c in corrections if c.exchange_id in rows}
    if not known:
        return [], sums
    statement = add_adjustment(insert_for(connection)).returning(adjustments.c.adjustment_id)
    new = list(connection.scalars(statement, [msgspec.structs.asdict(correction) for correction in known.values()]))
    for name in new:
        sums.adjust(rows[known[name].exchange_id], known[name].delta_picos)
    return new, sums


def add_to_rollups(connection: sa.Connection, hours: Tally) -> None:
    """Add sums by hour to both rollups, always in the same order: writers that meet wait for each other and never both."""
    insert = insert_for(connection)
    for table, sums in ((rollup_hourly, hours), (rollup_daily, by_day(hours))):
        lines = list(_named(sums))
        if lines and connection.dialect.name == "postgresql":
            connection.execute(add_lines(table, insert, from_json=True), {"lines": without_zeros(msgspec.json.encode(lines))})
        elif lines:
            connection.execute(add_lines(table, insert), lines)


def without_zeros(text: bytes) -> str:
    """JSON for PostgreSQL, which keeps no zero character in a text: it becomes the sign for what cannot be shown."""
    if rb"\u0000" not in text:
        return text.decode()
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[0] == rb"\u0000" else found[0], text).decode()


_ESCAPE = re.compile(rb"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)
"""One escaped character; a backslash that is escaped itself begins none."""


def _named(sums: Tally) -> Iterator[dict[str, Any]]:
    for line in sums.lines():
        yield dict(zip(COLUMNS, line, strict=True))
