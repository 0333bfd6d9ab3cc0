from __future__ import annotations

from datetime import UTC, datetime

import pytest

from streamgauge.pricing.book import PriceBook, read_book
from streamgauge.pricing.costing import cost_of
from streamgauge.pricing.facts import Facts
from streamgauge.pricing.mistakes import BookMistaken
from tests.pricing.books import book, price

LIST = book("a.one,us-east-1,,,,input,4", "a.one,us-east-1,,flex,,input,2", "a.one,eu-west-1,,,,input,5", "a.two,us-east-1,,,,input,1")


def _under(*lines: str) -> PriceBook:
    return LIST.under("assume:\n" + "".join(f"- {{{line}}}\n" for line in lines), "c.yaml")


def test_an_allowed_price_stands_in_for_one_that_is_missing_and_says_so() -> None:
    ours = _under("model: a.one, region: eu-west-2, as_region: eu-west-1, approver: Kim")
    assert (price(ours, region="eu-west-2"), price(ours, region="eu-west-3"), price(ours, model="a.two", region="eu-west-2")) == (
        "5",
        "region",
        "region",
    )
    facts = Facts(requested_model="a.one", region="eu-west-2", input_tokens=1_000_000, output_tokens=0)
    cost = cost_of(facts, ours, datetime(2026, 11, 25, tzinfo=UTC))
    assert (cost.total_usd, cost.status, cost.reasons) == ("5", "assumed", ("operator_assumed",))
    assert cost.matched is not None
    assert (cost.matched.rule, cost.matched.region) == ("operator_assumed", "eu-west-1")


def test_a_price_of_ones_own_is_never_replaced() -> None:
    assert price(_under("model: a.one, as_region: eu-west-1")) == "4"


def test_a_tier_and_a_scope_can_be_allowed_too() -> None:
    ours = _under("model: a.one, tier: priority, as_tier: default", "model: a.one, scope: global, as_scope: regional")
    assert (price(ours, tier="priority"), price(ours, scope="global"), price(ours, tier="batch")) == ("4", "4", "tier")


def test_an_assumption_does_not_lead_to_another_assumption() -> None:
    ours = _under("model: a.one, region: eu-west-2, as_region: eu-west-3", "model: a.one, region: eu-west-3, as_region: eu-west-1")
    assert price(ours, region="eu-west-2") == "region"


def test_a_price_book_assumes_nothing() -> None:
    rows = "prices:\n- {model: a.one, region: us-east-1, kind: input, usd: 1}\nassume:\n- {model: a.one, as_region: us-east-1}\n"
    with pytest.raises(BookMistaken, match=r"b\.yaml:4: assume: stands in a contract"):
        read_book(rows, "b.yaml")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("model: a.one", "c.yaml:2: as_region: one of as_region, as_scope and as_tier must be given"),
        ("as_region: eu-west-1", "c.yaml:2: model: is missing"),
        ("model: a.none, as_region: eu-west-1", "c.yaml:2: model: 'a.none' is not in the price book"),
        ("model: a.one, as_region: Ireland", "c.yaml:2: as_region: 'Ireland' is no region"),
        ("model: a.one, as_tier: gold", "c.yaml:2: as_tier: 'gold' is none of"),
        ("model: a.one, as_regoin: eu-west-1", "c.yaml:2: as_regoin: is no column"),
    ],
)
def test_an_assumption_that_cannot_be_meant_is_refused(line: str, told: str) -> None:
    with pytest.raises(BookMistaken) as caught:
        _under(line)
    assert told in str(caught.value)
