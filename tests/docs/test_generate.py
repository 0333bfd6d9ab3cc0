from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
GENERATE = runpy.run_path(str(DOCS / "generate.py"))


@pytest.mark.parametrize("name", GENERATE["PAGES"])
def test_a_generated_page_is_what_the_code_says(name: str) -> None:
    expected = GENERATE["PAGES"][name]()
    assert (DOCS / name).read_text(encoding="utf-8") == expected, "run `python docs/generate.py`"
