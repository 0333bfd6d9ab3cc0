"""What other price tables say, so that ``prices check`` can hold the book against them. Their data is an argument; nothing is imported.

Both tables drop parts of the key (region, scope, tier, lifetime), so that what they say is compared only where they say for what it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec

from streamgauge.pricing.book import NoPrice, PriceBook
from streamgauge.pricing.model_name import read_name
from streamgauge.pricing.money import PICO, price_text
from streamgauge.pricing.rate import REGION

PLACES = {
    "us": "us-east-1",
    "eu": "eu-central-1",
    "apac": "ap-southeast-2",
    "jp": "ap-northeast-1",
    "au": "ap-southeast-2",
    "in": "ap-south-1",
    "us-gov": "us-gov-west-1",
}
"""A region from which each geography's profiles are called."""

_BASES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
}
_ENDS = {"": "standard", "_batches": "batch", "_flex": "flex", "_priority": "priority"}
_ABOVE = re.compile(r"_above_(\d+)k_tokens")


class Said(msgspec.Struct, frozen=True):
    """One price of another table, in dollars per million tokens, and for which key of ours it holds. ``above``: input tokens of the band."""

    table: str
    name: str
    model: str
    region: str
    scope: str
    tier: str
    kind: str
    above: int
    usd: str


class Disagreement(msgspec.Struct, frozen=True):
    """The book's price is another than the table's."""

    said: Said
    ours: str


def from_litellm(data: Mapping[str, Any]) -> Iterator[Said]:
    """LiteLLM's table. Its row without region is skipped for a model that has a ``global.`` row: it states the global price for regional calls."""
    for name, row in data.items():
        if not isinstance(row, Mapping) or not str(row.get("litellm_provider", "")).startswith("bedrock"):
            continue
        key = _litellm_key(name, data)
        if key is None:
            continue
        for field, value in row.items():
            found = _field(field)
            if found is not None and isinstance(value, (Decimal, int)) and not isinstance(value, bool):
                kind, tier, above = found
                yield Said("litellm", name, *key, tier, kind, above, _million(Decimal(value)))


def _litellm_key(name: str, data: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """(model, region, scope)."""
    parts = name.split("/")
    if parts[0] == "bedrock_mantle" or len(parts) > 3 or (len(parts) > 1 and parts[0] != "bedrock"):
        return None  # its default rows there are US prices for one model and global ones for another
    region = parts[1] if len(parts) == 3 else None
    if region is not None and not REGION.fullmatch(region):
        return None
    read = read_name(parts[-1])
    if read.model is None:
        return None
    if read.scope == "global":
        return read.model, "us-east-1", "global"
    if read.geography is not None:
        return read.model, region or PLACES.get(read.geography, ""), "geo"
    if region is None and (f"global.{read.model}" in data or "." not in read.model or "@" in read.model):
        return None  # the global price for regional calls; or a name of its own making
    return read.model, region or "us-east-1", "regional"


def _field(field: str) -> tuple[str, str, int] | None:
    above = _ABOVE.search(field)
    plain = _ABOVE.sub("", field)
    for end, tier in _ENDS.items():
        base = plain.removesuffix(end) if end else plain
        if plain.endswith(end) and base in _BASES:
            return _BASES[base], tier, int(above[1]) * 1000 if above else 0
    return None


def from_genai_prices(models: Iterable[tuple[str, Mapping[str, Decimal]]]) -> Iterator[Said]:
    """genai-prices' models of ``aws``: (id, dollars per million by its names). Only those that say their scope, and US prices of the others."""
    kinds = {
        "input_mtok": "input",
        "output_mtok": "output",
        "cache_read_mtok": "cache_read",
        "cache_write_mtok": "cache_write",
        "cache_write_1h_mtok": "cache_write_1h",
    }
    for name, prices in models:
        scope, _, rest = name.partition(".")
        model = rest if scope in ("regional", "global") else name
        for field, value in prices.items():
            if field in kinds:
                at = ("us-east-1", scope if scope in ("regional", "global") else "regional")
                yield Said("genai-prices", name, model, *at, "standard", kinds[field], 0, f"{value.normalize():f}")


def _million(per_token: Decimal) -> str:
    return f"{(per_token * 1_000_000).normalize():f}"


def disagreements(book: PriceBook, said: Iterable[Said], at: datetime) -> tuple[list[Disagreement], int]:
    """(where the book says otherwise, how many prices were compared). What the book has no price for is no disagreement."""
    found: list[Disagreement] = []
    compared = 0
    for one in said:
        ours = _ours(book, one, at)
        if ours is not None:
            compared += 1
            if ours != Fraction(one.usd):
                found.append(Disagreement(one, _text(ours)))
    return found, compared


def _text(usd: Fraction) -> str:
    return price_text(usd * PICO, 1)


def _ours(book: PriceBook, one: Said, at: datetime) -> Fraction | None:
    model = book.canonical(one.model)
    prices = None if model is None else book.prices(model, one.region, None, one.scope, one.tier, at)
    if prices is None or isinstance(prices, NoPrice):
        return None
    band = dict(prices.bands).get(one.above, {})
    kinds = ("cache_write_5m", "cache_write_30m", "cache_write") if one.kind == "cache_write" else (one.kind,)
    for kind in kinds:
        if kind in band and band[kind].rate.unit == "token":
            return band[kind].list_pico / 1_000_000
    return None
