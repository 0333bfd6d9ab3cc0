from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction

import pytest

from streamgauge.pricing.book import NoPrice
from streamgauge.pricing.model_name import read_name
from streamgauge.pricing.overlaps import gaps
from streamgauge.pricing.shipped import ALIASES_FILE, BOOK_FILE, shipped_aliases, shipped_book, text_of
from tests.pricing.book_from_facts import FACTS, PAGE_MODELS, SKIPPED, build, facts

AT = datetime(2026, 11, 25, tzinfo=UTC)

OF_THE_PRICE_LIST = {
    "Claude Haiku 4.5": PAGE_MODELS["Claude Haiku 4.5"],
    "Claude Opus 5": "anthropic.claude-opus-5",
    "Claude Opus 5.5": "anthropic.claude-opus-5-5",
    "Claude Sonnet 4": PAGE_MODELS["Claude Sonnet 4"],
    "Claude Sonnet 4.5": PAGE_MODELS["Claude Sonnet 4.5"],
    "Claude Sonnet 4.6": PAGE_MODELS["Claude Sonnet 4.6"],
    "Claude 3 Haiku": PAGE_MODELS["Claude 3 Haiku"],
    "Claude 3.5 Sonnet": PAGE_MODELS["Claude 3.5 Sonnet"],
    "NVIDIA Nemotron 3 Super 120B A12B": "nvidia.nemotron-super-3-120b",
    "OpenAI GPT-6 Astra": "openai.gpt-6-astra",
}
"""Names in AWS's price list, by the ids of the models."""

LONG = {"long": 272_000, "long(>200k)": 200_000, "default": 0}


def test_the_shipped_book_is_what_its_facts_make() -> None:
    assert text_of(BOOK_FILE) == build()[0], "run `python -m tests.pricing.book_from_facts --save`"
    assert text_of(ALIASES_FILE) == (FACTS / "names.csv").read_text(encoding="utf-8")


def test_every_row_has_a_source_a_date_and_a_confidence() -> None:
    lacking = [rate.line for rate in shipped_book().rates if not rate.source or rate.verified_at is None or not rate.vendor]
    assert lacking == []
    assert gaps(BOOK_FILE, shipped_book().rates) == []


def test_every_alias_leads_to_a_model_with_a_price() -> None:
    book = shipped_book()
    assert {alias: model for alias, model in shipped_aliases().items() if model not in book.models} == {}
    assert [alias for alias in shipped_aliases() if alias in book.models] == []


def _text_models() -> Iterator[str]:
    """Every name under which a source with regions states a price of input by the token."""
    for row in facts():
        name = row["model_id"]
        priced = row["unit"] == "token" and row["kind"] == "input" and float(row["usd_per_million"]) > 0
        if priced and row["source"] in ("litellm", "genai-prices") and not name.startswith(SKIPPED):
            yield name
    yield from PAGE_MODELS.values()


@pytest.mark.parametrize("name", sorted(set(_text_models())))
def test_every_text_model_of_a_source_with_regions_is_in_the_book(name: str) -> None:
    book = shipped_book()
    model = book.canonical(read_name(name).model or "")
    assert model is not None
    assert "input" in book.kinds_of(model)


OFFICIAL = [row for row in facts() if row["source"] in ("price-list", "notes") and row["unit"] == "token"]


@pytest.mark.parametrize("row", OFFICIAL, ids=lambda row: f"{row['model_id']} {row['scope']} {row['kind']} {row['context']}")
def test_every_price_of_aws_own_list_and_of_bills_is_the_books(row: dict[str, str]) -> None:
    scope = "global" if "global" in row["scope"] else "regional"
    region = row["scope"].split()[0]
    kind, tier = (row["kind"].removeprefix("batch_"), "batch") if row["kind"].startswith("batch_") else (row["kind"], row["tier"])
    prices = shipped_book().prices(OF_THE_PRICE_LIST[row["model_id"]], region, None, scope, tier, AT)
    assert not isinstance(prices, NoPrice), prices
    band = dict(prices.bands)[LONG[row["context"]]]
    assert band[kind].list_pico == Fraction(row["usd_per_million"]) * 1_000_000


def test_facts_name_no_source_that_the_notice_does_not() -> None:
    with (FACTS / "facts.csv").open(encoding="utf-8") as file:
        sources = {row["source"] for row in csv.DictReader(file)}
    readme = (FACTS / "README.md").read_text(encoding="utf-8")
    assert sources <= set(re.findall(r"^\| `([a-z-]+)` \|", readme, re.MULTILINE))
