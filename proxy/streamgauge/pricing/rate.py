"""One row of a price book: a price, the key it holds for, its time, and where it is known from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import get_args

import msgspec

from streamgauge.pricing.mistakes import Mistake
from streamgauge.pricing.model_name import Scope, read_name
from streamgauge.pricing.money import PRICE, pico_per_unit

TIERS = ("standard", "batch", "flex", "priority", "ultrafast", "latency_optimized", "reserved", "provisioned")
ENDPOINTS = ("any", "runtime", "mantle")
SCOPES: tuple[str, ...] = get_args(Scope)
CONFIDENCES = ("api", "page", "manual", "derived")
"""How a price is known: from AWS's price list, from its price page, by hand (a bill, an offer), or from somebody else's table."""

COMMERCIAL = "*"
"""A region cell of a price that its source states for every commercial region. It never reaches GovCloud, China or other partitions."""

WITHDRAWN = "withdrawn"
"""In the ``usd`` cell: from then on there is no such price, and that is known."""

MAX_TEXT = 512
"""Characters of a cell that is kept as it is (source, note)."""

TIER_NAMES = {"default": "standard", "on_demand": "standard", "on-demand": "standard", "latency-optimized": "latency_optimized"}
"""Other spellings of tiers, as APIs and price lists have them."""

SCOPE_NAMES = {"in-region": "regional", "in_region": "regional"}

UNIT_NAMES = {
    "token": ("token", 1_000_000),
    "tokens": ("token", 1_000_000),
    "1m tokens": ("token", 1_000_000),
    "1k tokens": ("token", 1_000),
}
"""Names of the unit of tokens, AWS's own among them, and for how many a price is if the row does not say."""

COLUMNS = (
    "vendor",
    "model",
    "region",
    "endpoint",
    "scope",
    "tier",
    "context_gt",
    "kind",
    "unit",
    "usd",
    "per",
    "effective_from",
    "effective_to",
    "source",
    "verified_at",
    "confidence",
)

REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}")
_KIND = re.compile(r"[a-z][A-Za-z0-9_]*(?::[A-Za-z0-9_]+)?")
_SPECIAL = ("us-gov-", "us-iso", "cn-", "eusc-", "eu-isoe-")
"""Regions of other partitions: nothing that is said about commercial regions holds there."""

_BATCH = "batch_"


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """A price, half-open in time ``[start, end)``; ``None``: no such bound is known. ``usd`` is ``None`` for a withdrawal.

    ``context_gt``: holds when all input of a call has more tokens than this. ``line``: in its file, from 1.
    """

    vendor: str
    model: str
    regions: tuple[str, ...]
    endpoint: str
    scope: str
    tier: str
    context_gt: int
    kind: str
    unit: str
    usd: str | None
    per: int
    start: datetime | None
    end: datetime | None
    source: str
    verified_at: str | None
    confidence: str
    line: int

    @property
    def cell(self) -> tuple[str, str, str, str, int, str]:
        """The key without region and time."""
        return self.model, self.endpoint, self.scope, self.tier, self.context_gt, self.kind

    @property
    def pico(self) -> Fraction:
        """Pico-dollars of one unit. Not of a withdrawal."""
        assert self.usd is not None
        return pico_per_unit(self.usd, self.per)


def is_commercial(region: str) -> bool:
    """Whether the region is of AWS's commercial partition."""
    return REGION.fullmatch(region) is not None and not region.startswith(_SPECIAL)


def instant(text: str) -> datetime:
    """A moment: a date (midnight UTC) or an RFC 3339 time, UTC without a zone. Raises ``ValueError``."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


_EXPONENT = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,12})?[eE]-?[0-9]{1,2}")


def _plain(price: str) -> str:
    """A price without the exponent that JSON writes small numbers with."""
    return f"{Decimal(price):f}" if _EXPONENT.fullmatch(price) else price


Cells = Mapping[str, str]


class Reader:
    """Reads the cells of one row and keeps every mistake; nothing is raised, so that all are told at once."""

    def __init__(self, file: str, line: int, cells: Cells, mistakes: list[Mistake]) -> None:
        self._file, self._line, self._cells, self._mistakes = file, line, cells, mistakes

    def wrong(self, column: str, reason: str) -> None:
        """One more mistake in this row."""
        self._mistakes.append(Mistake(self._file, self._line, column, reason))

    def text(self, column: str, default: str | None = "") -> str:
        """The cell, trimmed; without a default it must be there."""
        value = self._cells.get(column, "").strip()
        if len(value) > MAX_TEXT:
            self.wrong(column, f"longer than {MAX_TEXT} characters")
            value = value[:MAX_TEXT]
        if not value and default is None:
            self.wrong(column, "is missing")
        return value or default or ""

    def one_of(self, column: str, allowed: Iterable[str], default: str | None) -> str:
        """The cell, which must be one of these words."""
        value = self.text(column, default)
        if value and value not in allowed:
            self.wrong(column, f"{value[:40]!r} is none of {', '.join(allowed)}")
        return value

    def scope(self, column: str, default: str) -> str:
        """A routing scope, also as AWS's console spells it."""
        value = self.text(column, default)
        return SCOPE_NAMES[value.lower()] if value.lower() in SCOPE_NAMES else self.one_of(column, SCOPES, default)

    def whole(self, column: str, default: int, least: int) -> int:
        """A whole number from ``least`` up."""
        value = self.text(column)
        if not value:
            return default
        if not value.isascii() or not value.isdigit() or len(value) > 12 or int(value) < least:
            self.wrong(column, f"{value[:40]!r} is no whole number from {least} up")
            return default
        return int(value)

    def moment(self, column: str) -> datetime | None:
        """A date or time, ``None`` if the cell is empty."""
        value = self.text(column)
        if not value:
            return None
        try:
            return instant(value)
        except (ValueError, OverflowError):
            self.wrong(column, f"{value[:40]!r} is no date such as 2026-11-25 and no RFC 3339 time")
            return None

    def price(self, column: str) -> str | None:
        """Dollars, or ``None`` for a withdrawal."""
        value = self.text(column, None)
        if value == WITHDRAWN:
            return None
        value = _plain(value)
        if value and not PRICE.fullmatch(value):
            self.wrong(column, f"{value[:40]!r} is no price such as 3.30 (dollars, up to 12 decimals, not negative), and not {WITHDRAWN!r}")
            return "0"
        return value or "0"

    def regions(self, column: str) -> tuple[str, ...]:
        """Regions, several with spaces between; ``*`` is every commercial one."""
        words = tuple(dict.fromkeys(self.text(column, None).split()))
        if words in (("any",), ("all",)):
            words = (COMMERCIAL,)
        if COMMERCIAL in words and len(words) > 1:
            self.wrong(column, "'*' and names of regions together; '*' is every commercial region already")
        for word in words:
            if word != COMMERCIAL and not REGION.fullmatch(word):
                self.wrong(
                    column, f"{word[:40]!r} is no region such as us-east-1; several have spaces between, '*' is every commercial one"
                )
        return words

    def one_region(self, column: str) -> str | None:
        """One region, or ``None`` if the cell is empty."""
        value = self.text(column)
        if value and not REGION.fullmatch(value):
            self.wrong(column, f"{value[:40]!r} is no region such as us-east-1")
        return value or None

    def model(self, column: str) -> str:
        """A canonical model id: no ARN, no geo prefix."""
        value = self.text(column, None)
        name = read_name(value) if value else None
        if name is not None and (name.form != "model" or name.geography is not None):
            base = f": write {name.model!r} and the scope" if name.model else ""
            self.wrong(column, f"{value[:80]!r} is not a model's plain id{base}")
        return value

    def kind(self, column: str) -> str:
        """What is counted: ``input``, ``output``, ``cache_read``, ``cache_write_5m`` ..., or a unit's name."""
        value = self.text(column, None)
        if value and not _KIND.fullmatch(value):
            self.wrong(column, f"{value[:40]!r} is no kind such as input, output, cache_read, cache_write_5m or image")
        return value

    def known(self, columns: Iterable[str]) -> None:
        """Columns that nobody reads are mistakes: a misspelt one would silently mean something else."""
        allowed = set(columns)
        for column in self._cells:
            if column not in allowed and not column.startswith("source."):
                self.wrong(column[:40], f"is no column; there are {', '.join(columns)}")


def read_rate(file: str, line: int, cells: Cells, mistakes: list[Mistake]) -> Rate:
    """One row. What is wrong with it is added to ``mistakes``; then the result is not to be used."""
    row = Reader(file, line, cells, mistakes)
    row.known(COLUMNS)
    kind, tier = row.kind("kind"), row.text("tier", "standard").lower()
    tier = TIER_NAMES.get(tier, tier)
    if tier not in TIERS:
        row.wrong("tier", f"{tier[:40]!r} is none of {', '.join(TIERS)}")
    if kind.startswith(_BATCH):
        if tier not in ("batch", "standard"):
            row.wrong("kind", f"{kind!r} in tier {tier!r}; write kind {kind.removeprefix(_BATCH)!r} and tier 'batch'")
        kind, tier = kind.removeprefix(_BATCH), "batch"
    unit, per = UNIT_NAMES.get(row.text("unit", "token").lower(), (row.text("unit"), 1))
    if per == 1_000 and row.text("per") not in ("", "1000"):
        row.wrong("per", "the unit says 1K already")
    rate = Rate(
        vendor=row.text("vendor").lower(),
        model=row.model("model"),
        regions=row.regions("region"),
        endpoint=row.one_of("endpoint", ENDPOINTS, "any"),
        scope=row.scope("scope", "regional"),
        tier=tier,
        context_gt=row.whole("context_gt", 0, 0),
        kind=kind,
        unit=unit,
        usd=row.price("usd"),
        per=row.whole("per", per, 1),
        start=row.moment("effective_from"),
        end=row.moment("effective_to"),
        source=row.text("source") or _joined(cells),
        verified_at=_date(row.moment("verified_at")),
        confidence=row.one_of("confidence", CONFIDENCES, "manual"),
        line=line,
    )
    if rate.start is not None and rate.end is not None and rate.start >= rate.end:
        row.wrong("effective_to", f"{shown(rate.end)} is not after effective_from {shown(rate.start)}")
    return rate


def _joined(cells: Cells) -> str:
    parts = [f"{name.removeprefix('source.')}={value}" for name, value in cells.items() if name.startswith("source.") and value]
    return "; ".join(parts)[:MAX_TEXT]


def _date(moment: datetime | None) -> str | None:
    return None if moment is None else moment.date().isoformat()


def shown(moment: datetime | None) -> str:
    """A bound of an interval as people write it."""
    return "..." if moment is None else moment.isoformat().replace("T00:00:00+00:00", "")
