"""What differs between two price books, price by price."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from streamgauge.pricing.book import PriceBook
from streamgauge.pricing.money import price_text
from streamgauge.pricing.rate import Rate, shown

Change = Literal["added", "removed", "changed", "dated"]
"""``dated``: the same price, until another time."""


class Difference(msgspec.Struct, frozen=True):
    """One price of one key. ``before`` and ``after`` are dollars for ``per`` units, ``None`` where there is none."""

    change: Change
    rate: Rate
    region: str
    before: str | None
    after: str | None
    percent: float | None


def differences(before: PriceBook, after: PriceBook) -> Iterator[Difference]:
    """Every price that one book has and the other has not, or has otherwise; sorted by model and key."""
    old, new = _prices(before), _prices(after)
    for key in sorted(old.keys() | new.keys(), key=_order):
        was, now = old.get(key), new.get(key)
        if was is None and now is not None:
            yield Difference("added", now, str(key[0]), None, _usd(now), None)
        elif now is None and was is not None:
            yield Difference("removed", was, str(key[0]), _usd(was), None, None)
        elif was is not None and now is not None and not _same(was, now):
            percent = float(now.pico / was.pico - 1) * 100 if was.usd and now.usd and was.pico else None
            yield Difference("changed", now, str(key[0]), _usd(was), _usd(now, was.per), percent)
        elif was is not None and now is not None and was.end != now.end:
            yield Difference("dated", now, str(key[0]), f"until {shown(was.end)}", f"until {shown(now.end)}", None)


def _order(key: tuple[object, ...]) -> tuple[str, ...]:
    return (str(key[1]), *map(str, key))


def _prices(book: PriceBook) -> dict[tuple[object, ...], Rate]:
    return {(region, *rate.cell, rate.start): rate for rate in book.rates for region in rate.regions}


def _same(one: Rate, other: Rate) -> bool:
    return (one.usd is None and other.usd is None) or (one.usd is not None and other.usd is not None and one.pico == other.pico)


def _usd(rate: Rate, per: int | None = None) -> str:
    return "withdrawn" if rate.usd is None else price_text(rate.pico, per or rate.per)
