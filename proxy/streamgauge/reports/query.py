"""The only SQL of the reports: a selection becomes statements, a ledger gives rows.

Knows: the ledger's tables. Must not know: what is computed from the rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import msgspec
import sqlalchemy as sa

from streamgauge.errors import CouldNotRun
from streamgauge.records import Measurement
from streamgauge.reports.dimensions import BANDS, Bands
from streamgauge.reports.selection import Condition, Selection
from streamgauge.sinks.ledger_read import open_for_reading, shown_ledger
from streamgauge.sinks.ledger_table import exchanges, unmeasured, workers
from streamgauge.sinks.postgres_access import told
from streamgauge.sinks.rollup_table import adjustments

BATCH = 5_000
"""Rows fetched at once: enough to hide what a statement costs, a few megabytes at most."""

_PLACE = ("place_at", "place_id")
"""What says in a row where it stands, should it hold neither ``started_at`` nor ``exchange_id``."""

MAX_CANDIDATES = 6
"""How many exchanges an ambiguous prefix is answered with."""

COLUMNS = tuple(field.name for field in msgspec.structs.fields(Measurement))


class Ledger:
    """An open ledger, for reading: a file, or a shared one by its address. ``path`` is its name for people.

    A context manager; raises ``UsageError`` when there is none, ``CouldNotRun`` when reading breaks.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = shown_ledger(path)
        self._engine = open_for_reading(path)
        with _faults(self.path):
            # A ledger of an older version lacks the newest columns until its writer opens it again: they read as absent.
            self._present = {column["name"] for column in sa.inspect(self._engine).get_columns("exchanges")}
            self._tables = set(sa.inspect(self._engine).get_table_names())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()

    def rows(
        self, selection: Selection, columns: Sequence[str], *, newest_first: bool = False, limit: int | None = None
    ) -> Iterator[sa.Row[Any]]:
        """The selection's rows as named tuples of ``columns`` (ledger columns or dimensions) by time; never all in memory."""
        statement = sa.select(*(self._expression(name).label(name) for name in columns))
        statement = statement.add_columns(exchanges.c.started_at.label(_PLACE[0]), exchanges.c.exchange_id.label(_PLACE[1]))
        return self._pages(statement.where(*self._conditions(selection)), newest_first, limit, _PLACE)

    def measurements(self, selection: Selection, limit: int | None = None, *, newest_first: bool = True) -> Iterator[sa.Row[Any]]:
        """The selection's rows with every field of the Measurement as the ledger holds it, by time; never all in memory."""
        return self._pages(self._whole().where(*self._conditions(selection)), newest_first, limit, ("started_at", "exchange_id"))

    def counts(self, selection: Selection, columns: Sequence[str]) -> list[sa.Row[Any]]:
        """For each combination of ``columns``: ``n``, ``first``, ``last`` (started_at) and ``example`` (the newest exchange's id)."""
        keys = [self._expression(name).label(name) for name in columns]
        at, id_ = exchanges.c.started_at, exchanges.c.exchange_id
        figures = (
            sa.func.count().label("n"),
            sa.func.min(at).label("first"),
            sa.func.max(at).label("last"),
            sa.func.max(id_).label("example"),
        )
        statement = (
            sa.select(*keys, *figures)
            .where(*self._conditions(selection))
            .group_by(*(sa.literal_column(str(i + 1)) for i in range(len(keys))))
        )
        # Databases give groups in orders of their own, and what counts the same is shown in the order in which it comes.
        return sorted(self._all(statement), key=lambda row: [(value is None, str(value)) for value in row[: len(keys)]])

    def span(self, selection: Selection | None = None) -> tuple[int, str | None, str | None]:
        """How many exchanges, and the first and last ``started_at``; of the selection, or of the whole ledger."""
        at = exchanges.c.started_at
        statement = sa.select(sa.func.count(), sa.func.min(at), sa.func.max(at)).select_from(exchanges)
        if selection:
            statement = statement.where(*self._conditions(selection))
        (row,) = self._all(statement)
        return int(row[0]), row[1], row[2]

    def find(self, name: str) -> list[Measurement]:
        """The exchanges called ``name``: exchange id or a prefix of it, else the provider's request id; a few at most."""
        prefix = exchanges.c.exchange_id.between(name.lower(), name.lower() + "\x7f")
        found = self._measurements(prefix)
        return found or self._measurements(exchanges.c.upstream_request_id == name)

    def attempts(self, of: Measurement) -> list[Measurement]:
        """The attempts of the SDK call that ``of`` belongs to, itself included, by time; within an hour around it."""
        if not of.sdk_invocation_id or "sdk_invocation_id" not in self._present:
            return []
        near = Selection(*_around(of.started_at, 3600))
        return self._measurements(exchanges.c.sdk_invocation_id == of.sdk_invocation_id, *self._conditions(near))

    def unmeasured(self) -> dict[str, int]:
        """Exchanges that have no row, by reason, over the ledger's whole life."""
        if unmeasured.name not in self._tables:
            return {}
        statement = sa.select(unmeasured.c.reason, sa.func.sum(unmeasured.c.count)).group_by(unmeasured.c.reason)
        return {reason: int(count) for reason, count in self._all(statement) if count}

    def seen(self) -> tuple[int, int] | None:
        """(exchanges seen by the relay, rows written) of all workers; ``None`` where nothing is accounted."""
        if workers.name not in self._tables:
            return None
        (row,) = self._all(sa.select(sa.func.sum(workers.c.seen), sa.func.sum(workers.c.rows)))
        return None if row[0] is None else (int(row[0]), int(row[1]))

    def corrected(self, selection: Selection, columns: Sequence[str]) -> list[sa.Row[Any]]:
        """For each correction to the cost of one of the selection's rows: ``columns`` of the row, and the pico-dollars added."""
        if adjustments.name not in self._tables:
            return []
        statement = sa.select(*(self._expression(name).label(name) for name in columns), adjustments.c.delta_picos)
        joined = statement.join(adjustments, adjustments.c.exchange_id == exchanges.c.exchange_id)
        return self._all(joined.where(*self._conditions(selection)))

    def has(self, table: sa.Table) -> bool:
        """Whether the ledger has a table; one that an older version wrote may lack it, or some of its columns."""
        return table.name in self._tables

    def fetch(self, statement: sa.Executable) -> list[Any]:
        """All rows of a statement of another module of the reports."""
        return self._all(statement)

    def _measurements(self, *conditions: sa.ColumnElement[bool]) -> list[Measurement]:
        statement = self._whole().where(*conditions).order_by(exchanges.c.started_at).limit(MAX_CANDIDATES)
        return [Measurement(**row._asdict()) for row in self._all(statement)]

    def _whole(self) -> sa.Select[Any]:
        return sa.select(*((exchanges.c[name] if name in self._present else sa.null()).label(name) for name in COLUMNS))

    def _expression(self, name: str) -> sa.ColumnElement[Any]:
        """A ledger column, or what a dimension is made of."""
        if name in BANDS:
            return _band(BANDS[name])
        if name == "hour":
            return sa.func.substr(exchanges.c.started_at, 1, 13)
        if name == "day":
            return sa.func.substr(exchanges.c.started_at, 1, 10)
        if name == "model":
            return sa.func.coalesce(exchanges.c.model, exchanges.c.requested_model)
        return exchanges.c[name] if name in self._present else sa.null()

    def _conditions(self, selection: Selection) -> list[sa.ColumnElement[bool]]:
        at = exchanges.c.started_at
        clauses = [clause(self._expression(condition.column), condition) for condition in selection.where]
        if selection.since:
            clauses.append(at >= _stamp(selection.since))
        if selection.until:
            clauses.append(at < _stamp(selection.until))
        return clauses

    def _all(self, statement: sa.Executable) -> list[Any]:
        with _faults(self.path), self._engine.connect() as connection:
            return list(connection.execute(statement))

    def _pages(self, statement: sa.Select[Any], newest_first: bool, limit: int | None, place: tuple[str, str]) -> Iterator[Any]:
        """The rows page by page, each a transaction of its own: who waits for a reader's screen must not hold up the ledger's checkpoints.

        ``place``: the columns of the statement that hold when an exchange began and its id.
        """
        at, id_ = exchanges.c.started_at, exchanges.c.exchange_id
        statement = statement.order_by(at.desc(), id_.desc()) if newest_first else statement.order_by(at, id_)
        left, page = limit, statement
        while True:
            size = BATCH if left is None else min(BATCH, left)
            rows = self._all(page.limit(size))
            yield from rows
            left = None if left is None else left - len(rows)
            if len(rows) < size or left == 0:
                return
            last = sa.tuple_(*(sa.literal(getattr(rows[-1], name)) for name in place))
            page = statement.where(sa.tuple_(at, id_) < last if newest_first else sa.tuple_(at, id_) > last)


def clause(column: sa.ColumnElement[Any], condition: Condition) -> sa.ColumnElement[bool]:
    """What a condition says of a column."""
    value = condition.value
    match condition.operator:
        case "=":
            return column.is_(None) if value is None else column == value
        case "!=":
            # "not throttled" means the rows without an error too.
            return column.is_not(None) if value is None else sa.or_(column != value, column.is_(None))
        case ">=":
            return column >= value
        case "<=":
            return column <= value
        case ">":
            return column > value
        case _:
            return column < value


def _band(bands: Bands) -> sa.ColumnElement[Any]:
    column = exchanges.c[bands.column]
    ranges = [(column < bound, label) for bound, label in zip(bands.bounds, bands.labels, strict=False)]
    return sa.case((column.is_(None), sa.null()), *ranges, else_=bands.labels[-1])


def _stamp(moment: datetime) -> str:
    # Without zone and suffix: as text it sorts right before the same moment, however the ledger writes "UTC".
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def _around(started_at: str, seconds: float) -> tuple[datetime, datetime]:
    at = datetime.fromisoformat(started_at).timestamp()
    return datetime.fromtimestamp(at - seconds, UTC), datetime.fromtimestamp(at + seconds, UTC)


@contextlib.contextmanager
def _faults(path: str) -> Iterator[None]:
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise CouldNotRun(f"{path} could not be read to its end: {told(error)}") from error
