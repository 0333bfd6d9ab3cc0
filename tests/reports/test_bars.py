from __future__ import annotations

from streamgauge.reports.bars import ASCII, UNICODE, bar, ink, span


def test_a_bar_is_proportional_to_an_eighth_of_a_cell() -> None:
    assert bar(5, 10, 10) == "█████"
    assert bar(1, 16, 10) == "▋"
    assert bar(10, 10, 10) == "█" * 10


def test_something_is_always_seen_and_nothing_never() -> None:
    assert bar(1, 1_000_000, 10) == "▏"
    assert bar(1, 1_000_000, 10, ASCII) == "#"
    assert bar(0, 10, 10) == ""
    assert bar(1, 0, 10) == ""


def test_a_span_lies_where_its_time_lies() -> None:
    assert span(0, 5, 10, 10) == "█████     "
    assert span(5, 10, 10, 10) == "     █████"
    assert span(0, 10, 10, 10, ASCII) == "##########"


def test_what_was_short_is_a_hair_line() -> None:
    assert span(5, 5.01, 10, 10) == "     ▏    "
    assert span(10, 10, 10, 10, ASCII) == "         ."


def test_an_axis_of_no_length_is_blank() -> None:
    assert span(0, 1, 0, 4) == "    "


def test_an_output_that_knows_no_blocks_gets_plain_signs() -> None:
    assert ink("utf-8") is UNICODE
    assert ink("UTF8") is UNICODE
    assert ink("ascii") is ASCII
    assert ink(None) is ASCII
