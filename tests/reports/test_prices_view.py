from __future__ import annotations

from datetime import UTC, datetime

from streamgauge.pricing.difference import differences
from streamgauge.reports.page import as_text
from streamgauge.reports.prices_view import difference_page, listing, records, selected
from tests.pricing.books import book

OURS = book(
    "a.one,us-east-1,,,,input,1,,2026-02-01",
    "a.one,us-east-1,,,,input,2,2026-02-01",
    "a.one,*,global,,200000,output,5",
    "b.two,us-gov-west-1,,,,input,withdrawn",
)


def _usd(model: str | None = None, region: str | None = None, at: datetime | None = None) -> list[str | None]:
    return [rate.usd for rate in selected(OURS, model, region, at)]


def test_rows_are_chosen_by_model_region_and_time() -> None:
    assert _usd() == ["1", "2", "5", None]
    assert _usd("a.one") == ["1", "2", "5"]
    assert _usd("TWO") == [None]
    assert _usd(region="eu-west-1") == ["5"]
    assert _usd("us.a.one", at=datetime(2026, 3, 1, tzinfo=UTC)) == ["2", "5"]


def test_a_list_shows_key_price_time_and_how_it_is_known() -> None:
    shown = "\n".join(line.text for line in as_text(listing(OURS, OURS.rates), None))
    assert "4 of 4 prices in b-" in shown
    for text in ("200,000", "withdrawn", "2026-02-01", "1,000,000", "manual", "*"):
        assert text in shown


def test_nothing_that_fits_is_said() -> None:
    assert listing(OURS, []).head.startswith("no price in b-")


def test_records_are_rows_of_a_book_file() -> None:
    assert list(records(OURS.rates))[2] == {
        "vendor": "",
        "model": "a.one",
        "region": "*",
        "endpoint": "any",
        "scope": "global",
        "tier": "standard",
        "context_gt": 200_000,
        "kind": "output",
        "unit": "token",
        "usd": "5",
        "per": 1_000_000,
        "effective_from": "",
        "effective_to": "",
        "source": "",
        "verified_at": "",
        "confidence": "manual",
    }


def test_changed_prices_stand_first_in_a_comparison() -> None:
    after = book("a.one,us-east-1,,,,input,1.5,,2026-02-01", "a.zero,us-east-1,,,,input,2")
    page = difference_page(OURS, after, list(differences(OURS, after)))
    assert "1 changed, 1 added, 3 removed" in page.head
    shown = "\n".join(line.text for line in as_text(page, None))
    assert shown.index("changed ") < shown.index("added ")
    assert "+50.0" in shown


def test_equal_books_are_said_to_be() -> None:
    assert "no difference" in difference_page(OURS, OURS, []).head
