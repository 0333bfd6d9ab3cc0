"""Rows added up by hour and by day. One rule for new rows, for rebuilding and for reports. Pure: no file, no clock, no database.

A count of tokens that nobody can have used adds nothing, as an unknown one, so that no sum can leave its 64 bits.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from streamgauge.pricing.money import PICO, pico_of
from streamgauge.records import Measurement
from streamgauge.sinks.rollup_table import COUNTS, KEYS, MONEY, SUMS, TOKENS

MAX_TOKENS = 10**12
"""More than any one call can have, and so little that nine million of them fit a sum."""

_AS_THEY_ARE = tuple(key for key in KEYS if key not in ("model", "attempt"))

SOURCE = ("started_at", *_AS_THEY_ARE, "model", "requested_model", "sdk_attempt", "usage_source", "cost_usd", *TOKENS)
"""Columns of a row that are read, in the order of ``Tally.add``."""

of_row = operator.attrgetter(*SOURCE)
"""What ``Tally.add`` takes, of a Measurement."""

HOUR, DAY = 13, 10
"""How much of ``started_at`` says the hour, and the day."""

_KEYS_END = 1 + len(_AS_THEY_ARE)
_MODEL, _REQUESTED, _ATTEMPT, _SOURCE, _COST = range(_KEYS_END, _KEYS_END + 5)
_TOKENS_AT = _COST + 1
_ORDER = operator.itemgetter(*((*_AS_THEY_ARE, "model", "attempt").index(key) for key in KEYS))

_PRICED, _ESTIMATED, _UNKNOWN = (COUNTS.index(name) for name in ("priced", "usage_estimated", "usage_unknown"))
_FIRST_TOKENS, _ADJUSTMENTS = COUNTS.index(TOKENS[0]), COUNTS.index("adjustments")
_COST_AT, _ADJUSTED_AT = (len(COUNTS) + MONEY.index(name) for name in MONEY)
_SIZE = len(COUNTS) + len(MONEY)

Group = tuple[str, tuple[Any, ...]]
"""A period, and the values of ``KEYS``."""


class Tally:
    """Sums of the rows given so far, by period and keys; ``unit`` is ``HOUR`` or ``DAY``."""

    def __init__(self, unit: int = HOUR) -> None:
        self._unit = unit
        self.sums: dict[Group, list[int]] = {}
        """Counts in the order of ``COUNTS``, then each of ``MONEY`` in pico-dollars."""

    def add(self, values: tuple[Any, ...]) -> None:
        """Add a row, given as the values of ``SOURCE``."""
        sums = self._of(values)
        sums[0] += 1
        if values[_SOURCE] == "estimated":
            sums[_ESTIMATED] += 1
        elif values[_SOURCE] == "unknown":
            sums[_UNKNOWN] += 1
        for place, count in enumerate(values[_TOKENS_AT:], _FIRST_TOKENS):
            if count is not None and 0 < count <= MAX_TOKENS:
                sums[place] += count
        pico = None if values[_COST] is None else pico_of(values[_COST])
        if pico is not None:
            sums[_PRICED] += 1
            sums[_COST_AT] += pico

    def adjust(self, values: tuple[Any, ...], delta_picos: int) -> None:
        """Add a correction of so many pico-dollars to a row, given as the values of ``SOURCE``."""
        sums = self._of(values)
        sums[_ADJUSTMENTS] += 1
        sums[_ADJUSTED_AT] += delta_picos

    def add_tally(self, other: Tally) -> None:
        """Add all sums of ``other``, whose unit is the same or a finer one."""
        for (period, keys), more in other.sums.items():
            self._merge((period[: self._unit], keys), more)

    def add_stored(self, period: str, keys: Iterable[Any], columns: Iterable[int | None]) -> None:
        """Add a line as a table has it: its period, the values of ``KEYS`` and those of ``SUMS``."""
        numbers = [number or 0 for number in columns]
        counts, money = numbers[: len(COUNTS)], numbers[len(COUNTS) :]
        picos = [dollars * PICO + rest for dollars, rest in zip(money[::2], money[1::2], strict=True)]
        self._merge((period[: self._unit], tuple(keys)), [*counts, *picos])

    def lines(self) -> Iterator[tuple[Any, ...]]:
        """Lines for a table in the order of its columns, and all in the order of their keys: writers that lock them do not lock each other out."""
        found = ((period, hash_of(keys), keys, sums) for (period, keys), sums in self.sums.items())
        for period, key, keys, sums in sorted(found, key=operator.itemgetter(0, 1)):
            yield period, key, *keys, *sums[: len(COUNTS)], *(part for pico in sums[len(COUNTS) :] for part in divmod(pico, PICO))

    def _of(self, values: tuple[Any, ...]) -> list[int]:
        attempt = values[_ATTEMPT]
        tried = None if attempt is None or not 0 <= attempt <= MAX_TOKENS else "first" if attempt <= 1 else "again"
        model = values[_REQUESTED] if values[_MODEL] is None else values[_MODEL]
        group = values[0][: self._unit], _ORDER((*values[1:_KEYS_END], model, tried))
        sums = self.sums.get(group)
        if sums is None:
            sums = self.sums[group] = [0] * _SIZE
        return sums

    def _merge(self, group: Group, more: list[int]) -> None:
        sums = self.sums.get(group)
        self.sums[group] = list(more) if sums is None else [a + b for a, b in zip(sums, more, strict=True)]


def tally(rows: Iterable[Measurement], unit: int = HOUR) -> Tally:
    """The sums of ``rows``."""
    found = Tally(unit)
    for row in rows:
        found.add(of_row(row))
    return found


def by_day(hours: Tally) -> Tally:
    """The same sums by day."""
    found = Tally(DAY)
    found.add_tally(hours)
    return found


def hash_of(keys: tuple[Any, ...]) -> str:
    """What stands for the values of ``KEYS`` in a primary key."""
    return hashlib.blake2b(msgspec.json.encode(keys), digest_size=16).hexdigest()


COLUMNS = ("period", "key", *KEYS, *SUMS)
"""The order of ``Tally.lines``."""
