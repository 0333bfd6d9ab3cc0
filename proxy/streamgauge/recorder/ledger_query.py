"""The admin API's questions to the ledger: parsed from a query string, bounded, answered by a reader's connection."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from streamgauge.errors import UsageError
from streamgauge.sinks.ledger_read import open_for_reading
from streamgauge.sinks.ledger_table import exchanges

DEFAULT_LIMIT, MAX_LIMIT = 100, 1000
"""Measurements in one answer: a thousand are about 2 MB of JSON. Whoever wants more reads the ledger itself."""

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


def read_exchanges(ledger_path: str, query: Query) -> list[dict[str, Any]]:
    """The measurements that ``query`` asks for, as plain data. Blocks. Raises ``UsageError`` when there is no ledger."""
    statement = sa.select(exchanges).order_by(exchanges.c.started_at.desc(), exchanges.c.exchange_id.desc()).limit(query.limit)
    if query.since is not None:
        statement = statement.where(exchanges.c.started_at >= query.since)
    for name, value in query.where:
        statement = statement.where(exchanges.c[name] == value)
    engine = open_for_reading(ledger_path)
    try:
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]
    finally:
        engine.dispose()


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
