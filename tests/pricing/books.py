"""Small price books for tests."""

from __future__ import annotations

from datetime import datetime

from streamgauge.pricing.book import NoPrice, PriceBook, Prices, read_book
from streamgauge.pricing.rate import instant

HEAD = "model,region,scope,tier,context_gt,kind,usd,effective_from,effective_to,endpoint\n"


def book(*lines: str) -> PriceBook:
    """A book of CSV lines under ``HEAD``; what a line does not have is empty."""
    width = HEAD.count(",")
    return read_book(HEAD + "".join(line + "," * (width - line.count(",")) + "\n" for line in lines), "b.csv")


def price(
    book_: PriceBook,
    kind: str = "input",
    *,
    model: str = "a.one",
    region: str = "us-east-1",
    endpoint: str | None = None,
    scope: str | None = "regional",
    tier: str = "standard",
    at: str | datetime = "2026-11-25",
    tokens: int = 1,
) -> str | None:
    """Dollars per million of one kind; the reason if there are none."""
    found = book_.prices(model, region, endpoint, scope, tier, instant(at) if isinstance(at, str) else at)
    if isinstance(found, NoPrice):
        return found.reason
    assert isinstance(found, Prices)
    priced = found.band(tokens)[1].get(kind)
    return None if priced is None else f"{float(priced.pico / 10**6):g}"
