"""The ledger of many proxies, in PostgreSQL: the same tables, written by whoever has something to add.

Each portion is one transaction: rows, rollups, totals, corrections and accounts. What is there already is not added again, and adds to nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateColumn

import streamgauge
from streamgauge.errors import StreamgaugeError
from streamgauge.sinks.adjusting import Adjustment, add_to_rollups, adjust, without_zeros
from streamgauge.sinks.ledger_access import SCHEMA_VERSION
from streamgauge.sinks.ledger_table import LOCAL, PRUNED_BEFORE, PRUNED_ROWS, exchanges, meta, metadata, unmeasured, workers
from streamgauge.sinks.outbox import Portion
from streamgauge.sinks.postgres_access import SharedLedgerSettings, open_postgres, shown, told
from streamgauge.sinks.rollup import SOURCE, Tally
from streamgauge.sinks.statements import add_to_meta, add_total, put

ONE_AT_A_TIME = 0x5374726D
"""Key of the advisory locks: of proxies that start or delete at the same time one does it."""

TABLES = [table for table in metadata.sorted_tables if LOCAL not in table.info]


class SharedLedgerUnavailable(StreamgaugeError):
    """The shared ledger cannot be written now; nothing of the portion is in it. Try again later."""

    error_type = "shared_ledger_unavailable"


class SharedLedgerRefused(StreamgaugeError):
    """The shared ledger does not take this portion because of what is in it; nothing of it is in it. Trying again does not help."""

    error_type = "shared_ledger_refused"


class SharedLedger:
    """A writer of the shared ledger, for one thread."""

    def __init__(self, settings: SharedLedgerSettings) -> None:
        """Connects later. Raises ``CouldNotRun`` when driver or password file are missing, ``UsageError`` for what is no address."""
        assert settings.url is not None
        self.name = shown(settings.url)
        self._engine = open_postgres(settings.url, read_only=False, password_file=settings.password_file)
        self._prepared = False

    def store(self, portion: Portion, rows: Sequence[dict[str, Any]] | None = None) -> int:
        """Add a portion, or only these of its ``rows`` and nothing else; returns how many rows were new.

        Raises ``SharedLedgerUnavailable`` or ``SharedLedgerRefused``.
        """
        with self._errors():
            self._prepare()
            with self._engine.begin() as connection:
                if rows is not None:
                    return _store_rows(connection, rows, [])
                new = _store_rows(connection, portion.rows, portion.corrections)
                _store_accounts(connection, portion)
        return new

    def prune(self, before: datetime, at_most: int) -> int:
        """Delete the oldest exchanges begun before a moment, ``at_most`` so many, unless another proxy is at it; returns how many.

        Whoever writes or reads meanwhile does not wait: only the deleted rows are locked. Raises as ``store``.
        """
        moment = before.isoformat(timespec="microseconds").replace("+00:00", "Z")
        with self._errors():
            self._prepare()
            return self._prune(moment, at_most)

    def _prune(self, moment: str, at_most: int) -> int:
        with self._engine.begin() as connection:
            if not connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(ONE_AT_A_TIME))):
                return 0
            oldest = (
                sa.select(exchanges.c.exchange_id).where(exchanges.c.started_at < moment).order_by(exchanges.c.started_at).limit(at_most)
            )
            deleted = connection.execute(sa.delete(exchanges).where(exchanges.c.exchange_id.in_(oldest.scalar_subquery()))).rowcount
            if deleted:
                connection.execute(add_to_meta(insert), {"key": PRUNED_ROWS, "value": str(deleted)})
                latest = insert(meta)
                later = sa.func.greatest(meta.c.value, latest.excluded.value)
                connection.execute(
                    latest.on_conflict_do_update(index_elements=["key"], set_={"value": later}), {"key": PRUNED_BEFORE, "value": moment}
                )
        return int(deleted)

    def close(self) -> None:
        """Let go of the connection."""
        self._engine.dispose()

    def _prepare(self) -> None:
        """Make what is missing, once. A table of an older version gets the columns it lacks; one of a newer has some more, and is left so."""
        if self._prepared:
            return
        with self._engine.begin() as connection:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ONE_AT_A_TIME)))
            known = sa.inspect(connection).get_multi_columns(filter_names=[table.name for table in TABLES])
            columns = {name: {column["name"] for column in found} for (_, name), found in known.items()}
            if any(table.name not in columns for table in TABLES):
                metadata.create_all(connection, tables=TABLES)
            for table in TABLES:
                for column in table.columns:
                    if column.name not in columns.get(table.name, table.columns):
                        connection.execute(sa.text(_add_column(column)))
            self._refuse_newer(connection)
        self._prepared = True

    def _refuse_newer(self, connection: sa.Connection) -> None:
        facts = {"schema_version": str(SCHEMA_VERSION), "created_by": f"streamgauge {streamgauge.__version__}"}
        facts["created_at"] = datetime.now(UTC).isoformat(timespec="seconds")
        connection.execute(
            insert(meta).on_conflict_do_nothing(index_elements=["key"]), [{"key": key, "value": value} for key, value in facts.items()]
        )
        version = connection.scalar(sa.select(meta.c.value).where(meta.c.key == "schema_version"))
        if int(version or 0) > SCHEMA_VERSION:
            raise SharedLedgerUnavailable(
                f"{self.name} was made by a newer streamgauge (schema {version}, this one writes {SCHEMA_VERSION}): upgrade this proxy"
            )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """The driver's errors become ours, once, here."""
        try:
            yield
        except (sa.exc.DataError, sa.exc.IntegrityError) as error:
            raise SharedLedgerRefused(f"{self.name}: {told(error)}") from error
        except sa.exc.SQLAlchemyError as error:
            self._prepared = False  # it may have come back as another one
            raise SharedLedgerUnavailable(f"{self.name}: {told(error)}") from error


def _store_rows(connection: sa.Connection, rows: Sequence[dict[str, Any]], corrections: Sequence[Adjustment]) -> int:
    given = {row["exchange_id"]: row for row in rows}
    new = list(connection.scalars(_INSERT, {"rows": _json(rows)})) if rows else []
    sums = Tally()
    for exchange_id in new:
        row = given[exchange_id]
        sums.add(tuple(row[name] for name in SOURCE))
    if corrections:
        sums.add_tally(adjust(connection, corrections)[1])
    add_to_rollups(connection, sums)
    outcomes = Counter(given[exchange_id]["outcome"] for exchange_id in new)
    if outcomes:
        connection.execute(add_total(insert), [{"outcome": outcome, "count": count} for outcome, count in sorted(outcomes.items())])
    return len(new)


def _store_accounts(connection: sa.Connection, portion: Portion) -> None:
    for table, lines in ((workers, portion.workers), (unmeasured, portion.unmeasured)):
        if lines:
            connection.execute(
                put(table, insert), [line | {"finished": bool(line["finished"])} if "finished" in line else line for line in lines]
            )


def _json(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as one JSON text."""
    for row in rows:
        conflict = row["usage_conflict"]
        if isinstance(conflict, str):
            row["usage_conflict"] = msgspec.Raw(conflict.encode())
    return without_zeros(msgspec.json.encode(rows))


_dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # the library leaves it open

_BYTE_BY_BYTE = ' COLLATE "C"'
"""Whatever the database's language: the order of texts is that of SQLite, and of time."""


@compiles(CreateColumn, "postgresql")
def _create_column(element: CreateColumn, compiler: Any, **options: Any) -> str:
    """Of the column alone: a collation in its type would also be written behind each value that it is compared with."""
    text = str(compiler.visit_create_column(element, **options))
    return text.replace("VARCHAR", f"VARCHAR{_BYTE_BY_BYTE}", 1) if isinstance(element.element.type, sa.String) else text


def _kind(column: sa.Column[Any]) -> str:
    return str(column.type.compile(dialect=_dialect))


def _add_column(column: sa.Column[Any]) -> str:
    name = _dialect.identifier_preparer.quote(column.name)
    return f"ALTER TABLE {column.table.name} ADD COLUMN IF NOT EXISTS {name} {_kind(column)}{_BYTE_BY_BYTE if isinstance(column.type, sa.String) else ''}"


def _insert() -> sa.TextClause:
    """All rows as one parameter: a statement with a parameter for each value would be several times slower."""
    names = [_dialect.identifier_preparer.quote(column.name) for column in exchanges.columns]
    kinds = [f"{name} {_kind(column)}" for name, column in zip(names, exchanges.columns, strict=True)]
    return sa.text(
        f"INSERT INTO exchanges ({', '.join(names)}) SELECT {', '.join(names)} "  # noqa: S608 - names of our own columns
        f"FROM json_to_recordset(CAST(:rows AS json)) AS given({', '.join(kinds)}) "
        "ORDER BY exchange_id ON CONFLICT (exchange_id) DO NOTHING RETURNING exchange_id"
    )


_INSERT = _insert()
