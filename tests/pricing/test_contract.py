from __future__ import annotations

from datetime import UTC, datetime

import pytest

from streamgauge.pricing.book import PriceBook
from streamgauge.pricing.contract import CONTRACT_COLUMNS
from streamgauge.pricing.costing import cost_of
from streamgauge.pricing.facts import Facts
from streamgauge.pricing.mistakes import BookMistaken
from streamgauge.pricing.shipped import shipped_book
from tests.pricing.books import book, price

LIST = book("a.one,us-east-1,,,,input,4", "a.one,us-east-1,,,,output,20", "a.two,us-east-1,,,,input,1")


def _under(*lines: str) -> PriceBook:
    return LIST.under("model,kind,percent,usd,effective_from,effective_to\n" + "".join(f"{line}\n" for line in lines), "c.csv")


def test_a_percentage_comes_off_every_price_it_is_about() -> None:
    ours = _under("a.one,,15,,,")
    assert (price(ours), price(ours, "output"), price(ours, model="a.two")) == ("3.4", "17", "1")


def test_a_price_stands_in_the_place_of_the_lists() -> None:
    ours = _under("a.one,input,,3.5,,")
    assert (price(ours), price(ours, "output")) == ("3.5", "20")


def test_an_agreement_holds_for_its_time_only() -> None:
    ours = _under("a.one,input,50,,2026-01-01,2026-07-01")
    at = ("2025-12-31", "2026-01-01", "2026-06-30T23:59:59Z", "2026-07-01")
    assert [price(ours, at=moment) for moment in at] == ["4", "2", "2", "4"]


def test_the_most_particular_line_decides() -> None:
    ours = _under(",,10,,,", "a.one,,20,,,", "a.one,output,,1,,")
    assert (price(ours, model="a.two"), price(ours), price(ours, "output")) == ("0.9", "3.2", "1")


def test_a_cost_has_both_the_lists_amount_and_the_agreed_one() -> None:
    ours = shipped_book().under("vendor,percent,approver,note\nanthropic,12.5,Kim,private pricing of 2026\n", "c.csv")
    facts = Facts(requested_model="us.anthropic.claude-sonnet-4-5-20250929-v1:0", region="us-east-1", input_tokens=1000, output_tokens=100)
    cost = cost_of(facts, ours, datetime(2026, 11, 25, tzinfo=UTC))
    # By hand: 1000*3.30 + 100*16.50 = 4950 millionths by the list; less an eighth, 4950 - 618.75 = 4331.25.
    assert (cost.list_pico, cost.total_pico, cost.total_usd, cost.status) == (4_950_000_000, 4_331_250_000, "0.00433125", "final")
    assert [component.priced.agreement.note for component in cost.components if component.priced and component.priced.agreement] == [
        "private pricing of 2026"
    ] * 2
    assert ours.book_id != shipped_book().book_id


def test_a_discount_that_no_decimal_can_show_is_exact_until_the_component() -> None:
    ours = _under("a.one,input,33.333333333333,,,")
    facts = Facts(requested_model="a.one", region="us-east-1", input_tokens=3, output_tokens=0)
    # By hand: 4 less 33.333333333333 % is 2.66666666666668 per million; of 3 tokens 8,000,000.00000004 pico-dollars.
    assert cost_of(facts, ours, datetime(2026, 11, 25, tzinfo=UTC)).total_pico == 8_000_000


def test_a_contract_names_models_as_applications_do_if_the_book_knows_the_name() -> None:
    ours = shipped_book().under("model,kind,usd\nanthropic.claude-opus-4-5,input,1\n", "c.csv")
    at = datetime(2026, 11, 25, tzinfo=UTC)
    facts = Facts(requested_model="us.anthropic.claude-opus-4-5-20251101-v1:0", region="us-east-1", input_tokens=1_000_000, output_tokens=0)
    assert cost_of(facts, ours, at).total_usd == "1"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("a.none,,10,,,", "c.csv:2: model: 'a.none' is not in the price book"),
        ("us.a.one,,10,,,", "c.csv:2: model: 'us.a.one' is not a model's plain id"),
        ("a.one,,,,,", "one of percent and usd must be given"),
        ("a.one,input,10,1,,", "one of percent and usd must be given"),
        ("a.one,,101,,,", "percent: '101' is no discount from 0 to 100"),
        ("a.one,,-5,,,", "percent: '-5' is no discount from 0 to 100"),
        ("a.one,,,3,,", "kind: is missing: a price replaces that of one kind"),
        ("a.one,,10,,2026-01-01,2025-01-01", "effective_to: is not after effective_from"),
        ("a.one,,10,,,\na.one,,20,,,", "c.csv:3: effective_from: overlaps line 2 (... to ...) about the same prices"),
    ],
)
def test_a_contract_that_cannot_be_meant_is_refused_with_its_line(line: str, told: str) -> None:
    with pytest.raises(BookMistaken) as caught:
        _under(line)
    assert told in str(caught.value)


def test_a_misspelt_column_is_not_taken_for_any() -> None:
    with pytest.raises(BookMistaken, match="modell: is no column"):
        LIST.under("modell,percent\na.one,10\n", "c.csv")


def test_an_alias_of_a_contract_must_lead_somewhere() -> None:
    with pytest.raises(BookMistaken, match=r"c\.yaml:1: aliases: 'a\.none' is not in the price book"):
        LIST.under("aliases: {ours: a.none}", "c.yaml")


def test_every_part_of_the_key_can_be_agreed_upon() -> None:
    assert {"vendor", "model", "region", "endpoint", "scope", "tier", "kind"} <= set(CONTRACT_COLUMNS)
    ours = LIST.under("contract:\n- {region: us-east-1, scope: regional, tier: default, endpoint: any, percent: 50}\n", "c.yaml")
    assert price(ours) == "2"
