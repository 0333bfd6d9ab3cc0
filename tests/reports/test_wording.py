from __future__ import annotations

import pytest

from streamgauge.reports.wording import duration, listing, moment, percent, plural


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.00031, "310 µs"),
        (0.0412, "41.2 ms"),
        (0.00999, "9.99 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (4.209, "4.21 s"),
        (42.04, "42.0 s"),
        (59.96, "1 min 00 s"),
        (125.2, "2 min 05 s"),
        (11_220, "3 h 07 min"),
    ],
)
def test_a_duration_has_three_digits_and_the_unit_that_fits(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("part", "words"), [(0, "0 %"), (0.04, "<0.1 %"), (1.25, "1.2 %"), (78.4, "78 %"), (95.6, "95.6 %"), (99.97, "99.9 %"), (100, "100 %")]
)
def test_a_share_is_never_nothing_for_something_nor_all_for_most(part: float, words: str) -> None:
    assert percent(part, 100) == words


def test_a_share_of_nothing_is_nothing() -> None:
    assert percent(1, 0) == "0 %"


def test_a_moment_is_short_and_absent_is_a_dash() -> None:
    assert moment("2026-11-25T05:09:00.123456Z") == "2026-11-25 05:09:00"
    assert moment("2026-11-25T05:09:00.123456Z", milliseconds=True) == "2026-11-25 05:09:00.123"
    assert moment(None) == "-"


def test_counts_and_lists_read_like_language() -> None:
    assert plural(1, "exchange") == "1 exchange"
    assert plural(5000, "exchange") == "5,000 exchanges"
    assert listing(["a"]) == "a"
    assert listing(["a", "b", "c"]) == "a, b and c"
