"""The shipped factors are what the pairs give, and as good as the documentation says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streamgauge.estimate.factors import Line
from tests.estimate.fit import PAIRS, RESULT, Point, errors, fit, held_out, result, saved_form

SHIPPED: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8"))


def test_fitting_again_gives_the_shipped_file() -> None:
    assert saved_form(result()) == RESULT.read_text(encoding="utf-8")


def test_there_are_as_many_pairs_as_the_source_has() -> None:
    assert len(PAIRS.read_text(encoding="utf-8").splitlines()) == 70


@pytest.mark.parametrize("name", SHIPPED["families"])
def test_half_of_all_unseen_texts_are_estimated_within_five_percent_and_their_sum_within_fifteen(name: str) -> None:
    of_tokenizer = SHIPPED["families"][name]["tokenizer"]["held_out"]
    assert of_tokenizer["median"] <= 0.05
    assert abs(of_tokenizer["total"]) <= 0.15


@pytest.mark.parametrize("name", SHIPPED["families"])
def test_counting_is_better_than_guessing_from_the_size(name: str) -> None:
    measures = SHIPPED["families"][name]
    assert measures["tokenizer"]["held_out"]["p90"] < measures["characters"]["held_out"]["p90"]


def test_a_line_is_found_whatever_one_odd_pair_says() -> None:
    points = [Point(size, 3 + 2 * size, f"s{size}") for size in range(1, 20)] + [Point(10, 900, "odd")]
    assert fit(points) == Line(2.0, 3.0)


def test_an_error_is_that_of_pairs_the_line_has_not_seen() -> None:
    points = [Point(size, 2 * size, f"s{size}") for size in range(1, 21)]
    assert held_out(points) == {"median": 0.0, "p90": 0.0, "total": 0.0}


def test_errors_are_relative_to_the_truth() -> None:
    assert errors([(90, 100), (100, 100), (150, 100)]) == {"median": 0.1, "p90": 0.5, "total": 0.133}
