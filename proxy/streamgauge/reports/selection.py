"""Which exchanges a report is about: ``--since``, ``--until``, ``--by`` and ``--where``, read and checked.

Pure: the present moment is an argument.
"""

from __future__ import annotations

import difflib
import re
import types
import typing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from streamgauge.errors import UsageError
from streamgauge.records import Measurement
from streamgauge.reports.dimensions import DIMENSIONS

Value = str | int | float | bool | None

MAX_INTEGER = 2**63 - 1
"""What a ledger can hold, and compare."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "": 1.0}
_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(us|µs|ms|s|m|)")
_CONDITION = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*(!=|>=|<=|=|>|<)\s*(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Condition:
    """One ``--where``: a value of ``None`` stands for "absent"."""

    column: str
    operator: str
    value: Value


@dataclass(frozen=True, slots=True)
class Selection:
    """The exchanges meant: ``since`` inclusive, ``until`` exclusive, all conditions true; grouped by the dimensions of ``by``."""

    since: datetime | None = None
    until: datetime | None = None
    by: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()

    def names(self, column: str) -> bool:
        """Whether the user mentions ``column`` himself, so that a default about it does not apply."""
        return column in self.by or any(condition.column == column for condition in self.where)


def read(*, since: str | None, until: str | None, by: str | None, where: list[str] | None, now: datetime) -> Selection:
    """The selection that these options mean. Raises ``UsageError`` with the nearest valid name or form."""
    chosen = Selection(
        since=moment("--since", since, now),
        until=moment("--until", until, now),
        by=dimensions(by),
        where=tuple(condition(text) for text in where or ()),
    )
    if chosen.since and chosen.until and chosen.since >= chosen.until:
        raise UsageError(f"--since {since} is not before --until {until}: nothing can lie between them")
    return chosen


def moment(option: str, text: str | None, now: datetime) -> datetime | None:
    """``24h`` (that long ago), a date or an RFC 3339 time; without a zone it is UTC."""
    if text is None:
        return None
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago:
            return now - timedelta(seconds=float(ago[1]) * _UNITS[ago[2]])
        given = datetime.fromisoformat(text.strip())
        return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{option} {text!r} is not a time: write 30m, 24h, 7d, 2026-11-25 or 2026-11-25T08:00:00Z") from None


def dimensions(text: str | None) -> tuple[str, ...]:
    """The names in ``team,model``, each once, in their order."""
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in names:
        if name not in DIMENSIONS:
            known = ", ".join(DIMENSIONS)
            raise UsageError(f"--by {name}: no such dimension{nearest(name, DIMENSIONS) or f'; there are {known}'}")
    return tuple(dict.fromkeys(names))


def condition(text: str) -> Condition:
    """``k=v``, ``k!=v``, ``k>=n``, ``k>n``, ``k<=n``, ``k<n``; ``k=`` means absent, ``k!=`` present."""
    match = _CONDITION.fullmatch(text)
    if not match:
        raise UsageError(f"--where {text!r}: write column=value, column!=value or column>=number, for example --where team=search")
    column, operator, value = match[1], match[2], match[3].strip()
    kinds = columns()
    if column not in kinds:
        raise UsageError(f"--where {text}: no column {column}{nearest(column, kinds)}; `streamgauge exchanges --help` lists them all")
    if not printable(value):
        raise UsageError(f"--where {column}: the value is not text in UTF-8")
    if not value and operator not in ("=", "!="):
        raise UsageError(f"--where {text}: {operator} needs a value to compare with")
    return Condition(column, operator, _value(text, kinds[column], value) if value else None)


def printable(text: str) -> bool:
    """Whether a word of the command line is text; a shell may hand over any bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def duration(option: str, text: str) -> float:
    """``1.5``, ``1.5s``, ``200ms`` in seconds. Raises ``UsageError``."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise UsageError(f"{option}: {text!r} is not a duration: write 1.5s or 200ms")
    return float(match[1]) * _SECONDS[match[2]]


def nearest(name: str, valid: typing.Iterable[str]) -> str:
    """``; did you mean X?`` for the closest valid name, empty without a close one."""
    close = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""


def columns() -> dict[str, type]:
    """Every column that ``--where`` knows, with the type its value is read as."""
    kinds: dict[str, type] = {field.name: _kind(field.type) for field in msgspec.structs.fields(Measurement)}
    del kinds["usage_conflict"]  # a small table in itself
    for name in DIMENSIONS:
        kinds.setdefault(name, str)
    return kinds


def _kind(annotation: typing.Any) -> type:
    members = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    if typing.get_origin(annotation) is typing.Union:
        members = typing.get_args(annotation)
    first = next(member for member in members if member is not types.NoneType)
    return first if first in (bool, int, float) else str


def _value(text: str, kind: type, value: str) -> Value:
    if kind is bool:
        if value.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise UsageError(f"--where {text}: write true or false")
        return value.lower() in ("true", "1", "yes")
    if kind is float:
        return duration(f"--where {text}", value)
    if kind is int:
        try:
            number = int(value.replace("_", ""))
        except ValueError:
            raise UsageError(f"--where {text}: {value!r} is not a whole number") from None
        if abs(number) > MAX_INTEGER:
            raise UsageError(f"--where {text}: no column holds numbers beyond {MAX_INTEGER:,}")
        return number
    return value
