"""Price books as tables for people and as records for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from streamgauge.pricing.book import PriceBook
from streamgauge.pricing.difference import Difference
from streamgauge.pricing.model_name import read_name
from streamgauge.pricing.rate import COMMERCIAL, WITHDRAWN, Rate, is_commercial, shown
from streamgauge.reports.page import Page
from streamgauge.reports.table import Column, Table

_RATE_COLUMNS = [
    Column("model", key=True),
    Column("scope"),
    Column("tier"),
    Column("input >", right=True),
    Column("kind"),
    Column("usd", right=True),
    Column("per", right=True),
    Column("unit"),
    Column("from"),
    Column("to"),
    Column("known"),
    Column("regions"),
]

_CHANGES_SHOWN = 200
"""Lines of a comparison that somebody may read; the counts are always whole."""


def selected(book: PriceBook, model: str | None, region: str | None, at: datetime | None) -> list[Rate]:
    """The rows that are asked for; ``at`` ``None`` is any time."""
    meant = _meant(book, model) if model else None
    return [
        rate
        for rate in book.rates
        if (model is None or rate.model == meant or (meant is None and model.lower() in rate.model))
        and (region is None or region in rate.regions or (COMMERCIAL in rate.regions and is_commercial(region)))
        and (at is None or ((rate.start is None or rate.start <= at) and (rate.end is None or rate.end > at)))
    ]


def _meant(book: PriceBook, text: str) -> str | None:
    name = read_name(book.aliases.get(text, text)).model
    return None if name is None else book.canonical(name)


def listing(book: PriceBook, rates: Sequence[Rate]) -> Page:
    """Rows as a table."""
    rows = [
        [
            rate.model,
            rate.scope,
            rate.tier,
            f"{rate.context_gt:,}" if rate.context_gt else "-",
            rate.kind,
            rate.usd or WITHDRAWN,
            f"{rate.per:,}",
            rate.unit,
            shown(rate.start) if rate.start else "-",
            shown(rate.end) if rate.end else "-",
            rate.confidence,
            " ".join(rate.regions) + (f" ({rate.endpoint})" if rate.endpoint != "any" else ""),
        ]
        for rate in rates
    ]
    if not rows:
        return Page(f"no price in {book.book_id} fits", [], [], {})
    return Page(
        f"{len(rows):,} of {len(book.rates):,} prices in {book.book_id}; * is every commercial region", [Table(_RATE_COLUMNS, rows)], [], {}
    )


def records(rates: Iterable[Rate]) -> Iterator[dict[str, Any]]:
    """Rows as they stand in a book file."""
    for rate in rates:
        yield {
            "vendor": rate.vendor,
            "model": rate.model,
            "region": " ".join(rate.regions),
            "endpoint": rate.endpoint,
            "scope": rate.scope,
            "tier": rate.tier,
            "context_gt": rate.context_gt,
            "kind": rate.kind,
            "unit": rate.unit,
            "usd": rate.usd or WITHDRAWN,
            "per": rate.per,
            "effective_from": shown(rate.start) if rate.start else "",
            "effective_to": shown(rate.end) if rate.end else "",
            "source": rate.source,
            "verified_at": rate.verified_at or "",
            "confidence": rate.confidence,
        }


def difference_page(before: PriceBook, after: PriceBook, found: Sequence[Difference]) -> Page:
    """What changed, the changes of prices first."""
    counts = {name: sum(one.change == name for one in found) for name in ("changed", "dated", "added", "removed")}
    head = f"{before.book_id} to {after.book_id}: " + (", ".join(f"{n:,} {name}" for name, n in counts.items() if n) or "no difference")
    order = list(counts)
    ranked = sorted(found, key=lambda one: order.index(one.change))
    table = Table(
        [
            Column("change"),
            Column("model", key=True),
            Column("region"),
            Column("scope"),
            Column("tier"),
            Column("input >", right=True),
            Column("kind"),
            Column("from"),
            Column("before", right=True),
            Column("after", right=True),
            Column("%", right=True),
        ],
        [
            [
                one.change,
                one.rate.model,
                one.region,
                one.rate.scope,
                one.rate.tier,
                f"{one.rate.context_gt:,}" if one.rate.context_gt else "-",
                one.rate.kind,
                shown(one.rate.start) if one.rate.start else "-",
                one.before or "-",
                one.after or "-",
                "-" if one.percent is None else f"{one.percent:+.1f}",
            ]
            for one in ranked[:_CHANGES_SHOWN]
        ],
    )
    if len(found) > _CHANGES_SHOWN:
        table.notes.append(f"the first {_CHANGES_SHOWN} of {len(found):,}")
    return Page(head, [table] if found else [], [], {})
