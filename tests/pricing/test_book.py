from __future__ import annotations

from datetime import UTC, datetime

import pytest

from streamgauge.pricing import book as module
from streamgauge.pricing.book import NoPrice, Prices, read_book
from streamgauge.pricing.mistakes import BookMistaken
from tests.pricing.books import HEAD, book, price


def test_a_price_is_found_for_exactly_its_key() -> None:
    ours = book("a.one,us-east-1,,,,input,1")
    assert price(ours) == "1"
    assert price(ours, model="a.two") == "model"
    assert price(ours, region="us-east-2") == "region"
    assert price(ours, scope="global") == "scope"
    assert price(ours, tier="flex") == "tier"
    assert price(ours, kind="output") is None


def test_a_region_of_its_own_stands_above_every_commercial_region() -> None:
    ours = book("a.one,*,,,,input,1", "a.one,eu-west-2,,,,input,2")
    assert (price(ours), price(ours, region="eu-west-2")) == ("1", "2")


def test_every_commercial_region_is_no_other_partition() -> None:
    assert price(book("a.one,*,,,,input,1"), region="us-gov-west-1") == "region"


def test_a_geographic_call_has_its_own_price_or_its_regions() -> None:
    ours = book("a.one,us-east-1 eu-west-1,,,,input,1", "a.one,eu-west-1,geo,,,input,2", "a.one,us-east-1,,,,output,5")
    assert price(ours, scope="geo") == "1"
    assert price(ours, scope="geo", region="eu-west-1") == "2"
    assert price(ours, scope="regional", region="eu-west-1") == "1"


def test_an_unknown_scope_is_taken_for_regional_or_the_only_one_and_that_is_recorded() -> None:
    ours = book("a.one,us-east-1,,,,input,1", "a.one,us-east-1,global,,,input,2", "a.two,us-east-1,global,,,input,3")
    at = datetime(2026, 11, 25, tzinfo=UTC)
    for model, usd, scope in (("a.one", "1", "regional"), ("a.two", "3", "global")):
        assert price(ours, model=model, scope=None) == usd
        found = ours.prices(model, "us-east-1", None, None, "standard", at)
        assert isinstance(found, Prices)
        assert (found.rule, found.scope) == ("scope_assumed", scope)


def test_two_scopes_of_which_none_is_regional_are_not_guessed_between() -> None:
    assert price(book("a.one,us-east-1,geo,,,input,1", "a.one,us-east-1,global,,,input,2"), scope=None) == "scope"


def test_mantle_and_runtime_are_two_endpoints_where_the_book_says_so() -> None:
    ours = book("a.one,us-east-1,,,,input,1,,,runtime", "a.one,us-east-1,,,,input,2,,,mantle", "a.two,us-east-1,,,,input,3,,,mantle")
    assert [price(ours, endpoint=name) for name in ("runtime", "mantle", None)] == ["1", "2", "1"]
    assert [price(ours, model="a.two", endpoint=name) for name in ("runtime", "mantle", None)] == ["endpoint", "3", "3"]


def test_a_price_holds_from_its_first_instant_to_before_its_last() -> None:
    ours = book("a.one,us-east-1,,,,input,1,2026-01-01,2026-02-01", "a.one,us-east-1,,,,input,2,2026-02-01,2026-03-01")
    at = ["2025-12-31T23:59:59.999999Z", "2026-01-01", "2026-01-31T23:59:59.999Z", "2026-02-01T00:00:00.000Z", "2026-03-01"]
    assert [price(ours, at=moment) for moment in at] == ["time", "1", "1", "2", "time"]


def test_a_withdrawn_price_is_none() -> None:
    ours = book("a.one,us-east-1,,,,input,1,,2026-02-01", "a.one,us-east-1,,,,input,withdrawn,2026-02-01", "a.one,us-east-1,,,,output,5")
    assert [price(ours, at=moment) for moment in ("2026-01-01", "2026-02-01")] == ["1", None]


def test_a_withdrawal_in_one_region_does_not_leave_every_regions_price() -> None:
    ours = book("a.one,*,,,,input,1", "a.one,*,,,,output,5", "a.one,eu-west-1,,,,input,withdrawn")
    assert (price(ours), price(ours, region="eu-west-1")) == ("1", None)


def test_a_band_begins_above_its_limit() -> None:
    ours = book("a.one,us-east-1,,,,input,1", "a.one,us-east-1,,,100,input,2", "a.one,us-east-1,,,200,input,3")
    assert [price(ours, tokens=tokens) for tokens in (0, 1, 100, 101, 200, 201)] == ["1", "1", "1", "2", "2", "3"]
    assert [ours.limit_of("a.one", tokens) for tokens in (0, 100, 101, 200, 201)] == [0, 0, 100, 100, 200]


def test_a_kind_that_only_the_short_band_has_is_no_price_in_the_long_one() -> None:
    ours = book("a.one,us-east-1,,,,input,1", "a.one,us-east-1,,,,cache_read,0.1", "a.one,us-east-1,,,100,input,2")
    assert price(ours, "cache_read", tokens=101) is None


def test_names_are_the_books_own_its_aliases_and_variants_and_nothing_near() -> None:
    ours = read_book("aliases: {old.one: a.one-v1:0}\nprices:\n- {model: 'a.one-v1:0', region: us-east-1, kind: input, usd: 1}\n", "b.yaml")
    names = ["a.one-v1:0", "old.one", "a.one-v1:0:300k", "a.one", "a.one-v1", "A.ONE-V1:0"]
    assert [ours.canonical(name) for name in names] == ["a.one-v1:0", "a.one-v1:0", "a.one-v1:0", None, None, None]


def test_keys_that_somebody_invents_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED_KEYS", 10)
    ours = book("a.one,us-east-1,,,,input,1")
    for number in range(100):
        assert price(ours, model=f"x{number}") == "model"
    assert len(ours._ready) <= 10
    assert price(ours) == "1"


def test_the_id_of_a_book_tells_its_content_apart() -> None:
    one, same, other = book("a.one,us-east-1,,,,input,1"), book("a.one,us-east-1,,,,input,1"), book("a.one,us-east-1,,,,input,2")
    assert one.book_id == same.book_id != other.book_id
    assert one.book_id.startswith("b-")


def test_why_there_is_no_price_is_a_sentence_with_the_key() -> None:
    found = book("a.one,us-east-1,,,,input,1").prices("a.one", "us-east-1", None, "global", "standard", datetime(2026, 1, 1, tzinfo=UTC))
    assert found == NoPrice("scope", "a.one in us-east-1, tier standard, has no price for scope global")


def test_every_mistake_in_a_book_is_told_at_once() -> None:
    text = HEAD + (
        "a.one,us-east-1,,,,input,-1,,,\n"
        "a.two,us-east-1,,gold,,input,1,,,\n"
        "a.two,us-east-1,,,,input,1,2026-01-01,,\n"
        "a.two,us-east-1 us-west-2,,,,input,2,2026-06-01,,\n"
    )
    with pytest.raises(BookMistaken) as caught:
        read_book(text, "b.csv")
    told = str(caught.value)
    assert "3 mistake(s) in the price book b.csv" in told
    assert "b.csv:2: usd: '-1' is no price" in told
    assert "b.csv:3: tier: 'gold' is none of" in told
    assert "b.csv:5: effective_from: overlaps line 4 (2026-01-01 to ...): two prices of a.two input in us-east-1 at one time" in told


@pytest.mark.parametrize(
    ("aliases", "told"),
    [("{old: a.none}", "b.yaml:1: aliases: 'a.none' is not in this book"), ("{a.one: a.one}", "'a.one' is a model of this book itself")],
)
def test_an_alias_must_lead_to_a_model_and_be_none(aliases: str, told: str) -> None:
    with pytest.raises(BookMistaken) as caught:
        read_book(f"aliases: {aliases}\nprices:\n- {{model: a.one, region: us-east-1, kind: input, usd: 1}}\n", "b.yaml")
    assert told in str(caught.value)
