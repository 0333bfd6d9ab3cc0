from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pricing.mistakes import BookMistaken
from streamgauge.pricing.table_file import Row, read_table


def _rows(text: str, file: str) -> list[Row]:
    return read_table(text, file, "price book").rows


CSV = 'model,usd,source\n\n# a remark\na.b,3.30,"x, y"\nc.d,0.5,z\n'
YAML = "prices:\n- model: a.b\n  usd: 3.30\n  source: 'x, y'\n- {model: c.d, usd: 0.5, source: z}\n"
JSON = '[{"model": "a.b", "usd": 3.30, "source": "x, y"},\n {"model": "c.d", "usd": 0.5, "source": "z"}]'
LINES = '{"model": "a.b", "usd": 3.30, "source": "x, y"}\n\n{"model": "c.d", "usd": 0.5, "source": "z"}\n'


@pytest.mark.parametrize(
    ("text", "file", "lines"),
    [
        (CSV, "b.csv", (4, 5)),
        (CSV, "b", (4, 5)),
        (YAML, "b.yaml", (2, 5)),
        (YAML, "b", (2, 5)),
        (JSON, "b.json", (1, 2)),
        (JSON, "b", (1, 2)),
        (LINES, "b.jsonl", (1, 3)),
        (LINES, "b", (1, 3)),
    ],
)
def test_each_format_gives_the_same_rows_with_their_lines(text: str, file: str, lines: tuple[int, int]) -> None:
    first, second = _rows(text, file)
    assert (first, second) == (
        (lines[0], {"model": "a.b", "usd": "3.30", "source": "x, y"}),
        (lines[1], {"model": "c.d", "usd": "0.5", "source": "z"}),
    )


def test_a_number_stays_as_it_is_written() -> None:
    assert _rows("- {usd: 0.1000000000000000055511151231257827, from: 2026-01-01, none: null}", "b.yaml")[0][1] == {
        "usd": "0.1000000000000000055511151231257827",
        "from": "2026-01-01",
        "none": "",
    }


def test_parts_of_a_cell_have_dotted_names() -> None:
    assert _rows("- {model: a, source: {offer: x, sku: y}, region: [us-east-1, us-west-2]}", "b.yaml")[0][1] == {
        "model": "a",
        "source.offer": "x",
        "source.sku": "y",
        "region": "us-east-1 us-west-2",
    }


def test_names_of_models_may_stand_beside_the_rows() -> None:
    table = read_table("aliases:\n  team-x: a.b\nprices:\n- {model: a.b}\n", "b.yaml", "price book")
    assert (table.aliases, len(table.rows)) == ([(2, "team-x", "a.b")], 1)


@pytest.mark.parametrize(
    ("text", "file", "told"),
    [
        ("model,usd\na.b,1,2\n", "b.csv", "b.csv:2: 3 cells under 2 columns"),
        ("model,usd,usd\n", "b.csv", "b.csv:1: usd: is a column twice"),
        ('model,usd\na,"1\n', "b.csv", "is no CSV"),
        ("", "b.csv", "b.csv:1: has no rows"),
        ("- {model: a\n", "b.yaml", "is no YAML or JSON"),
        ("- model: a\n  model: b\n", "b.yaml", "b.yaml:1: model: is given twice"),
        ("- 5\n", "b.yaml", "b.yaml:1: is no row of names and values"),
        ("hello\n", "b.yaml", "b.yaml:1: is neither a list of rows nor a table"),
        ("- {model: {a: {b: c}}}\n", "b.yaml", "is a table within a table"),
        ('{"model": "a"}\n{"model": \n', "b.jsonl", "b.jsonl:2: is no YAML or JSON"),
        ("- &a [*a]\n", "b.yaml", "b.yaml:1"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: str, file: str, told: str) -> None:
    with pytest.raises(BookMistaken) as caught:
        _rows(text, file)
    assert told in str(caught.value)


@given(st.text(max_size=300), st.sampled_from(["b.csv", "b.yaml", "b.jsonl", "b"]))
def test_no_text_does_worse_than_a_mistake(text: str, file: str) -> None:
    with contextlib.suppress(BookMistaken):
        read_table(text, file, "price book")
