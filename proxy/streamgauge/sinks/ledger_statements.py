"""The ledger writer's statements as text, compiled once from the tables, and the orders of their parameters.

The raw driver runs them with tuples: at thousands of rows a second, SQLAlchemy's per-row work would cost more than SQLite's.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.schema import CreateIndex, CreateTable

from streamgauge.sinks.ledger_table import exchanges, in_flight, meta, metadata, outbox, totals, unmeasured, workers
from streamgauge.sinks.rollup_table import adjustments, rollup_daily, rollup_hourly
from streamgauge.sinks.statements import add_lines, add_to_meta, add_total, put

_dialect = sqlite.dialect(paramstyle="qmark")


def _text(statement: Any) -> str:
    return str(statement.compile(dialect=_dialect))


def _put(table: sa.Table) -> str:
    return _text(put(table, insert))


CREATE = [
    *(_text(CreateTable(table, if_not_exists=True)) for table in metadata.sorted_tables),
    *(_text(CreateIndex(index, if_not_exists=True)) for table in metadata.sorted_tables for index in sorted(table.indexes, key=str)),
]

INSERT_EXCHANGE = _text(insert(exchanges).on_conflict_do_nothing(index_elements=["exchange_id"]))
USAGE_CONFLICT_AT = exchanges.columns.keys().index("usage_conflict")

PUT_IN_FLIGHT = _put(in_flight)
DELETE_IN_FLIGHT = _text(sa.delete(in_flight).where(in_flight.c.exchange_id == sa.bindparam("id")))
ALL_IN_FLIGHT = _text(sa.select(in_flight.c.worker_id, in_flight.c.started, in_flight.c.ttft, in_flight.c.upstream_ttft))

PUT_WORKER = _put(workers)
OPEN_WORKERS = _text(
    sa.select(workers.c.worker_id, workers.c.segment, workers.c.offset, workers.c.first_segment, workers.c.seen, workers.c.rows).where(
        sa.not_(workers.c.finished)
    )
)
FINISHED_WORKER = _text(sa.select(workers.c.finished).where(workers.c.worker_id == sa.bindparam("id")))
FINISHED_SUMS = _text(
    sa.select(
        sa.func.coalesce(sa.func.sum(workers.c.seen), sa.text("0")), sa.func.coalesce(sa.func.sum(workers.c.rows), sa.text("0"))
    ).where(workers.c.finished)
)

PUT_UNMEASURED = _put(unmeasured)
OPEN_UNMEASURED = _text(
    sa.select(unmeasured.c.worker_id, unmeasured.c.reason, unmeasured.c.counted_by, unmeasured.c.count)
    .join(workers, workers.c.worker_id == unmeasured.c.worker_id)
    .where(sa.not_(workers.c.finished))
)
FINISHED_UNMEASURED = _text(
    sa.select(unmeasured.c.reason, sa.func.sum(unmeasured.c.count))
    .join(workers, workers.c.worker_id == unmeasured.c.worker_id)
    .where(workers.c.finished)
    .group_by(unmeasured.c.reason)
)

ADD_TOTAL = _text(add_total(insert))
ALL_TOTALS = _text(sa.select(totals.c.outcome, totals.c.count))

PUT_META = _put(meta)

GET_META = _text(sa.select(meta.c.value).where(meta.c.key == sa.bindparam("key")))
DELETE_META = _text(sa.delete(meta).where(meta.c.key == sa.bindparam("key")))

ADD_HOURLY, ADD_DAILY = (_text(add_lines(table, insert)) for table in (rollup_hourly, rollup_daily))
ROLLED_UP = _text(sa.select(sa.func.coalesce(sa.func.sum(rollup_daily.c.exchanges), sa.literal_column("0"))))
EVER_WRITTEN = _text(sa.select(sa.func.coalesce(sa.func.sum(totals.c.count), sa.literal_column("0"))))

_waiting = sa.insert(outbox).inline()
PUT_OUTBOX = _text(_waiting.values(kind=sa.bindparam("kind"), item=sa.bindparam("item"), started_at=sa.bindparam("started_at")))
"""Parameters: kind, item, started_at."""
FILL_OUTBOX = [
    _text(
        sa.insert(outbox).from_select(
            ["kind", "item", "started_at"],
            sa.select(sa.literal_column("'exchange'"), exchanges.c.exchange_id, exchanges.c.started_at).order_by(exchanges.c.started_at),
        )
    ),
    _text(
        sa.insert(outbox).from_select(
            ["kind", "item", "started_at"], sa.select(sa.literal_column("'adjustment'"), adjustments.c.adjustment_id, sa.null())
        )
    ),
]
NEXT_WAITING = "SELECT seq FROM outbox ORDER BY seq LIMIT ?"
WAITING = _text(
    sa.select(sa.func.coalesce(sa.func.max(outbox.c.seq) - sa.func.min(outbox.c.seq) + sa.literal_column("1"), sa.literal_column("0")))
)
FIRST_WAITING = _text(sa.select(sa.func.min(outbox.c.seq)))


def _waits(kind: str) -> Any:
    """Ids of a kind between two places in the outbox."""
    within = outbox.c.seq.between(sa.bindparam("first"), sa.bindparam("last"))
    return sa.select(outbox.c.item).where(within, outbox.c.kind == sa.literal_column(f"'{kind}'")).scalar_subquery()


WAITING_ROWS = _text(sa.select(exchanges).where(exchanges.c.exchange_id.in_(_waits("exchange"))))
WAITING_ADJUSTMENTS = _text(sa.select(adjustments).where(adjustments.c.adjustment_id.in_(_waits("adjustment"))))
DELETE_WAITING = _text(sa.delete(outbox).where(outbox.c.seq.between(sa.bindparam("first"), sa.bindparam("last"))))
_since = workers.c.updated_at >= sa.bindparam("since")
CHANGED_WORKERS = _text(sa.select(workers).where(_since))
CHANGED_UNMEASURED = _text(sa.select(unmeasured).join(workers, workers.c.worker_id == unmeasured.c.worker_id).where(_since))

CLEAR_OUTBOX = _text(sa.delete(outbox))
OLDEST_WAITING = _text(sa.select(sa.func.min(outbox.c.started_at)))

DELETE_OLD = "DELETE FROM exchanges WHERE rowid IN (SELECT rowid FROM exchanges WHERE started_at < ? ORDER BY started_at LIMIT ?)"
"""Parameters: began before, at most."""

ADD_TO_META = _text(add_to_meta(insert))

_latest = insert(meta)
PUT_LATER_META = _text(
    _latest.on_conflict_do_update(index_elements=["key"], set_={"value": sa.func.max(meta.c.value, _latest.excluded.value)})
)
"""Put a fact whose value only ever grows, as a text."""


def add_column(column: sa.Column[Any]) -> str:
    """The statement that gives an older table a ``column`` it lacks. What rows had before is unknown, so it may be null."""
    kind = column.type.compile(dialect=_dialect)
    return f"ALTER TABLE {column.table.name} ADD COLUMN {column.name} {kind}"
