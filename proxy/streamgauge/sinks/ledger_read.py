"""Reading a ledger: where it is by default, and a connection that can neither create nor change it.

Knows: paths and read-only SQLite connections. Must not know: what a report computes.
"""

from __future__ import annotations

import os
import sqlite3
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from streamgauge.errors import CouldNotRun, UsageError
from streamgauge.sinks.ledger_access import SCHEMA_VERSION
from streamgauge.sinks.postgres_access import is_postgres, open_postgres, shown, told

if TYPE_CHECKING:
    import sqlalchemy as sa

BUSY_SECONDS = 5.0
"""How long a reader waits for a lock. In WAL mode only recovery after a crash and a checkpoint's end ever hold one."""


def default_ledger_path(environ: Mapping[str, str] = os.environ) -> Path:
    """``$STREAMGAUGE_LEDGER``, else ``streamgauge/ledger.db`` in the user's state directory (``$XDG_STATE_HOME`` or ``~/.local/state``).

    Raises ``UsageError`` when the variable names a database.
    """
    named = environ.get("STREAMGAUGE_LEDGER")
    if named:
        if is_postgres(named):
            raise UsageError(
                "$STREAMGAUGE_LEDGER is an address of PostgreSQL, and a proxy's own ledger is a file: name that one with --ledger, "
                "and the shared one in shared_ledger.url"
            )
        return Path(named).expanduser()
    state = environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "streamgauge" / "ledger.db"


def default_ledger(environ: Mapping[str, str] = os.environ) -> str | Path:
    """What commands read by default: as ``default_ledger_path``, but ``$STREAMGAUGE_LEDGER`` may be an address of PostgreSQL too."""
    named = environ.get("STREAMGAUGE_LEDGER")
    return named if named and is_postgres(named) else default_ledger_path(environ)


def shown_ledger(ledger: str | Path) -> str:
    """A ledger's name for people: its path, or its address without user and password."""
    return shown(str(ledger)) if is_postgres(ledger) else str(ledger)


def open_for_reading(path: str | Path) -> sa.Engine:
    """An engine whose connections only read the ledger at ``path``, or at an address of PostgreSQL. Dispose of it when done.

    Raises ``UsageError`` (exit code 2) naming the path when there is no such file, when it is not a ledger,
    or when a newer streamgauge wrote it; ``CouldNotRun`` when a database cannot be reached. Never creates or changes anything.
    """
    import sqlalchemy as sa  # 13 MB and 0.2 s that a process which only asks for the default path does not pay

    if is_postgres(path):
        engine = open_postgres(str(path), read_only=True)
        try:
            _check_shared(engine, shown(str(path)))
        except BaseException:
            engine.dispose()
            raise
        return engine
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"no ledger at {path}: `streamgauge serve` or `streamgauge run` creates one; name another with --ledger")
    engine = sa.create_engine("sqlite://", creator=lambda: _connect(path), poolclass=sa.NullPool)
    try:
        _check(engine, path)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _connect(path: Path) -> sqlite3.Connection:
    options = "mode=ro"
    if not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists():
        # A WAL file is opened through a shared index beside it; where none can be made and none is there, nobody is writing either.
        options += "&immutable=1"
    uri = f"file:{urllib.parse.quote(str(path.absolute()))}?{options}"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, check_same_thread=False)


def _check(engine: sa.Engine, path: Path) -> None:
    import sqlalchemy as sa

    try:
        with engine.connect() as connection:
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            known = sa.inspect(connection).has_table("exchanges")
    except sa.exc.DBAPIError as error:
        raise UsageError(f"{path} cannot be read as a ledger: {error.orig}") from error
    if not known:
        raise UsageError(f"{path} is not a ledger: it has no table `exchanges`")
    if version > SCHEMA_VERSION:
        raise UsageError(
            f"{path} was written by a newer streamgauge (schema {version}, this one reads up to {SCHEMA_VERSION}): upgrade streamgauge"
        )


def _check_shared(engine: sa.Engine, name: str) -> None:
    import sqlalchemy as sa

    try:
        with engine.connect() as connection:
            known = sa.inspect(connection).has_table("exchanges")
            version = connection.exec_driver_sql("SELECT value FROM meta WHERE key = 'schema_version'").scalar() if known else None
    except sa.exc.SQLAlchemyError as error:
        raise CouldNotRun(f"the ledger {name} cannot be read: {told(error)}") from error
    if not known:
        raise UsageError(f"{name} has no ledger in it: a proxy with shared_ledger.url makes one; name another with --ledger")
    if int(version or 0) > SCHEMA_VERSION:
        raise UsageError(
            f"{name} was made by a newer streamgauge (schema {version}, this one reads up to {SCHEMA_VERSION}): upgrade streamgauge"
        )
