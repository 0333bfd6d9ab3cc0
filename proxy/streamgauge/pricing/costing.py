"""The exact cost of one exchange: which price, times how many, added up. One entry, ``cost_of``.

Nothing is guessed in silence: what is assumed is in ``reasons`` and in the status, and what has no price has no cost. It is never zero instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from streamgauge.pricing.billing import verdict
from streamgauge.pricing.book import NoPrice, PriceBook, Priced, Prices, Rule
from streamgauge.pricing.facts import Exchange
from streamgauge.pricing.model_name import BY_TIME, OPAQUE, ModelName, read_name
from streamgauge.pricing.money import amount, price_text, usd_text
from streamgauge.pricing.rate import TIER_NAMES

Status = Literal["final", "assumed", "estimated", "allocated", "not_billed", "unpriced"]
"""``final``: reported counts, a price for exactly this call. ``assumed``: something the price depends on was not said and is in ``reasons``.
``estimated``: counts are estimates, or the exchange was cut off. ``allocated``: billed by time; its amount comes from the hours, not from here.
``not_billed``: AWS bills nothing. ``unpriced``: no price or no counts; the amount is ``None``."""

TIERS_OF_ANSWERS = {**TIER_NAMES, "auto": "standard"}
"""What answers call a tier, by the book's name for it."""

MODE_TIERS = {"optimized": "latency_optimized"}

NO_MODE = frozenset({None, "", "standard"})


class Component(msgspec.Struct, frozen=True):
    """One kind of use. ``pico``: what it costs, ``None`` without a price; ``list_pico``: what it would by the list."""

    kind: str
    quantity: int
    pico: int | None
    list_pico: int | None
    priced: Priced | None

    @property
    def price(self) -> str | None:
        """Dollars for ``per`` units, as contracted."""
        return None if self.priced is None else price_text(self.priced.pico, self.priced.rate.per)


class Matched(msgspec.Struct, frozen=True):
    """By which key the prices were found, and by which rung of the ladder. ``context_gt``: the band."""

    rule: Rule
    model: str
    region: str
    scope: str
    tier: str
    context_gt: int


class Cost(msgspec.Struct, frozen=True):
    """What an exchange costs. ``total_pico`` is the sum of the components, ``None`` unless each has a price; ``list_pico`` the same by the list.

    ``reasons``: why the status is not ``final``, each a word of a closed list. ``why``: a sentence for people, for what has no price.
    """

    status: Status
    total_pico: int | None
    list_pico: int | None
    components: tuple[Component, ...]
    matched: Matched | None
    reasons: tuple[str, ...]
    book_id: str
    why: str | None = None

    @property
    def total_usd(self) -> str | None:
        """The amount in dollars, every digit; ``None`` if there is no price."""
        return None if self.total_pico is None else usd_text(self.total_pico)


def cost_of(exchange: Exchange, book: PriceBook, at: datetime) -> Cost:
    """The cost of ``exchange``, which began ``at`` (with a zone). Never fails."""
    billed = verdict(exchange)
    if billed == "not_billed":
        return Cost("not_billed", 0, 0, (), None, ("not_billed",), book.book_id)
    units: Mapping[str, int] = getattr(exchange, "units", _NO_UNITS)
    service = exchange.service or ""
    if service.startswith("sagemaker"):
        return _without("allocated", "billed_by_time", "a SageMaker endpoint is billed for its instances' time", book)
    found = _prices(exchange, book, at)
    if isinstance(found, Cost):
        return found
    prices, reasons = found
    quantities = _quantities(exchange, units, book.kinds_of(prices.model), reasons, cut_off=billed == "cut_off")
    if isinstance(quantities, str):
        return _without("unpriced", quantities, _SENTENCES[quantities], book)
    limit, band = prices.band(exchange.input_tokens or 0)
    if limit < book.limit_of(prices.model, exchange.input_tokens or 0):
        # The model has a price for long input elsewhere; that of short input would be too low.
        return _without("unpriced", "context", _long(prices, limit, exchange.input_tokens or 0), book)
    matched = Matched(prices.rule, prices.model, prices.region, prices.scope, prices.tier, limit)
    return _sum(quantities, band, matched, reasons, exchange, book, cut_off=billed == "cut_off")


_NO_UNITS: Mapping[str, int] = {}

_SENTENCES = {
    "usage_unknown": "nobody knows how many tokens there were",
    "counts_contradict": "more tokens of the cache than tokens of input in all",
}


def _long(prices: Prices, limit: int, tokens: int) -> str:
    key = f"{prices.model} in {prices.region}, tier {prices.tier}, scope {prices.scope}"
    return f"{key} has no price for so long an input ({tokens:,} tokens; the highest band here begins above {limit:,})"


def _without(status: Status, reason: str, why: str, book: PriceBook, components: tuple[Component, ...] = ()) -> Cost:
    return Cost(status, None, None, components, None, (reason,), book.book_id, why)


def _prices(exchange: Exchange, book: PriceBook, at: datetime) -> tuple[Prices, list[str]] | Cost:
    asked = exchange.model or exchange.requested_model or exchange.response_model
    if asked is None:
        return _without("unpriced", "no_model", "the exchange names no model", book)
    name = read_name(book.aliases.get(asked, asked))
    if name.form in BY_TIME:
        return _without("allocated", "billed_by_time", f"a {name.form} is billed for the time it stands ready", book)
    if name.form in OPAQUE and exchange.response_model is not None:
        # Only the answer says which model ran; a router and a profile may lead to any scope.
        said = read_name(book.aliases.get(exchange.response_model, exchange.response_model))
        name = ModelName("application-inference-profile", said.model, said.scope, said.geography, name.region)
    model = book.canonical(name.model) if name.model is not None else None
    if model is None:
        return _without("unpriced", "model", f"{asked[:120]!r} is not in the price book", book)
    tier = _tier(exchange)
    if tier == "reserved":
        return _without("allocated", "billed_by_time", "reserved capacity has a fixed price for its time", book)
    return _at_scope(exchange, name, model, tier, book, at)


def _at_scope(exchange: Exchange, name: ModelName, model: str, tier: str, book: PriceBook, at: datetime) -> tuple[Prices, list[str]] | Cost:
    region = exchange.region or name.region or ""
    endpoint = None if exchange.service is None else "mantle" if exchange.service == "bedrock-mantle" else "runtime"
    reasons: list[str] = []
    scope = name.scope or exchange.scope or _asked_scope(exchange)
    if name.scope is not None and exchange.scope is not None and exchange.scope != name.scope:
        reasons.append("scope_conflict")  # the prefix decides: it is what AWS routes by
    plain = scope is None and name.form == "model"
    found = book.prices(model, region, endpoint, "regional" if plain else scope, tier, at)
    if plain and isinstance(found, NoPrice) and found.reason == "scope":
        found = book.prices(model, region, endpoint, None, tier, at)
    if isinstance(found, NoPrice):
        return _without("unpriced", found.reason, found.sentence, book)
    if found.rule != "exact":
        reasons.append(found.rule)
    return found, reasons


def _asked_scope(exchange: Exchange) -> str | None:
    """Where ``model`` is the plain id already, the name that was asked for still has the prefix."""
    return None if exchange.model is None or exchange.requested_model is None else read_name(exchange.requested_model).scope


def _tier(exchange: Exchange) -> str:
    tier = (exchange.service_tier or "standard").lower()
    tier = TIERS_OF_ANSWERS.get(tier, tier)
    if exchange.latency_mode in NO_MODE:
        return tier
    mode = MODE_TIERS.get(exchange.latency_mode or "", exchange.latency_mode or "")
    return mode if tier in ("standard", mode) else f"{tier}+{mode}"  # nobody sells both: no price will be found


Quantities = list[tuple[str, int]]

_MODAL = frozenset({"input_audio", "output_audio"})
"""Kinds that are tokens too, at a price of their own."""


def _quantities(
    exchange: Exchange, units: Mapping[str, int], kinds: frozenset[str], reasons: list[str], *, cut_off: bool
) -> Quantities | str:
    """How much of which kind; or, as a word, why that cannot be said."""
    total, output = exchange.input_tokens, exchange.output_tokens
    read, hour = exchange.cache_read_tokens or 0, exchange.cache_write_1h_tokens or 0
    written = exchange.cache_write_tokens if exchange.cache_write_tokens is not None else hour
    if total is None and output is None and not units:
        return "usage_unknown"
    if output is None and total is not None and "output" in kinds and not units:
        if not cut_off:
            return "usage_unknown"
        reasons.append("output_unknown")
    if total is None and output is not None and "input" in kinds:
        return "usage_unknown"
    fresh = (total or 0) - read - written
    if fresh < 0 or hour > written or min(total or 0, read, written, hour, output or 0) < 0:
        return "counts_contradict"
    quantities = [("input", fresh), ("cache_read", read), *_written(exchange, written, hour, kinds, reasons), ("output", output or 0)]
    quantities += sorted(units.items())
    if not _MODAL.isdisjoint(kinds) and _MODAL.isdisjoint(units):
        reasons.append("modality_assumed")  # answers do not say which tokens were speech
    return [(kind, quantity) for kind, quantity in quantities if quantity]


def _written(exchange: Exchange, written: int, hour: int, kinds: frozenset[str], reasons: list[str]) -> Quantities:
    if not written:
        return []
    short = next((kind for kind in ("cache_write_5m", "cache_write_30m", "cache_write") if kind in kinds), "cache_write_5m")
    if exchange.cache_write_1h_tokens is None and "cache_write_1h" in kinds:
        reasons.append("ttl_assumed_5m")  # AWS's default lifetime, where an answer does not split its count
    return [(short, written - hour), ("cache_write_1h", hour)]


def _sum(
    quantities: Quantities,
    band: Mapping[str, Priced],
    matched: Matched,
    reasons: list[str],
    exchange: Exchange,
    book: PriceBook,
    *,
    cut_off: bool,
) -> Cost:
    components = []
    total = listed = 0
    missing: list[str] = []
    for kind, quantity in quantities:
        priced = band.get(kind)
        if priced is None:
            missing.append(kind)
            components.append(Component(kind, quantity, None, None, None))
            continue
        pico = amount(quantity, priced.pico)
        list_pico = pico if priced.agreement is None else amount(quantity, priced.list_pico)
        total += pico
        listed += list_pico
        components.append(Component(kind, quantity, pico, list_pico, priced))
    if missing:
        above = f" above {matched.context_gt:,} input tokens" if matched.context_gt else ""
        why = (
            f"{matched.model} in {matched.region}, tier {matched.tier}, scope {matched.scope}{above} has no price for {', '.join(missing)}"
        )
        return Cost("unpriced", None, None, tuple(components), matched, ("kind",), book.book_id, why)
    status = _status(exchange, reasons, cut_off=cut_off)
    return Cost(status, total, listed, tuple(components), matched, tuple(reasons), book.book_id)


_COUNTED = frozenset({"input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"})


def _status(exchange: Exchange, reasons: list[str], *, cut_off: bool) -> Status:
    if exchange.usage_conflict and not _COUNTED.isdisjoint(exchange.usage_conflict):
        reasons.append("usage_conflict")  # the model's own count was taken
    if exchange.usage_source != "reported":
        reasons.append("usage_estimated")
    if cut_off:
        reasons.append("cut_off")
    if cut_off or exchange.usage_source != "reported":
        return "estimated"
    return "assumed" if reasons else "final"
