"""The commented file says of every key what it means, and ships with the package."""

from __future__ import annotations

from pathlib import Path

from streamgauge.config.keys import every_key, tables
from streamgauge.config.sample import descriptions, text

WRITTEN = Path(__file__).parents[2] / "config" / "streamgauge.yaml"


def test_the_package_has_the_file_that_is_written_by_hand() -> None:
    assert text() == WRITTEN.read_text(encoding="utf-8")


def test_every_key_and_every_table_has_a_comment_of_its_own() -> None:
    told = descriptions(text())
    names = [key.name for key in every_key()] + [name for name, _ in tables() if name]
    assert [name for name in names if not told.get(name)] == []
    assert set(told) == set(names)


def test_a_comment_belongs_to_the_key_directly_below_it() -> None:
    sample = "# head\n\n# one\n#   example: 1\na: 1\nb:\n  # two\n  c: [x]\n# three\nd:\n  - x\n"
    assert descriptions(sample) == {"a": "one\n  example: 1", "b": "", "b.c": "two", "d": "three"}
