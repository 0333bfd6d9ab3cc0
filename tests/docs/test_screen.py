from __future__ import annotations

import pytest

from tests.docs.screen import LEFT_OUT, README, ROWS, cut, forms, played, shown


def test_the_screen_at_the_top_of_the_readme_has_the_form_of_what_the_demo_writes() -> None:
    page = shown(README.read_text(encoding="utf-8"))
    assert set(forms(page)) == set(forms(cut(played("--seconds", "2")))), "run `python -m tests.docs.screen`"
    assert len(page) <= 26  # the first screen of a page


def test_what_a_run_differs_in_is_no_difference_of_form_and_all_else_is() -> None:
    row = "13:57:38 nova-lite  ConverseStream     completed    0.109   4.9  0.69 1,313  120"
    assert forms([row]) == forms(["09:00:00 haiku-4-5  Converse           throttled        -     -  0.00     -    -"])
    assert forms([row]) != forms([row + " 7"])
    bar = "upload (reader)              85 µs   <0.1 % │▏                                │"
    assert forms([bar]) == forms(["generation                  831 ms     49 % │                █████████████████│"])
    assert forms([bar]) != forms([bar[1:]])
    assert forms(["ended    model"]) != forms(["time     model"])


def test_a_page_without_the_marks_is_told() -> None:
    with pytest.raises(AssertionError, match="no screen between its marks"):
        shown("# streamgauge\n")


def test_the_cut_keeps_a_failure_among_its_rows() -> None:
    rows = [f"13:57:0{i} nova-lite Converse {'throttled' if i == 7 else 'completed'} - - 1.0 1 1" for i in range(9)]
    lines = [
        "boto3  ->  streamgauge",
        "ended    model",
        *rows,
        "",
        "The call that waited longest",
        "   0      1.70 s",
        "upload │▏│",
        "",
        "all of it",
    ]
    kept = cut([*lines, ""])
    assert [line for line in kept if line in rows] == rows[7 - ROWS + 1 : 8]
    assert kept[kept.index(LEFT_OUT) + 1 :] == ["The call that waited longest", "   0      1.70 s", "upload │▏│", "", "all of it"]
