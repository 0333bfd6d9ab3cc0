"""A table of texts and its layout in plain lines, for any width. Pure.

Where the columns fit beside one another they do; where they do not, the key columns (what a row is about) move to a line of their own above the
figures, and their headings above the others. Nothing is ever cut off except where a column allows it.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Literal

Style = Literal["title", "heading", "rule", "key", "row", "note", "blank"]


@dataclass(frozen=True, slots=True)
class Column:
    """``over`` is a heading shared with its neighbours. ``key``: says what the row is about. ``cut``: on a narrow screen so many characters do."""

    heading: str
    right: bool = False
    over: str = ""
    key: bool = False
    cut: int = 0


@dataclass(slots=True)
class Table:
    """``notes`` stand below the rows."""

    columns: list[Column]
    rows: list[list[str]]
    title: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text and what it is, so that a terminal can colour it."""

    text: str
    style: Style = "row"


def lines(table: Table, width: int | None = None, rule: str = "─") -> list[Line]:
    """The table in lines of at most ``width`` columns if that is possible at all; ``None`` is as wide as it wants, with no rule."""
    laid = _beside(table, 2) if width is None else _fitting(table, width, rule)
    title = [Line(table.title, "title")] if table.title else []
    return [*title, *laid, *(line for note in table.notes for line in _wrapped(note, width, "note"))]


def _fitting(table: Table, width: int, rule: str) -> list[Line]:
    keys = [i for i, column in enumerate(table.columns) if column.key]
    for gap in (2, 1):
        laid = _beside(table, gap, rule)
        if _width(laid) <= width:
            return laid
        if gap == 2 and keys and _width(_beside(_shortened(_only(table, keys, keep=False)), 2)) + 2 <= width:
            break  # key lines with room between figures read better than one crammed line
    return _stacked(table, keys, width, rule) if keys else _beside(table, 1, rule)


def _stacked(table: Table, keys: list[int], width: int, rule: str) -> list[Line]:
    body = _shortened(_only(table, keys, keep=False))
    laid = next((found for gap in (2, 1) if _width(found := _beside(body, gap, rule)) + 2 <= width), _beside(body, 1, rule))
    above = len(laid) - len(body.rows)
    out = _wrapped("  ".join(table.columns[i].heading for i in keys), width, "heading")
    out += [Line("  " + line.text, line.style) for line in laid[:above]]
    before = None
    for row, line in zip(table.rows, laid[above:], strict=True):
        key = "  ".join(_cut(row[i], table.columns[i].cut) for i in keys)
        if key != before:
            out += _wrapped(key, width, "key")
        before = key
        out.append(Line("  " + line.text))
    return out


def _beside(table: Table, gap: int, rule: str = "") -> list[Line]:
    columns = table.columns
    widths = [max([len(c.heading), *(len(row[i]) for row in table.rows)]) for i, c in enumerate(columns)]
    gaps = [0 if i == 0 else gap + (c.over != columns[i - 1].over) for i, c in enumerate(columns)]
    _make_room(columns, widths, gaps)
    out = []
    if any(column.over for column in columns):
        out.append(Line(_overs(columns, widths, gaps), "heading"))
    out.append(Line(_joined([c.heading for c in columns], columns, widths, gaps), "heading"))
    if rule:
        out.append(Line(rule * (sum(widths) + sum(gaps)), "rule"))
    return out + [Line(_joined(row, columns, widths, gaps)) for row in table.rows]


def _runs(columns: list[Column]) -> list[tuple[int, int]]:
    """(first, one past the last) of neighbours with the same ``over``."""
    starts = [i for i, c in enumerate(columns) if i == 0 or c.over != columns[i - 1].over or not c.over]
    return list(zip(starts, [*starts[1:], len(columns)], strict=True))


def _make_room(columns: list[Column], widths: list[int], gaps: list[int]) -> None:
    for first, past in _runs(columns):
        missing = len(columns[first].over) - sum(widths[first:past]) - sum(gaps[first + 1 : past])
        widths[first] += max(0, missing)


def _overs(columns: list[Column], widths: list[int], gaps: list[int]) -> str:
    text = ""
    for first, past in _runs(columns):
        room = sum(widths[first:past]) + sum(gaps[first + 1 : past])
        text += " " * gaps[first] + columns[first].over.rjust(room)
    return text.rstrip()


def _joined(cells: list[str], columns: list[Column], widths: list[int], gaps: list[int]) -> str:
    text = ""
    for cell, column, width, gap in zip(cells, columns, widths, gaps, strict=True):
        text += " " * gap + (cell.rjust(width) if column.right else cell.ljust(width))
    return text.rstrip()


def _only(table: Table, chosen: list[int], *, keep: bool) -> Table:
    indexes = [i for i in range(len(table.columns)) if (i in chosen) is keep]
    return Table([table.columns[i] for i in indexes], [[row[i] for i in indexes] for row in table.rows])


def _shortened(table: Table) -> Table:
    rows = [[_cut(cell, column.cut) for cell, column in zip(row, table.columns, strict=True)] for row in table.rows]
    return Table(table.columns, rows)


def _width(laid: list[Line]) -> int:
    return max(len(line.text) for line in laid)


def _cut(text: str, length: int) -> str:
    return text[:length] if length else text


def _wrapped(text: str, width: int | None, style: Style) -> list[Line]:
    if width is None or len(text) <= width:
        return [Line(text, style)]
    folded = textwrap.wrap(text, width, subsequent_indent="  ", break_long_words=True, break_on_hyphens=False)
    return [Line(part, style) for part in folded]


def markdown(table: Table) -> list[str]:
    """The table as GitHub-flavoured Markdown."""
    heads = [_flat(column) for column in table.columns]
    out = [f"### {table.title}", ""] if table.title else []
    out.append("| " + " | ".join(heads) + " |")
    out.append("|" + "|".join("---:" if c.right else "---" for c in table.columns) + "|")
    out += ["| " + " | ".join(cell.strip().replace("|", "\\|") for cell in row) + " |" for row in table.rows]
    return [*out, *([""] if table.notes else []), *(f"- {note}" for note in table.notes)]


def _flat(column: Column) -> str:
    """Both headings in one: ``TTFT, s`` over ``p50`` is ``TTFT p50, s``."""
    name, comma, unit = column.over.partition(", ")
    told = f"{name} {column.heading}".strip()
    return f"{told}, {unit}" if comma and column.heading != "n" else told
