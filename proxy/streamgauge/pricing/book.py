"""The price book: rates, the names of models, and which price holds for a call. Immutable once made.

The ladder is short on purpose. A price is found for exactly the key asked for, or, only where nobody knows the call's scope, for the one scope
that has a price; else there is none. Never another region's, another tier's, another kind's or another time's price.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Literal

import msgspec
from msgspec.structs import replace

from streamgauge.pricing.assumption import Assumption
from streamgauge.pricing.contract import Agreement, read_contract
from streamgauge.pricing.mistakes import BookMistaken, Mistake
from streamgauge.pricing.model_name import read_name, without_variant
from streamgauge.pricing.overlaps import overlaps
from streamgauge.pricing.rate import COMMERCIAL, Rate, is_commercial, read_rate
from streamgauge.pricing.table_file import read_table

Rule = Literal["exact", "scope_assumed", "operator_assumed"]
"""By which rung of the ladder a price was found; the last one only where a contract allows it."""

REMEMBERED_KEYS = 4_096
"""Keys whose prices are kept ready. A proxy sees some dozens; whoever invents model names must not fill the memory."""


class Priced(msgspec.Struct, frozen=True):
    """One kind's price: pico-dollars of a unit as contracted and by the list, and where both are from."""

    rate: Rate
    pico: Fraction
    list_pico: Fraction
    agreement: Agreement | None = None


class Prices(msgspec.Struct, frozen=True):
    """What holds for one key at one time. ``bands``: (more input tokens than this, price of each kind), the highest first."""

    rule: Rule
    model: str
    region: str
    scope: str
    tier: str
    bands: tuple[tuple[int, Mapping[str, Priced]], ...]

    def band(self, input_tokens: int) -> tuple[int, Mapping[str, Priced]]:
        """The band of a call with so many input tokens in all."""
        for band in self.bands:
            if input_tokens > band[0]:
                return band
        return self.bands[-1] if self.bands[-1][0] == 0 else (0, {})


class NoPrice(msgspec.Struct, frozen=True):
    """Why there is none, as one word of a closed list and as a sentence."""

    reason: Literal["model", "region", "scope", "tier", "endpoint", "time"]
    sentence: str


class _Timeline(msgspec.Struct, frozen=True):
    """Prices of one key: ``prices[i]`` holds from ``bounds[i - 1]`` up to ``bounds[i]``."""

    bounds: tuple[datetime, ...]
    prices: tuple[Prices | NoPrice, ...]


Key = tuple[str, str, str | None, str | None, str]
"""(model, region, endpoint, scope, tier)."""


class PriceBook:
    """``name`` is a label, ``book_id`` tells content apart: label and hash."""

    def __init__(
        self,
        name: str,
        rates: Iterable[Rate],
        aliases: Mapping[str, str],
        digest: str,
        agreements: Sequence[Agreement] = (),
        assumptions: Sequence[Assumption] = (),
    ) -> None:
        self.name = name
        self.book_id = f"{name}-{digest[:12]}"
        self.digest = digest
        self.rates = tuple(rates)
        self.aliases = dict(aliases)
        self.agreements = tuple(agreements)
        self.assumptions = tuple(assumptions)
        self._by_model: dict[str, list[Rate]] = {}
        for rate in self.rates:
            self._by_model.setdefault(rate.model, []).append(rate)
        self._limits = {model: tuple(sorted({r.context_gt for r in rates})) for model, rates in self._by_model.items()}
        self._ready: dict[Key, _Timeline] = {}

    @property
    def models(self) -> tuple[str, ...]:
        """Every model with a price, sorted."""
        return tuple(sorted(self._by_model))

    def rates_of(self, model: str) -> Sequence[Rate]:
        """All rows of a model, by its canonical id."""
        return self._by_model.get(model, ())

    def kinds_of(self, model: str) -> frozenset[str]:
        """Everything that has a price for the model, anywhere, at any time."""
        return frozenset(rate.kind for rate in self._by_model.get(model, ()))

    def limit_of(self, model: str, input_tokens: int) -> int:
        """The highest limit of a context band that so many input tokens exceed, of all that any price of the model has; 0 if none."""
        limits = self._limits.get(model, (0,))
        return limits[max(0, bisect_left(limits, input_tokens) - 1)] if limits[-1] else 0

    def canonical(self, model: str) -> str | None:
        """The book's id for a model's id without prefix; ``None`` if it has none. Nothing is guessed: ids, listed aliases, and context variants."""
        for name in (model, without_variant(model)):
            if name in self._by_model:
                return name
            if name in self.aliases:
                return self.aliases[name]
        return None

    def under(self, text: str, file: str) -> PriceBook:
        """This book with a contract's agreements, aliases and assumptions over it. Raises ``BookMistaken``."""
        contract = read_contract(text, file)
        about = [(a.line, a.model) for a in contract.agreements] + [(a.line, a.model) for a in contract.assumptions]
        mistakes = [
            Mistake(file, line, "model", f"{model!r} is not in the price book")
            for line, model in about
            if model is not None and self.canonical(model) is None
        ]
        named = dict(self.aliases)
        for line, alias, aim in contract.aliases:
            if self.canonical(read_name(aim).model or "") is None:
                mistakes.append(Mistake(file, line, "aliases", f"{aim!r} is not in the price book"))
            named[alias] = aim
        if mistakes:
            raise BookMistaken(f"contract {file}", mistakes)
        digest = hashlib.sha256(f"{self.digest}\n{text}".encode()).hexdigest()
        agreements = (*self.agreements, *(replace(a, model=a.model and self.canonical(a.model)) for a in contract.agreements))
        assumptions = (*self.assumptions, *(replace(a, model=self.canonical(a.model)) for a in contract.assumptions))
        return PriceBook(self.name, self.rates, named, digest, agreements, assumptions)

    def prices(self, model: str, region: str, endpoint: str | None, scope: str | None, tier: str, at: datetime) -> Prices | NoPrice:
        """What holds for a call. ``model``: canonical. ``scope``, ``endpoint``: ``None`` if unknown."""
        found = self._listed(model, region, endpoint, scope, tier, at)
        if not self.assumptions or not isinstance(found, NoPrice):
            return found
        for one in self.assumptions:
            if one.is_about(model, region, scope, tier):
                other = self._listed(model, one.as_region or region, endpoint, one.as_scope or scope, one.as_tier or tier, at)
                if isinstance(other, Prices):
                    return replace(other, rule="operator_assumed")
        return found

    def _listed(self, model: str, region: str, endpoint: str | None, scope: str | None, tier: str, at: datetime) -> Prices | NoPrice:
        key = (model, region, endpoint, scope, tier)
        timeline = self._ready.get(key)
        if timeline is None:
            if len(self._ready) >= REMEMBERED_KEYS:
                self._ready.clear()
            timeline = self._ready[key] = self._timeline(*key)
        return timeline.prices[bisect_right(timeline.bounds, at)]

    def _timeline(self, model: str, region: str, endpoint: str | None, scope: str | None, tier: str) -> _Timeline:
        rates = self._by_model.get(model)
        if rates is None:
            return _never("model", f"{model[:120]!r} is not in the price book")
        rates = [r for r in rates if region in r.regions or (COMMERCIAL in r.regions and is_commercial(region))]
        if not rates:
            return _never("region", f"{model} has no price in {region[:40] or 'an unknown region'}")
        rates = [r for r in rates if r.tier == tier]
        if not rates:
            return _never("tier", f"{model} in {region} has no price in tier {tier[:40]!r}")
        rates = _of_endpoint(rates, endpoint)
        if not rates:
            return _never("endpoint", f"{model} in {region}, tier {tier}, has no price on {endpoint}")
        rule, scope_used, rates = _of_scope(rates, scope)
        if not rates:
            return _never("scope", f"{model} in {region}, tier {tier}, has no price for scope {scope or 'unknown, and several have one'}")
        return self._segments(rule, model, region, scope_used, tier, rates)

    def _segments(self, rule: Rule, model: str, region: str, scope: str, tier: str, rates: Sequence[Rate]) -> _Timeline:
        about = [a for a in self.agreements if any(a.is_about(r, region) for r in rates)]
        dated: list[Rate | Agreement] = [*rates, *about]
        bounds = sorted({bound for item in dated for bound in (item.start, item.end) if bound is not None})
        prices: list[Prices | NoPrice] = []
        for start in (None, *bounds):
            bands = self._bands(region, scope, [r for r in rates if _holds(r, start)], [a for a in about if _holds(a, start)])
            if bands:
                prices.append(Prices(rule, model, region, scope, tier, bands))
            else:
                prices.append(NoPrice("time", f"{model} in {region}, tier {tier}, scope {scope}, has no price at that time"))
        return _Timeline(tuple(bounds), tuple(prices))

    def _bands(
        self, region: str, scope: str, rates: Sequence[Rate], agreements: Sequence[Agreement]
    ) -> tuple[tuple[int, Mapping[str, Priced]], ...]:
        chosen: dict[int, dict[str, Rate]] = {}
        for rate in sorted(rates, key=lambda r: (region in r.regions, r.scope == scope, r.endpoint != "any")):
            chosen.setdefault(rate.context_gt, {})[rate.kind] = rate  # the most particular comes last
        bands = {
            limit: {k: _priced(r, region, agreements) for k, r in kinds.items() if r.usd is not None} for limit, kinds in chosen.items()
        }
        return tuple((limit, bands[limit]) for limit in sorted(bands, reverse=True) if bands[limit])


def _never(reason: Literal["model", "region", "scope", "tier", "endpoint", "time"], sentence: str) -> _Timeline:
    return _Timeline((), (NoPrice(reason, sentence),))


def _holds(item: Rate | Agreement, start: datetime | None) -> bool:
    """Whether it holds in the segment that begins at ``start``; ``None``: the one before every bound."""
    if start is None:
        return item.start is None
    return (item.start is None or item.start <= start) and (item.end is None or item.end > start)


def _of_endpoint(rates: Sequence[Rate], endpoint: str | None) -> list[Rate]:
    if endpoint is None:  # not said: the runtime, or Mantle for what is only sold there
        runtime = [r for r in rates if r.endpoint != "mantle"]
        return runtime or list(rates)
    return [r for r in rates if r.endpoint in ("any", endpoint)]


def _of_scope(rates: Sequence[Rate], scope: str | None) -> tuple[Rule, str, list[Rate]]:
    """A geographic profile has no price of its own in AWS's list: it bills the region's, unless the book knows one."""
    if scope == "geo":
        return "exact", "geo", [r for r in rates if r.scope in ("geo", "regional")]
    if scope is not None:
        return "exact", scope, [r for r in rates if r.scope == scope]
    scopes = {r.scope for r in rates}
    assumed = "regional" if "regional" in scopes else next(iter(scopes)) if len(scopes) == 1 else ""
    return "scope_assumed", assumed, [r for r in rates if r.scope == assumed]


def _priced(rate: Rate, region: str, agreements: Sequence[Agreement]) -> Priced:
    about = [a for a in agreements if a.is_about(rate, region)]
    if not about:
        return Priced(rate, rate.pico, rate.pico)
    decides = max(about, key=lambda a: a.weight)
    return Priced(rate, decides.price(rate), rate.pico, decides)


def read_book(text: str, file: str, name: str | None = None, aliases: Mapping[str, str] | None = None) -> PriceBook:
    """A book from the text of a file. Raises ``BookMistaken`` with every mistake, each with its line."""
    table = read_table(text, file, "price book")
    mistakes = [Mistake(file, line, "assume", "stands in a contract, not in a price book") for line, _ in table.assumed]
    rates = []
    for line, cells in table.rows:
        before = len(mistakes)
        rate = read_rate(file, line, cells, mistakes)
        if len(mistakes) == before:
            rates.append(rate)
    mistakes += overlaps(file, rates)
    known = {rate.model for rate in rates}
    named = dict(aliases or {})
    for line, alias, aim in table.aliases:
        if alias in known:
            mistakes.append(Mistake(file, line, "aliases", f"{alias!r} is a model of this book itself"))
        elif (read_name(aim).model or "") not in known and not mistakes:
            mistakes.append(Mistake(file, line, "aliases", f"{aim!r} is not in this book"))
        named[alias] = aim
    if mistakes:
        raise BookMistaken(f"price book {file}", mistakes)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return PriceBook(name or file.rpartition("/")[2].rpartition(".")[0] or file, rates, named, digest)
