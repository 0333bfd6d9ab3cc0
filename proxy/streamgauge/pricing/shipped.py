"""The price book of this release: package data, read like code."""

from __future__ import annotations

import csv
import io
from functools import lru_cache
from importlib import resources

from streamgauge.pricing.book import PriceBook, read_book

FOLDER = "data/prices"
BOOK_FILE = "bedrock.csv"
ALIASES_FILE = "aliases.csv"


@lru_cache(maxsize=1)
def shipped_book() -> PriceBook:
    """The shipped book; made once."""
    return read_book(text_of(BOOK_FILE), BOOK_FILE, "bedrock", shipped_aliases())


def shipped_aliases() -> dict[str, str]:
    """Other names of models (of Mantle, of older lists, in answers) to the book's."""
    return {row["alias"]: row["model"] for row in csv.DictReader(io.StringIO(text_of(ALIASES_FILE)))}


def text_of(file: str) -> str:
    """The text of one of the price files."""
    return resources.files("streamgauge").joinpath(f"{FOLDER}/{file}").read_text(encoding="utf-8")
