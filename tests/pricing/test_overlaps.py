from __future__ import annotations

import pytest

from streamgauge.pricing.mistakes import BookMistaken
from streamgauge.pricing.overlaps import gaps, overlaps
from tests.pricing.books import book


def test_times_that_touch_do_not_overlap() -> None:
    ours = book("a.one,us-east-1,,,,input,1,,2026-02-01", "a.one,us-east-1,,,,input,2,2026-02-01")
    assert overlaps("b.csv", ours.rates) == []
    assert gaps("b.csv", ours.rates) == []


@pytest.mark.parametrize(
    "second",
    [
        "a.one,us-east-1,,,,input,2",
        "a.one,us-east-1,,,,input,1",
        "a.one,us-east-1,,,,input,2,2026-01-31T23:59:59.999999Z",
        "a.one,eu-west-1 us-east-1,,,,input,2,2026-01-15,2026-01-16",
    ],
)
def test_two_prices_at_one_time_are_a_mistake(second: str) -> None:
    with pytest.raises(BookMistaken, match=r"b\.csv:[23]: effective_from: overlaps line [23]"):
        book("a.one,us-east-1,,,,input,1,2026-01-01,2026-02-01", second)


def test_a_price_inside_a_longer_one_is_found_behind_a_shorter_one() -> None:
    with pytest.raises(BookMistaken) as caught:
        book(
            "a.one,us-east-1,,,,input,1,2026-01-01,2026-12-01",
            "a.one,us-east-1,,,,input,2,2026-02-01,2026-03-01",
            "a.one,us-east-1,,,,input,3,2026-04-01",
        )
    assert "b.csv:4: effective_from: overlaps line 2" in str(caught.value)


@pytest.mark.parametrize(
    "other",
    [
        "a.two,us-east-1,,,,input,1",
        "a.one,us-east-1,global,,,input,1",
        "a.one,us-east-1,,flex,,input,1",
        "a.one,us-east-1,,,5,input,1",
        "a.one,us-west-2,,,,input,1",
    ],
)
def test_prices_of_other_keys_do_not_overlap(other: str) -> None:
    assert len(book("a.one,us-east-1,,,,input,1", other).rates) == 2


def test_a_time_without_a_price_between_two_is_a_gap_unless_it_is_meant() -> None:
    ours = book("a.one,us-east-1,,,,input,1,,2026-02-01", "a.one,us-east-1,,,,input,2,2026-03-01")
    assert [str(gap) for gap in gaps("b.csv", ours.rates)] == [
        "b.csv:3: effective_from: no price of a.one input in us-east-1 from 2026-02-01 to 2026-03-01 (line 2); write a row with usd withdrawn"
    ]
    meant = book(
        "a.one,us-east-1,,,,input,1,,2026-02-01",
        "a.one,us-east-1,,,,input,withdrawn,2026-02-01,2026-03-01",
        "a.one,us-east-1,,,,input,2,2026-03-01",
    )
    assert gaps("b.csv", meant.rates) == []
