from __future__ import annotations

from streamgauge.pricing.difference import differences
from tests.pricing.books import book


def test_equal_books_do_not_differ_however_their_prices_are_written() -> None:
    assert list(differences(book("a.one,us-east-1,,,,input,3.30"), book("a.one,us-east-1,regional,standard,0,input,3.3"))) == []


def test_each_change_is_told_with_its_key_and_share() -> None:
    before = book("a.one,us-east-1,,,,input,4", "a.one,us-east-1,,,,output,8", "a.two,us-east-1,,,,input,1", "a.four,us-east-1,,,,input,1")
    after = book(
        "a.one,us-east-1,,,,input,3",
        "a.one,us-east-1,,,,output,8",
        "a.three,us-east-1,,,,input,2",
        "a.four,us-east-1,,,,input,1,,2027-01-01",
    )
    found = {(one.rate.model, one.change): (one.before, one.after, one.percent) for one in differences(before, after)}
    assert found == {
        ("a.one", "changed"): ("4", "3", -25.0),
        ("a.two", "removed"): ("1", None, None),
        ("a.three", "added"): (None, "2", None),
        ("a.four", "dated"): ("until ...", "until 2027-01-01", None),
    }


def test_a_withdrawal_is_a_change() -> None:
    (one,) = differences(book("a.one,us-east-1,,,,input,4"), book("a.one,us-east-1,,,,input,withdrawn"))
    assert (one.change, one.before, one.after, one.percent) == ("changed", "4", "withdrawn", None)


def test_a_region_more_is_one_price_more() -> None:
    found = list(differences(book("a.one,us-east-1,,,,input,4"), book("a.one,us-east-1 us-west-2,,,,input,4")))
    assert [(one.change, one.region) for one in found] == [("added", "us-west-2")]
