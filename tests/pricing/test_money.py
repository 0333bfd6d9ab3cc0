from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pricing.money import PRICE, amount, discounted, pico_per_unit, price_text, usd_text


@pytest.mark.parametrize(
    ("pico", "text"),
    [(0, "0"), (1, "0.000000000001"), (10**12, "1"), (12 * 10**11, "1.2"), (10_791_000_000, "0.010791"), (-5 * 10**11, "-0.5")],
)
def test_an_amount_is_written_with_every_digit_and_no_exponent(pico: int, text: str) -> None:
    assert usd_text(pico) == text


@given(st.integers(min_value=-(10**24), max_value=10**24))
def test_what_is_written_is_the_amount(pico: int) -> None:
    assert Fraction(Decimal(usd_text(pico))) == Fraction(pico, 10**12)


@given(st.decimals(min_value=0, max_value=1000, places=6, allow_nan=False), st.integers(min_value=0, max_value=10**9))
def test_a_price_of_six_decimals_a_million_is_never_rounded(usd: Decimal, quantity: int) -> None:
    assert amount(quantity, pico_per_unit(f"{usd:f}", 1_000_000)) == Fraction(usd) * 1_000_000 * quantity


def test_a_finer_price_is_rounded_once_half_up() -> None:
    third = discounted(pico_per_unit("0.000001", 1_000_000), "50")
    assert third == Fraction(1, 2)
    assert [amount(quantity, third) for quantity in (1, 2, 3, 1001)] == [1, 1, 2, 501]


@pytest.mark.parametrize("text", ["-1", "1e3", "1,000", "", ".5", "1.", "nan", "1.0000000000001", "٣"])
def test_what_is_no_plain_decimal_is_no_price(text: str) -> None:
    assert PRICE.fullmatch(text) is None


def test_a_price_is_written_for_its_unit() -> None:
    assert price_text(pico_per_unit("3.30", 1_000_000), 1_000_000) == "3.3"
    assert price_text(discounted(pico_per_unit("1", 1), "33.333333333333"), 1) == "0.666666666667"
