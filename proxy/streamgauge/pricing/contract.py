"""What was agreed: prices and discounts that replace list prices, dated, with who approved them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from itertools import pairwise

import msgspec

from streamgauge.pricing.assumption import Assumption, read_assumptions
from streamgauge.pricing.mistakes import BookMistaken, Mistake
from streamgauge.pricing.money import PRICE, discounted, pico_per_unit
from streamgauge.pricing.rate import ENDPOINTS, SCOPES, TIER_NAMES, TIERS, Cells, Rate, Reader, shown
from streamgauge.pricing.table_file import read_table

ANY = "*"
"""In a cell of a contract: whatever it is. So does an empty one."""

CONTRACT_COLUMNS = (
    "vendor",
    "model",
    "region",
    "endpoint",
    "scope",
    "tier",
    "kind",
    "percent",
    "usd",
    "per",
    "effective_from",
    "effective_to",
    "approver",
    "note",
)


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """One line: the prices it is about (``None``: any), and ``percent`` off them or the price ``usd`` for ``per`` units in their place."""

    vendor: str | None
    model: str | None
    region: str | None
    endpoint: str | None
    scope: str | None
    tier: str | None
    kind: str | None
    percent: str | None
    usd: str | None
    per: int
    start: datetime | None
    end: datetime | None
    approver: str
    note: str
    line: int

    @property
    def weight(self) -> tuple[bool, ...]:
        """How particular it is. The most particular line decides; a named model before a named vendor, then kind, region, scope, tier."""
        parts = (self.model, self.vendor, self.kind, self.region, self.scope, self.tier, self.endpoint)
        return tuple(part is not None for part in parts)

    @property
    def about(self) -> tuple[str | None, ...]:
        """The prices it is about."""
        return (self.model, self.vendor, self.kind, self.region, self.scope, self.tier, self.endpoint)

    def is_about(self, rate: Rate, region: str) -> bool:
        """Whether it changes this list price in this region."""
        return (
            self.model in (None, rate.model)
            and self.vendor in (None, rate.vendor)
            and self.kind in (None, rate.kind)
            and self.region in (None, region)
            and self.scope in (None, rate.scope)
            and self.tier in (None, rate.tier)
            and self.endpoint in (None, rate.endpoint)
        )

    def price(self, rate: Rate) -> Fraction:
        """Pico-dollars of one unit, from the list price's row."""
        if self.percent is not None:
            return discounted(rate.pico, self.percent)
        assert self.usd is not None
        return pico_per_unit(self.usd, self.per)


class Contract(msgspec.Struct, frozen=True):
    """A contract file. ``aliases``: (line, name, the model it means)."""

    agreements: tuple[Agreement, ...]
    aliases: tuple[tuple[int, str, str], ...]
    assumptions: tuple[Assumption, ...]


def read_contract(text: str, file: str) -> Contract:
    """The contract in the text of a file. Raises ``BookMistaken`` with every mistake."""
    table = read_table(text, file, "contract")
    mistakes: list[Mistake] = []
    agreements = [_agreement(file, line, cells, mistakes) for line, cells in table.rows]
    assumptions = read_assumptions(file, table.assumed, mistakes)
    if not mistakes:
        mistakes += _contradictions(file, agreements)
    if mistakes:
        raise BookMistaken(f"contract {file}", mistakes)
    return Contract(tuple(agreements), tuple(table.aliases), assumptions)


def _agreement(file: str, line: int, cells: Cells, mistakes: list[Mistake]) -> Agreement:
    row = Reader(file, line, cells, mistakes)
    row.known(CONTRACT_COLUMNS)
    given = [name for name in ("percent", "usd") if row.text(name)]
    if len(given) != 1:
        row.wrong("percent", "one of percent and usd must be given, and not both")
    percent, usd = row.text("percent") or None, row.text("usd") or None
    if percent is not None and (not PRICE.fullmatch(percent) or Fraction(percent) > 100):
        row.wrong("percent", f"{percent[:40]!r} is no discount from 0 to 100")
        percent = "0"
    tier = row.text("tier").lower()
    tier = TIER_NAMES.get(tier, tier)
    if usd is not None and not row.text("kind"):
        row.wrong("kind", "is missing: a price replaces that of one kind")
    return Agreement(
        vendor=_any(row.text("vendor").lower()),
        model=_any(row.text("model")) and row.model("model"),
        region=_any(row.text("region")),
        endpoint=_any(row.one_of("endpoint", (*ENDPOINTS, ANY), "")),
        scope=_any(row.one_of("scope", (*SCOPES, ANY), "")),
        tier=_any(tier if tier in (*TIERS, ANY, "") else row.one_of("tier", TIERS, "")),
        kind=_any(row.text("kind")),
        percent=percent,
        usd=row.price("usd") if usd is not None else None,
        per=row.whole("per", 1_000_000, 1),
        start=row.moment("effective_from"),
        end=row.moment("effective_to"),
        approver=row.text("approver"),
        note=row.text("note"),
        line=line,
    )


def _any(value: str) -> str | None:
    return None if value in ("", ANY) else value


def _contradictions(file: str, agreements: Sequence[Agreement]) -> list[Mistake]:
    """Lines about the same prices whose times overlap: nobody could say which holds."""
    found: list[Mistake] = []
    groups: dict[tuple[str | None, ...], list[Agreement]] = {}
    for agreement in agreements:
        groups.setdefault(agreement.about, []).append(agreement)
        if agreement.start is not None and agreement.end is not None and agreement.start >= agreement.end:
            found.append(Mistake(file, agreement.line, "effective_to", "is not after effective_from"))
    for group in groups.values():
        ordered = sorted(group, key=lambda a: (a.start is not None, a.start))
        for one, other in pairwise(ordered):
            if one.end is None or other.start is None or one.end > other.start:
                span = f"{shown(one.start)} to {shown(one.end)}"
                found.append(Mistake(file, other.line, "effective_from", f"overlaps line {one.line} ({span}) about the same prices"))
    return found
