"""The admin API's questions to the ledger: parsed from a query string, bounded, answered by a reader's connection."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from streamgauge.errors import UsageError
from streamgauge.sinks.ledger_read import open_for_reading
from streamgauge.sinks.ledger_table import exchanges

DEFAULT_LIMIT, MAX_LIMIT = 100, 1000
"""Measurements in one answer: a thousand are about 2 MB of JSON. Whoever wants more reads the ledger itself."""

QUERY_SECONDS = 10.0
"""Longest wait for an answer; a bounded query takes milliseconds, one for what is nowhere in millions of rows takes seconds."""

QUERY_THREADS, MAX_UNDER_WAY = 2, 16
"""How many questions are answered at once, beside the recording which needs the same disk, and how many may be open with those that wait."""

LOOK_STEPS = 20_000
"""SQLite's steps between two looks whether it is over: about a millisecond."""

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class Query:
    """Which exchanges: newest first, at most ``limit``, begun at or after ``since`` (RFC 3339, as stored), equal to all of ``where``."""

    limit: int = DEFAULT_LIMIT
    since: str | None = None
    where: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def parse(cls, pairs: Iterable[tuple[str, str]], now: datetime | None = None) -> Query:
        """From the ``pairs`` of a query string. Raises ``UsageError`` with a sentence for the first that cannot be understood."""
        limit, since, where = DEFAULT_LIMIT, None, []
        for key, value in pairs:
            if key == "limit":
                limit = _limit(value)
            elif key == "since":
                since = _moment(value, now or datetime.now(UTC))
            elif key == "where":
                where.append(_condition(value))
            else:
                raise UsageError(f"unknown parameter {key!r}: there are limit, since and where")
        return cls(limit, since, tuple(where))


class TooBusy(Exception):
    """So many questions are being answered that another one would only wait."""


class Questions:
    """Answers from the ledger in a few threads, each within its time: what takes longer is interrupted, not left running."""

    def __init__(self, ledger_path: str, seconds: float = QUERY_SECONDS) -> None:
        self._ledger_path = ledger_path
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(QUERY_THREADS, thread_name_prefix="admin-query")
        self._under_way = 0
        self._closed = False

    async def exchanges(self, query: Query) -> list[dict[str, Any]]:
        """The measurements that ``query`` asks for. Raises ``TooBusy``, ``TimeoutError`` and what ``read_exchanges`` raises."""
        if self._under_way >= MAX_UNDER_WAY:
            raise TooBusy
        deadline = time.monotonic() + self._seconds

        def over() -> bool:
            return self._closed or time.monotonic() > deadline

        self._under_way += 1
        answer = asyncio.get_running_loop().run_in_executor(self._threads, read_exchanges, self._ledger_path, query, over)
        answer.add_done_callback(self._answered)
        async with asyncio.timeout(self._seconds):
            return await asyncio.shield(answer)

    def _answered(self, answer: asyncio.Future[list[dict[str, Any]]]) -> None:
        self._under_way -= 1
        if not answer.cancelled():
            answer.exception()  # whoever asked has been told, or has gone

    def close(self) -> None:
        """Interrupt what is still being answered."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)


def read_exchanges(ledger_path: str, query: Query, over: Callable[[], bool] = lambda: False) -> list[dict[str, Any]]:
    """The measurements that ``query`` asks for, as plain data. Blocks until they are read, or until it is ``over``.

    Raises ``UsageError`` when there is no ledger, ``TimeoutError`` when it was over before.
    """
    if over():
        raise TimeoutError
    engine = open_for_reading(ledger_path)
    try:
        with engine.connect() as connection:
            raw: Any = connection.connection.dbapi_connection
            raw.set_progress_handler(over, LOOK_STEPS)
            return [dict(row) for row in connection.execute(_statement(query)).mappings()]
    except sa.exc.OperationalError as error:
        if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            raise TimeoutError from error
        raise
    finally:
        engine.dispose()


def _statement(query: Query) -> sa.Executable:
    statement = sa.select(exchanges).order_by(exchanges.c.started_at.desc(), exchanges.c.exchange_id.desc()).limit(query.limit)
    if query.since is not None:
        statement = statement.where(exchanges.c.started_at >= query.since)
    for name, value in query.where:
        statement = statement.where(exchanges.c[name] == value)
    return statement


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= MAX_LIMIT:
        raise UsageError(f"limit={text!r} is not a number from 1 to {MAX_LIMIT}")
    return int(text)


def _moment(text: str, now: datetime) -> str:
    """A moment as the ledger spells it, so that text compares as time."""
    span = re.fullmatch(r"(\d{1,6})([smhd])", text)
    try:
        moment = now - timedelta(**{_UNITS[span[2]]: int(span[1])}) if span else datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"since={text!r} is neither a span like 15m, 24h or 7d nor a time like 2025-01-31T12:00:00Z") from error
    if moment.tzinfo is None:
        raise UsageError(f"since={text!r} has no time zone: add Z for UTC")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _condition(text: str) -> tuple[str, Any]:
    name, found, value = text.partition("=")
    if not found:
        raise UsageError(f"where={text!r} is not of the form field=value")
    column = exchanges.columns.get(name)
    if column is None or isinstance(column.type, sa.JSON):
        raise UsageError(f"where={text!r}: a measurement has no field {name!r} to compare with")
    try:
        return name, _typed(column.type, value)
    except (ValueError, KeyError) as error:
        raise UsageError(f"where={text!r}: {value!r} is no value of {name}") from error


def _typed(kind: sa.types.TypeEngine[Any], value: str) -> Any:
    if isinstance(kind, sa.Boolean):
        return {"true": True, "1": True, "false": False, "0": False}[value.lower()]
    if isinstance(kind, sa.BigInteger):
        number = int(value)
        if not -(1 << 63) <= number < 1 << 63:
            raise ValueError(value)
        return number
    return float(value) if isinstance(kind, sa.Float) else value
