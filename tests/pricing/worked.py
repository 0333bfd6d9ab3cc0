"""The cases in ``tests/data/prices/worked_cases.yaml``."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).resolve().parents[1] / "data" / "prices" / "worked_cases.yaml"
AT = "2026-11-25"


@dataclass(frozen=True)
class Case:
    """One call. ``by_hand``: products in millionths of a dollar; ``of``: in dollars."""

    case: str
    ask: dict[str, Any]
    usd: str | None
    by_hand: tuple[str, ...] | None = None
    of: tuple[str, ...] | None = None
    status: str = "final"
    reason: str | None = None
    question: dict[str, Any] = field(default_factory=dict)


def cases() -> list[Case]:
    """All of them."""
    read = []
    for raw in yaml.safe_load(FILE.read_text(encoding="utf-8")):
        lists = {name: tuple(raw[name]) for name in ("by_hand", "of") if name in raw}
        read.append(Case(**{**raw, **lists, "question": {"at": AT, **raw["ask"]}}))
    return read


def worked_out(case: Case) -> Decimal:
    """The sum of a case's products, in dollars; each product is checked by arithmetic of its own."""
    total = Decimal(0)
    for product in (*(case.by_hand or ()), *(case.of or ())):
        sides, _, result = product.partition("=")
        quantity, _, price = sides.partition("*")
        assert Decimal(quantity) * Decimal(price) == Decimal(result), f"{case.case}: {product}"
        total += Decimal(result)
    return total if case.of is not None else total / 1_000_000
