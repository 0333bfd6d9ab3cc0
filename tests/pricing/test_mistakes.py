from __future__ import annotations

from streamgauge.pricing.mistakes import SHOWN, BookMistaken, Mistake


def test_all_mistakes_are_told_at_once_in_the_order_of_lines() -> None:
    error = BookMistaken("price book b.csv", [Mistake("b.csv", 9, "usd", "is missing"), Mistake("b.csv", 2, "", "is no row")])
    assert str(error) == "2 mistake(s) in the price book b.csv:\n  b.csv:2: is no row\n  b.csv:9: usd: is missing"
    assert error.exit_code == 2


def test_a_file_of_another_kind_does_not_fill_the_screen() -> None:
    error = BookMistaken("price book b.csv", [Mistake("b.csv", line, "", "is no row") for line in range(1, 1_000)])
    assert str(error).count("\n") == SHOWN + 1
    assert str(error).endswith(f"... and {999 - SHOWN} more")
