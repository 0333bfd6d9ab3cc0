"""Connections to a ledger in PostgreSQL: its address, its password, and limits so that nothing hangs.

Knows: the driver and its options. Must not know: tables. No text of ours holds a password.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from streamgauge.errors import CouldNotRun, UsageError

if TYPE_CHECKING:
    import sqlalchemy as sa

SCHEMES = ("postgresql://", "postgres://")

CONNECT_SECONDS = 5
"""How long a server may take to let us in; it is tried again anyway."""

SILENT_MILLISECONDS = 20_000
"""How long sent data may stay unacknowledged before the connection is given up: a server that lost its power answers nothing."""

LOCK_MILLISECONDS = 10_000
"""How long a statement waits for somebody's lock; what we hold ourselves is held for milliseconds."""

STATEMENT_MILLISECONDS = 60_000
"""The longest statement of a writer: a thousand rows take some tens of milliseconds. Readers may take as long as they need."""


@dataclass(frozen=True)
class SharedLedgerSettings:
    """The ledger of many proxies. ``url``: ``postgresql://user@host/database``; ``None``: there is none.

    Rows older than ``days`` are deleted from it; 0: never. Of rows that wait for it in a proxy's own ledger the oldest are given up when there
    are more than ``max_waiting_rows``; they stay in the proxy's own ledger as long as any row does.
    """

    url: str | None = field(default=None, repr=False)
    password_file: str | None = None
    days: float = 0.0
    batch_rows: int = 1000
    max_waiting_rows: int = 10_000_000


def is_postgres(ledger: object) -> bool:
    """Whether a ledger's name is an address of PostgreSQL rather than a path."""
    return isinstance(ledger, str) and ledger.startswith(SCHEMES)


def shown(address: str) -> str:
    """The address as it may be shown and compared: without user, password and options. Never fails."""
    try:
        parts = urlsplit(address)
        place = parts.netloc.rpartition("@")[2] or "".join(parse_qs(parts.query).get("host", [])[:1])
    except ValueError:
        return "postgresql://…"
    return f"postgresql://{place}{parts.path}"


def refuse_unusable_address(address: str) -> None:
    """See that an address from the settings can be one. Raises ``UsageError`` without quoting it; a password in it is refused as well."""
    form = "write postgresql://USER@HOST:PORT/DATABASE"
    if not is_postgres(address):
        raise UsageError(f"is no address of PostgreSQL: {form}")
    try:
        parts = urlsplit(address)
        port, options = parts.port, parse_qs(parts.query)
    except ValueError:
        raise UsageError(f"cannot be read: {form}") from None
    if port == 0 or len(parts.path) < 2:
        raise UsageError(f"names no {'port' if port == 0 else 'database'}: {form}")
    if parts.password is not None or "password" in options:
        raise UsageError("holds a password: put it into the file that shared_ledger.password_file names, or into PGPASSWORD or ~/.pgpass")


def open_postgres(address: str, *, read_only: bool, password_file: str | None = None) -> sa.Engine:
    """An engine that makes a connection when it is asked for one. Dispose of it when done.

    A password is taken from the address, else from the first line of ``password_file``, else where libpq looks for one: ``PGPASSWORD``,
    ``PGPASSFILE``, ``~/.pgpass``. Raises ``UsageError`` for what is no address, ``CouldNotRun`` when the driver or the file is missing.
    """
    import sqlalchemy as sa

    url = _url(address).set(drivername="postgresql+psycopg")
    if password_file is not None:
        url = url.set(password=_password(password_file))
    limits = {"lock_timeout": LOCK_MILLISECONDS, "statement_timeout": STATEMENT_MILLISECONDS}
    chosen = "-c default_transaction_read_only=on" if read_only else " ".join(f"-c {name}={value}" for name, value in limits.items())
    options = {
        "connect_timeout": CONNECT_SECONDS,
        "tcp_user_timeout": SILENT_MILLISECONDS,
        "keepalives_idle": 10,
        "application_name": "streamgauge",
        "options": f"-c timezone=UTC {chosen}",
    }
    try:
        # A connection that broke while nobody used it is noticed before it is used; one at a time is all we need.
        return sa.create_engine(url, connect_args={**options, **dict(url.query)}, pool_pre_ping=True, pool_size=1, max_overflow=1)
    except ImportError as error:
        raise CouldNotRun("a ledger in PostgreSQL needs its driver: pip install 'streamgauge[postgres]'") from error


def told(error: Exception) -> str:
    """The driver's words about a failure, in one line and without the statement and its values."""
    original = getattr(error, "orig", None)
    diagnosis = getattr(getattr(original, "diag", None), "message_primary", None)
    if diagnosis:
        return str(diagnosis)
    lines = str(original if original is not None else type(error).__name__).strip().splitlines()
    return lines[0][:300] if lines else type(original).__name__


def _url(address: str) -> sa.URL:
    import sqlalchemy as sa

    try:
        return sa.make_url(address.replace("postgres://", "postgresql://", 1) if address.startswith("postgres://") else address)
    except (sa.exc.ArgumentError, ValueError):
        # The error itself may quote the address, and a password in it.
        raise UsageError("the ledger's address cannot be read: write postgresql://USER@HOST:PORT/DATABASE") from None


def _password(path: str) -> str:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CouldNotRun(f"the password file {path} of the shared ledger cannot be read ({type(error).__name__})") from error
    if not lines or not lines[0].strip():
        raise CouldNotRun(f"the password file {path} of the shared ledger is empty: write the password into its first line")
    return lines[0].strip()
