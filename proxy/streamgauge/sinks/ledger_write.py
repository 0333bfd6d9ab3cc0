"""A ledger that is there, for writing to it beside its proxies: rebuilding, corrections. Never makes one.

Knows: how each database begins a transaction that changes rollups. Must not know: what is written.
"""

from __future__ import annotations

import sqlite3
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from streamgauge.errors import CouldNotRun, UsageError
from streamgauge.sinks.ledger_access import SCHEMA_VERSION
from streamgauge.sinks.postgres_access import is_postgres, open_postgres, shown, told
from streamgauge.sinks.rollup_table import rollup_daily, rollup_hourly
from streamgauge.sinks.statements import Insert

WAIT_SECONDS = 30.0
"""How long a writer from the command line waits for the proxy's own commits, which take milliseconds each."""


@contextmanager
def for_writing(ledger: str | Path) -> Iterator[sa.Engine]:
    """An engine for the ledger at a path or an address of PostgreSQL.

    Raises ``UsageError`` where none is, ``CouldNotRun`` where it cannot be written or its schema is another one.
    """
    engine = open_postgres(str(ledger), read_only=False) if is_postgres(ledger) else _sqlite(Path(ledger))
    name = shown(str(ledger)) if is_postgres(ledger) else str(ledger)
    try:
        with engine.connect() as connection:
            if not sa.inspect(connection).has_table(rollup_hourly.name):
                raise CouldNotRun(f"{name} has no rollups yet: start a proxy of this version with it once, which makes them")
        yield engine
    except sa.exc.DBAPIError as error:
        raise CouldNotRun(f"{name} cannot be written: {told(error)}") from error
    finally:
        engine.dispose()


@contextmanager
def changing_rollups(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction beside which nobody else adds to a rollup. Short ones, please: writers wait for it."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            tables = f"{rollup_hourly.name}, {rollup_daily.name}"
            connection.exec_driver_sql(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE")
        yield connection


def insert_for(engine: sa.Engine | sa.Connection) -> Insert:
    """The ``insert`` of the engine's database."""
    return postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert


def _sqlite(path: Path) -> sa.Engine:
    if not path.is_file():
        raise UsageError(f"no ledger at {path}: `streamgauge serve` or `streamgauge run` creates one; name another with --ledger")
    uri = f"file:{urllib.parse.quote(str(path.absolute()))}?mode=rw"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.NullPool)

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    _refuse_newer(engine, path)
    return engine


def _refuse_newer(engine: sa.Engine, path: Path) -> None:
    with engine.connect() as connection:
        version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if version > SCHEMA_VERSION:
        raise CouldNotRun(f"{path} was written by a newer streamgauge (schema {version}, this one writes {SCHEMA_VERSION}): upgrade")
