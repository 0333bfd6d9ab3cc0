"""Price books and contracts from files, and the tables of other packages where they are installed."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from streamgauge.errors import UsageError
from streamgauge.pricing.book import PriceBook, read_book
from streamgauge.pricing.other_tables import Said, from_genai_prices, from_litellm
from streamgauge.pricing.shipped import shipped_aliases, shipped_book

MAX_FILE_BYTES = 64 << 20
"""AWS's whole price list of a service has some ten megabytes; what is larger was named by mistake."""


def open_book(book: Path | None, contract: Path | None = None) -> PriceBook:
    """The book of a file, else the shipped one, under a contract if one is given. Raises ``UsageError`` with every mistake."""
    opened = shipped_book() if book is None else read_book(_text(book, "price book"), str(book), book.stem, shipped_aliases())
    return opened if contract is None else opened.under(_text(contract, "contract"), str(contract))


def _text(path: Path, what: str) -> str:
    try:
        if path.is_file() and path.stat().st_size > MAX_FILE_BYTES:
            raise UsageError(f"the {what} {path} is larger than {MAX_FILE_BYTES >> 20} MiB; is it the right file?")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"the {what} {path} is no text in UTF-8") from None
    except OSError as error:
        raise UsageError(f"the {what} {path} cannot be read ({error.strerror})") from None


def other_tables() -> dict[str, list[Said]]:
    """Each table that is installed, by its package's name and version. A table that has changed its form is left out."""
    found: dict[str, list[Said]] = {}
    for name, read in (("litellm", _litellm), ("genai-prices", _genai_prices)):
        try:
            said = list(read())
        except Exception:  # noqa: S112 - another package's data: whatever is wrong with it is no fault of the book
            continue
        if said:
            found[f"{name} {_version(name)}"] = said
    return found


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)


def _litellm() -> Iterator[Said]:
    """Read as a file: importing litellm takes seconds, and may ask the network for a newer table."""
    spec = importlib.util.find_spec("litellm")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder) / "model_prices_and_context_window_backup.json"
        if path.is_file():
            data: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
            yield from from_litellm(data)


def _genai_prices() -> Iterator[Said]:
    if importlib.util.find_spec("genai_prices") is None:
        return
    providers = importlib.import_module("genai_prices.data").providers
    for provider in providers:
        if provider.id == "aws":
            yield from from_genai_prices((model.id, _current(model.prices)) for model in provider.models)


def _current(prices: Any) -> dict[str, Decimal]:
    """The newest of dated prices, without bands."""
    if isinstance(prices, list):
        prices = prices[-1].prices
    fields = {name: getattr(getattr(prices, name), "base", getattr(prices, name)) for name in dir(prices) if name.endswith("_mtok")}
    return {name: value for name, value in fields.items() if isinstance(value, Decimal)}
