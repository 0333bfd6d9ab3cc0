"""Makes the shipped price book from collected facts: ``python -m tests.pricing.book_from_facts --save``.

Inputs, in ``tests/data/prices/``: ``facts.csv`` (prices as four public sources state them), ``names.csv`` (other names of models),
``decisions.csv`` (rows by hand, each with its source: where sources are dated, contradict each other, or lost their region).
A price is taken only where its sources say for which regions it holds; what they leave open is left out, and is then ``unpriced``.
"""

from __future__ import annotations

import csv
import io
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from streamgauge.pricing.rate import COLUMNS

FACTS = Path(__file__).resolve().parents[1] / "data" / "prices"
SHIPPED = Path(__file__).resolve().parents[2] / "proxy" / "streamgauge" / "data" / "prices"

US = ("us-east-1", "us-east-2", "us-west-2")
"""Where the default price of a table without regions holds: the regions whose prices are equal in every row that names them."""

GEOGRAPHIES = {
    "us": US,
    "eu": ("eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-3"),
    "apac": ("ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2", "ap-southeast-1", "ap-southeast-2"),
    "jp": ("ap-northeast-1", "ap-northeast-3"),
    "au": ("ap-southeast-2", "ap-southeast-4"),
    "in": ("ap-south-1", "ap-south-2"),
    "us-gov": ("us-gov-east-1", "us-gov-west-1"),
}
"""Regions from which a geographic profile is called. A price that a table gives for the profile holds there, for calls through the profile."""

READ = {"litellm": "2026-11-25", "genai-prices": "2026-11-25", "page": "2026-07-24", "price-list": "2026-01-19"}
"""When each source was read, or is of."""

SOURCES = {
    "litellm": "litellm 1.109.1",
    "genai-prices": "genai-prices 0.2.3",
    "page": "aws.amazon.com/bedrock/pricing of 2026-07-24",
    "price-list": "AWS Price List offer 20260119134201",
}

ONE_PRICE_VENDORS = frozenset({"anthropic", "openai", "moonshotai", "zai", "xai"})
"""Whose models with geographic profiles cost the same in every commercial region, as far as any source names regions."""

SKIPPED = ("claude_platform/", "invoke/", "1-month-commitment/", "6-month-commitment/", "max-x-max", "512-x-512", "1024-x-1024")
"""Another product, or another unit than the model's name says."""

TEXT_UNITS = frozenset({"token", "image", "query", "video_second", "audio_second", "text_unit"})

PAGE_MODELS = {
    "Claude 3 Haiku": "anthropic.claude-3-haiku-20240307-v1:0",
    "Claude 3.5 Haiku": "anthropic.claude-3-5-haiku-20241022-v1:0",
    "Claude 3.5 Sonnet": "anthropic.claude-3-5-sonnet-20240620-v1:0",
    "Claude 3.5 Sonnet v2": "anthropic.claude-3-5-sonnet-20241022-v2:0",
    "Claude 3.7 Sonnet": "anthropic.claude-3-7-sonnet-20250219-v1:0",
    "Claude 4.5 Haiku": "anthropic.claude-haiku-4-5-20251001-v1:0",
    "Claude Haiku 4.5": "anthropic.claude-haiku-4-5-20251001-v1:0",
    "Claude Opus 4": "anthropic.claude-opus-4-20250514-v1:0",
    "Claude Opus 4.1": "anthropic.claude-opus-4-1-20250805-v1:0",
    "Claude Opus 4.5": "anthropic.claude-opus-4-5-20251101-v1:0",
    "Claude Opus 4.6": "anthropic.claude-opus-4-6-v1",
    "Claude Opus 4.7": "anthropic.claude-opus-4-7",
    "Claude Opus 4.8": "anthropic.claude-opus-4-8",
    "Claude Sonnet 4": "anthropic.claude-sonnet-4-20250514-v1:0",
    "Claude Sonnet 4.5": "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "Claude Sonnet 4.6": "anthropic.claude-sonnet-4-6",
    "Claude Sonnet 5*": "anthropic.claude-sonnet-5",
    "Claude Fable 5": "anthropic.claude-fable-5",
    "Amazon Nova 2 Lite": "amazon.nova-2-lite-v1:0",
}
"""The page's names, for rows in which the page says for which regions they are."""


@dataclass(frozen=True)
class Cell:
    """What is priced."""

    model: str
    endpoint: str
    tier: str
    context: int
    kind: str
    unit: str


@dataclass(frozen=True)
class Statement:
    """What one source says about a cell. ``place``: everywhere, global, us, geo:X or region:X."""

    source: str
    place: str
    usd: str
    start: str = ""
    end: str = ""


Cells = dict[Cell, list[Statement]]
Row = dict[str, str]


def names() -> dict[str, str]:
    """Other names of models to the ids the book uses."""
    with (FACTS / "names.csv").open(encoding="utf-8") as file:
        return {row["alias"]: row["model"] for row in csv.DictReader(file)}


def facts() -> list[Row]:
    """The collected prices."""
    with (FACTS / "facts.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def statements(rows: Iterable[Row], aliases: dict[str, str]) -> Cells:
    """Every usable statement, by the cell it is about."""
    cells: Cells = defaultdict(list)
    for row in rows:
        read = _statement(row, aliases)
        if read is not None and read[1] not in cells[read[0]]:
            cells[read[0]].append(read[1])
    _date_undated(cells)
    return cells


def _statement(row: Row, aliases: dict[str, str]) -> tuple[Cell, Statement] | None:
    model, endpoint, place = _model(row, aliases), "any", _place(row)
    usd = row["usd_per_million"] or row["usd_per_unit"]
    if model is None or place is None or not usd or row["unit"] not in TEXT_UNITS or row["kind"].startswith("web_search"):
        return None
    if place.endswith(" [bedrock-mantle]"):
        place, endpoint = place.removesuffix(" [bedrock-mantle]"), "mantle"
    kind, tier = row["kind"], row["tier"]
    if kind.startswith("batch_"):
        kind, tier = kind.removeprefix("batch_"), "batch"
    if kind == "cache_write" or tier not in ("standard", "batch", "flex", "priority", "ultrafast"):
        return None
    if row["unit"] == "token" and not float(usd):
        return None  # how tables write that an embedding has no output
    start, end = _dates(row)
    cell = Cell(model, endpoint, tier, _context(row["context"]), kind, row["unit"])
    return cell, Statement(row["source"], place, usd, start, end)


def _model(row: Row, aliases: dict[str, str]) -> str | None:
    name = row["model_id"]
    if row["source"] == "page":
        return PAGE_MODELS.get(name)
    if row["source"] in ("price-list", "notes") or name.startswith(SKIPPED):
        return None
    prefix, _, rest = name.partition(".")
    if prefix in (*GEOGRAPHIES, "global"):
        name = rest
    return aliases.get(name, name)


def _place(row: Row) -> str | None:
    scope = row["scope"]
    if scope in ("regional(in-region+geo)", "geo+in-region"):
        return "everywhere"
    if scope == "global":
        return "global"
    if scope.startswith("bare") or scope == "any(us-east-1 rate)":
        return scope.replace("bare", "us").replace("any(us-east-1 rate)", "us")
    if scope.startswith(("geo:", "region:")) and "*" not in scope:
        return scope
    return None


def _context(text: str) -> int:
    digits = text.strip(">").replace("k", "000")
    return int(digits) if digits.isdigit() else 0


def _dates(row: Row) -> tuple[str, str]:
    if row["source"] != "genai-prices" or not row["effective_date"]:
        return "", ""
    return ("", "launch") if row["effective_date"].startswith("launch") else (row["effective_date"], "")


def _date_undated(cells: Cells) -> None:
    """A table without history states today's price: of a model whose price is known to have changed, it holds from the change on."""
    changed: dict[str, str] = {}
    for cell, said in cells.items():
        for one in said:
            if one.start:
                changed[cell.model] = max(one.start, changed.get(cell.model, ""))
    for cell, said in cells.items():
        since = changed.get(cell.model)
        if since is not None:
            said[:] = [
                replace(one, end=since) if one.end else replace(one, start=one.start or since) for one in said if one.source != "page"
            ]


def rows_of(cell: Cell, said: list[Statement], stated_everywhere: set[str], contradictions: list[str]) -> Iterator[Row]:
    """The book's rows of a cell. ``stated_everywhere``: models of which some source says one price for all commercial regions."""
    places = _groups(said)
    yield from _rows(cell, "global", ("*",), places.get("global", []), contradictions)
    for place, group in places.items():
        if place.startswith("region:"):
            yield from _rows(cell, "regional", (place.removeprefix("region:"),), group, contradictions)
    geos = {place.removeprefix("geo:"): group for place, group in places.items() if place.startswith("geo:")}
    yield from _rows(cell, "geo", GEOGRAPHIES["us-gov"], geos.pop("us-gov", []), contradictions)
    everywhere = places.get("everywhere", [])
    values = {one.usd for group in geos.values() for one in group}
    current = {one.usd for one in everywhere if not one.end}
    if everywhere and values <= current:
        yield from _rows(cell, "regional", ("*",), everywhere, contradictions)
    elif everywhere:  # said of the default region only, for other geographies have their own price
        yield from _rows(cell, "regional", US, everywhere, contradictions)
        yield from _geo_rows(cell, {n: g for n, g in geos.items() if {o.usd for o in g} - current}, contradictions)
    elif len(values) == 1 and _vendor(cell) in ONE_PRICE_VENDORS and (len(geos) > 1 or cell.model in stated_everywhere):
        yield from _rows(cell, "regional", ("*",), [one for group in geos.values() for one in group], contradictions)
    else:
        yield from _geo_rows(cell, geos, contradictions)
        yield from _rows(cell, "regional", _unnamed(places), _default(places, stated_everywhere, cell), contradictions)


def _vendor(cell: Cell) -> str:
    return cell.model.partition(".")[0]


def _unnamed(places: dict[str, list[Statement]]) -> tuple[str, ...]:
    return tuple(region for region in US if f"region:{region}" not in places)


def _default(places: dict[str, list[Statement]], stated_everywhere: set[str], cell: Cell) -> list[Statement]:
    """A table's default price, where it cannot be the global one: that of a model with profiles must be the ``us.`` profile's too."""
    default, profile = places.get("us", []), places.get("geo:us", [])
    if profile:
        return default if {one.usd for one in default} == {one.usd for one in profile} else []
    return [] if "global" in places or cell.model in stated_everywhere else default


def _groups(said: list[Statement]) -> dict[str, list[Statement]]:
    groups: dict[str, list[Statement]] = defaultdict(list)
    for one in said:
        groups[one.place].append(one)
    return groups


def _geo_rows(cell: Cell, geos: dict[str, list[Statement]], contradictions: list[str]) -> Iterator[Row]:
    """A wide geography (apac) does not speak for regions that a narrow one (jp, au, in) names."""
    narrow = {region for name in ("jp", "au", "in") if name in geos for region in GEOGRAPHIES[name]}
    for name, group in geos.items():
        regions = tuple(r for r in GEOGRAPHIES[name] if name != "apac" or r not in narrow)
        yield from _rows(cell, "geo", regions, group, contradictions)


def _rows(cell: Cell, scope: str, regions: tuple[str, ...], group: list[Statement], contradictions: list[str]) -> Iterator[Row]:
    if not regions:
        return
    dated: dict[tuple[str, str], list[Statement]] = defaultdict(list)
    for one in group:
        dated[one.start, one.end].append(one)
    for (start, end), said in dated.items():
        values = {_plain(one.usd): one for one in said}
        chosen = next((one for source in ("genai-prices", "litellm", "page") for one in said if one.source == source), said[0])
        if len(values) > 1:
            stated = ", ".join(f"{one.source} {one.usd}" for one in said)
            contradictions.append(f"{cell.model} {scope} {cell.tier} {cell.kind} >{cell.context}: {stated}")
        usd = _plain(chosen.usd)
        agreed = sorted({one.source for one in said if _plain(one.usd) == usd})
        known = "page" if "page" in agreed else "derived"
        yield {
            "vendor": cell.model.partition(".")[0],
            "model": cell.model,
            "region": " ".join(regions),
            "endpoint": cell.endpoint,
            "scope": scope,
            "tier": cell.tier,
            "context_gt": str(cell.context) if cell.context else "",
            "kind": cell.kind,
            "unit": cell.unit,
            "usd": usd,
            "per": "1000000" if cell.unit == "token" else "1",
            "effective_from": start,
            "effective_to": end,
            "source": "; ".join(SOURCES[name] for name in agreed),
            "verified_at": max(READ[name] for name in agreed),
            "confidence": known,
        }


def _plain(usd: str) -> str:
    return usd.rstrip("0").rstrip(".") if "." in usd else usd


def decisions() -> list[Row]:
    """Rows by hand."""
    with (FACTS / "decisions.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def key(row: Row) -> tuple[str, ...]:
    """What a row is about, without time and price."""
    return tuple(row[name] for name in ("model", "region", "endpoint", "scope", "tier", "context_gt", "kind"))


def build() -> tuple[str, list[str]]:
    """(the book as CSV, what sources contradict each other in)."""
    aliases, contradictions = names(), list[str]()
    cells = statements(facts(), aliases)
    everywhere = {cell.model for cell, said in cells.items() if any(one.place == "everywhere" for one in said)}
    rows = [row for cell, said in cells.items() for row in rows_of(cell, said, everywhere, contradictions)]
    by_hand = decisions()
    replaced = {key(row) for row in by_hand}
    kept = [*(row for row in _one_endpoint(rows) if key(row) not in replaced), *by_hand]
    kept.sort(key=lambda row: (*key(row), row["effective_from"]))
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(kept)
    return text.getvalue(), contradictions


def _one_endpoint(rows: list[Row]) -> list[Row]:
    """A price that Mantle shares with the runtime is one row for any endpoint; without a runtime price beside it, so is Mantle's own."""
    anywhere = {
        (region, *key(row)[2:], row["model"]): row["usd"] for row in rows if row["endpoint"] == "any" for region in row["region"].split()
    }
    kept = [row for row in rows if row["endpoint"] == "any"]
    for row in rows:
        if row["endpoint"] == "any":
            continue
        about = ("any", *key(row)[3:], row["model"])
        own, alone = [], []
        for region in row["region"].split():
            runtime = anywhere.get((region, *about))
            if runtime is None:
                alone.append(region)
            elif runtime != row["usd"]:
                own.append(region)
        kept += [{**row, "region": " ".join(regions), "endpoint": name} for regions, name in ((own, "mantle"), (alone, "any")) if regions]
    return kept


def save() -> None:
    """Write the shipped files."""
    text, contradictions = build()
    SHIPPED.mkdir(parents=True, exist_ok=True)
    (SHIPPED / "bedrock.csv").write_text(text, encoding="utf-8")
    (SHIPPED / "aliases.csv").write_text((FACTS / "names.csv").read_text(encoding="utf-8"), encoding="utf-8")
    print(f"{text.count(chr(10)) - 1} rows")
    print("\n".join(contradictions))


if __name__ == "__main__":
    save() if "--save" in sys.argv[1:] else print("\n".join(build()[1]))
