from __future__ import annotations

from typing import Any

from tests.docs.callers_page import COMMAND, page, saved
from tests.e2e.matrix.callers import CALLERS
from tests.e2e.matrix.cells import CELLS, REFUSALS


def everything() -> dict[str, Any]:
    return {
        "date": "2026-01-02",
        "python": "3.11.9",
        "versions": {"ours": {"boto3": "1.2.3"}, "agents": {"boto3": "1.2.3"}, "node": {"ai": "7.0.0"}},
        "cells": {name: cell.expected() for name, cell in CELLS.items()},
    }


def test_without_results_the_page_says_how_to_make_them() -> None:
    text = page(None)
    assert COMMAND in text
    assert "No results" in text


def test_a_caller_has_a_line_for_each_way_to_prove_who_it_is() -> None:
    text = page(everything())
    auto, passthrough, resign = text.split("## With ")[1:]
    assert "| boto3 | Converse, ConverseStream | AWS credentials | re-signed | re-signed | kept | kept |" in auto
    assert "| boto3 | Converse, ConverseStream | AWS credentials | no (1) | no (1) | kept | kept |" in passthrough
    assert "| anthropic.Anthropic | Messages | API key | re-signed | re-signed | re-signed | re-signed |" in resign
    assert "| boto3 | 1.2.3 |" in text


def test_every_reason_stands_below_the_table() -> None:
    text = page(everything())
    used = {cell.refusal() for cell in CELLS.values()} - {None}
    assert used == set(REFUSALS)
    assert [REFUSALS[name].reason in text for name in REFUSALS] == [True] * len(REFUSALS)


def test_a_cell_that_was_not_run_is_not_shown_as_working() -> None:
    results = everything()
    results["cells"] = {name: result for name, result in results["cells"].items() if not name.startswith("openai chat")}
    assert "| openai.OpenAI | ChatCompletions | API key | not run | not run | not run | not run |" in page(results)


def test_every_caller_has_its_variable() -> None:
    text = page(None)
    for caller in CALLERS.values():
        assert f"`{caller.variable}=http://127.0.0.1:8787{caller.path}`" in text


def test_the_published_results_are_those_of_the_test_as_it_is() -> None:
    results = saved()
    assert results is not None
    assert {name: CELLS[name].expected() for name in results["cells"]} == results["cells"]
    assert set(results["cells"]) == set(CELLS)
