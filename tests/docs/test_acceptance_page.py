from __future__ import annotations

from typing import Any

from tests.docs.acceptance_page import COMMAND, page


def piece(name: str, **known: Any) -> dict[str, Any]:
    return {"name": name, "command": f"make {name}", "date": None, "seconds": None, "result": "not run", "commit": None} | known


RESULTS = {
    "system": "Linux",
    "tree": "abc",
    "pieces": [
        piece("check", date="2026-01-02", seconds=59, result="passed", commit="1234567"),
        piece("bench", date="2026-01-03", seconds=1800, result="exit 1", commit="1234567"),
        piece("soak"),
    ],
}


def test_without_results_the_page_says_how_to_make_them() -> None:
    text = page(None)
    assert COMMAND in text
    assert "No results" in text


def test_each_piece_stands_there_with_command_date_duration_result_and_commit() -> None:
    text = page(RESULTS)
    assert "| check | `make check` | passed | 2026-01-02 | 59 s | 1234567 |" in text
    assert "| bench | `make bench` | **exit 1** | 2026-01-03 | 30 min | 1234567 |" in text
    assert "| soak | `make soak` | **not run** |  |  |  |" in text


def test_what_did_not_pass_is_not_counted_as_passed() -> None:
    assert "1 of 3 pieces passed" in page(RESULTS)
