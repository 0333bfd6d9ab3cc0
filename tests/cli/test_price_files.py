from __future__ import annotations

from pathlib import Path

import pytest

from streamgauge.cli import price_files
from streamgauge.cli.price_files import open_book, other_tables
from streamgauge.errors import UsageError
from streamgauge.pricing.shipped import shipped_book

OWN = "model,region,kind,usd\nanthropic.claude-opus-4-6-v1,us-east-1,input,1\n"


def test_without_a_file_the_shipped_book_is_meant() -> None:
    assert open_book(None) is shipped_book()


def test_a_book_of_ones_own_knows_the_shipped_names_of_models(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(OWN, encoding="utf-8")
    book = open_book(tmp_path / "own.csv")
    assert book.canonical("claude-opus-4-6") == "anthropic.claude-opus-4-6-v1"
    assert book.book_id.startswith("own-")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the price book .*none\.csv cannot be read \(No such file"):
        open_book(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="is no text in UTF-8"):
        open_book(tmp_path / "b.csv")
    with pytest.raises(UsageError, match=r"the contract .* cannot be read"):
        open_book(None, tmp_path)


def test_a_file_named_by_mistake_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price_files, "MAX_FILE_BYTES", 10)
    (tmp_path / "own.csv").write_text(OWN, encoding="utf-8")
    with pytest.raises(UsageError, match="is larger than"):
        open_book(tmp_path / "own.csv")


def test_litellms_table_is_found_where_it_is_installed() -> None:
    pytest.importorskip("importlib.metadata").version("litellm")
    tables = other_tables()
    (said,) = (said for name, said in tables.items() if name.startswith("litellm "))
    assert len(said) > 1_000


def test_a_table_in_another_form_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[object]:
        raise KeyError("providers")

    monkeypatch.setattr(price_files, "_litellm", broken)
    assert not any(name.startswith("litellm") for name in other_tables())
