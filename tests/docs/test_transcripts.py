from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.transcripts import PAGES, ROOT, ledger, played


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_is_what_the_commands_write(page: str, tmp_path: Path) -> None:
    ledger(tmp_path)
    text = (ROOT / page).read_text(encoding="utf-8")
    assert played(text, tmp_path) == text, "run `python -m tests.docs.transcripts`"
