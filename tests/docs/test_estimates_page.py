"""The page about estimates shows the saved fit, whatever it says."""

from __future__ import annotations

from tests.docs.estimates_page import page, saved

MARKS = "before\n<!-- fit -->\nold\n<!-- /fit -->\nbetween\n<!-- prompts -->\nold\n<!-- /prompts -->\nafter\n"


def test_every_family_has_a_line_for_each_way_to_estimate_it() -> None:
    text = page(MARKS, saved())
    assert "old" not in text
    for name in ("Claude before 4.7", "Claude from 4.7", "Nova", "other"):
        assert text.count(f"| {name} | ") == 2
    assert text.startswith("before\n")
    assert text.endswith("after\n")


def test_figures_are_those_of_the_fit() -> None:
    off = {"median": 0.041, "p90": 0.2, "total": -0.125}
    line = {"slope": 1.5, "constant": 2.0, "held_out": off}
    fit = {
        "families": {"nova": {"pairs": 11, "tokenizer": line, "characters": line}},
        "prompts": {"tokenizer": {"pairs": [[10, 12]]}, "characters": {"pairs": [[14, 12]]}},
    }
    text = page(MARKS, fit)
    assert "| Nova | 11 | text | 1.50 \u00d7 count + 2.0 | 4 % | 20 % | \u221212 % |" in text
    assert "| 12 | 10 | 14 |" in text
