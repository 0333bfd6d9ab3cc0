"""Where an operator allows another key's price for calls that have none of their own: always an assumption, never in silence."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from streamgauge.pricing.mistakes import Mistake
from streamgauge.pricing.rate import SCOPES, TIER_NAMES, TIERS, Reader
from streamgauge.pricing.table_file import Row

ASSUME_COLUMNS = ("model", "region", "scope", "tier", "as_region", "as_scope", "as_tier", "approver", "note")


class Assumption(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of ``model`` in ``region``, ``scope`` and ``tier`` (``None``: any) without a price have that of the ``as_`` key (``None``: the same)."""

    model: str
    region: str | None
    scope: str | None
    tier: str | None
    as_region: str | None
    as_scope: str | None
    as_tier: str | None
    line: int

    def is_about(self, model: str, region: str, scope: str | None, tier: str) -> bool:
        """Whether it is for such calls."""
        return model == self.model and self.region in (None, region) and self.scope in (None, scope) and self.tier in (None, tier)


def read_assumptions(file: str, rows: Iterable[Row], mistakes: list[Mistake]) -> tuple[Assumption, ...]:
    """The rows under ``assume``; what is wrong with them is added to ``mistakes``."""
    return tuple(_assumption(Reader(file, line, cells, mistakes), line) for line, cells in rows)


def _assumption(row: Reader, line: int) -> Assumption:
    row.known(ASSUME_COLUMNS)
    if not any(row.text(name) for name in ("as_region", "as_scope", "as_tier")):
        row.wrong("as_region", "one of as_region, as_scope and as_tier must be given")
    return Assumption(
        model=row.model("model"),
        region=row.one_region("region"),
        scope=row.one_of("scope", SCOPES, "") or None,
        tier=_tier(row, "tier"),
        as_region=row.one_region("as_region"),
        as_scope=row.one_of("as_scope", SCOPES, "") or None,
        as_tier=_tier(row, "as_tier"),
        line=line,
    )


def _tier(row: Reader, column: str) -> str | None:
    tier = TIER_NAMES.get(row.text(column).lower(), "")
    return tier or row.one_of(column, TIERS, "") or None
