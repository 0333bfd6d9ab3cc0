"""The text of a price file (CSV, YAML, JSON, JSON lines) to rows of texts with their lines; numbers stay as they are written.

Knows: the formats. Must not know: which columns there are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Literal

import yaml

from streamgauge.pricing.mistakes import BookMistaken, Mistake

Format = Literal["csv", "yaml", "jsonl"]

MAX_ROWS = 200_000
"""AWS's whole list has some thousands of prices for each service; what is larger was named by mistake."""

ROWS_KEYS = ("prices", "rates", "rows", "contract")
"""Under which of these a file with other keys beside it keeps its rows."""

ALIASES_KEY = "aliases"

ASSUME_KEY = "assume"

Row = tuple[int, dict[str, str]]
"""(line, cells)."""


class Table:
    """``rows`` of a file, and if it has any its ``aliases`` (name to model, each with its line) and the rows under ``assume``."""

    __slots__ = ("aliases", "assumed", "rows")

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.aliases: list[tuple[int, str, str]] = []
        self.assumed: list[Row] = []


def read_table(text: str, file: str, what: str) -> Table:
    """The rows of ``text``. ``file`` names it and by its ending tells the format, else the content does. Raises ``BookMistaken``."""
    mistakes: list[Mistake] = []
    table = Table()
    read = {"csv": _csv, "yaml": _yaml, "jsonl": _jsonl}[_format(text, file)]
    read(text, file, table, mistakes)
    if len(table.rows) > MAX_ROWS:
        mistakes.append(Mistake(file, 1, "", f"{len(table.rows):,} rows; more than {MAX_ROWS:,} are not read"))
    if not (table.rows or table.aliases or table.assumed or mistakes):
        mistakes.append(Mistake(file, 1, "", "has no rows"))
    if mistakes:
        raise BookMistaken(f"{what} {file}", mistakes)
    return table


def _format(text: str, file: str) -> Format:
    ending = file.rpartition(".")[2].lower()
    if ending in ("csv", "tsv"):
        return "csv"
    if ending in ("yaml", "yml", "json"):
        return "yaml"
    if ending in ("jsonl", "ndjson"):
        return "jsonl"
    first = text.lstrip()[:200].partition("\n")[0]
    if first.startswith("{") and first.rstrip().endswith("}"):
        return "jsonl"
    return "csv" if "," in first and ":" not in first and not first.startswith(("[", "{")) else "yaml"


def _csv(text: str, file: str, table: Table, mistakes: list[Mistake]) -> None:
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    header: list[str] | None = None
    line = 0
    try:
        for fields in reader:
            line, begun = reader.line_num, line + 1
            if not any(field.strip() for field in fields) or fields[0].lstrip().startswith("#"):
                continue
            if header is None:
                header = [field.strip() for field in fields]
                _header(header, file, begun, mistakes)
            elif len(fields) != len(header):
                mistakes.append(
                    Mistake(file, begun, "", f"{len(fields)} cells under {len(header)} columns; a cell with a comma needs quotes")
                )
            else:
                table.rows.append((begun, dict(zip(header, fields, strict=True))))
    except csv.Error as error:
        mistakes.append(Mistake(file, line + 1, "", f"is no CSV ({error})"))


def _header(header: list[str], file: str, line: int, mistakes: list[Mistake]) -> None:
    mistakes.extend(Mistake(file, line, name, "is a column twice") for name in sorted({n for n in header if header.count(n) > 1}))


def _jsonl(text: str, file: str, table: Table, mistakes: list[Mistake]) -> None:
    for number, one in enumerate(text.splitlines(), 1):
        if one.strip():
            _nodes(one, file, table, mistakes, number)


def _yaml(text: str, file: str, table: Table, mistakes: list[Mistake]) -> None:
    _nodes(text, file, table, mistakes, None)


def _nodes(text: str, file: str, table: Table, mistakes: list[Mistake], line: int | None) -> None:
    """YAML, and JSON, which is YAML. ``line``: of a JSON line, where the parser cannot know it."""
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        at = line or (mark.line + 1 if mark is not None else 1)
        mistakes.append(Mistake(file, at, "", f"is no YAML or JSON ({getattr(error, 'problem', None) or type(error).__name__})"))
        return
    if root is None:
        return
    for node in _row_nodes(root, file, table, mistakes):
        _add(node, table.rows, file, line, mistakes)


def _add(node: yaml.Node, rows: list[Row], file: str, line: int | None, mistakes: list[Mistake]) -> None:
    at = line or node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        rows.append((at, dict(_cells(node, file, at, mistakes, ""))))
    else:
        mistakes.append(Mistake(file, at, "", "is no row of names and values"))


def _row_nodes(root: yaml.Node, file: str, table: Table, mistakes: list[Mistake]) -> list[yaml.Node]:
    if isinstance(root, yaml.SequenceNode):
        return list(root.value)
    if not isinstance(root, yaml.MappingNode):
        mistakes.append(Mistake(file, 1, "", "is neither a list of rows nor a table"))
        return []
    keys = {key.value: value for key, value in root.value if isinstance(key, yaml.ScalarNode)}
    if not any(name in keys for name in (*ROWS_KEYS, ALIASES_KEY, ASSUME_KEY)):
        return [root]
    assumed = keys.get(ASSUME_KEY)
    for node in assumed.value if isinstance(assumed, yaml.SequenceNode) else ():
        _add(node, table.assumed, file, None, mistakes)
    aliases = keys.get(ALIASES_KEY)
    if isinstance(aliases, yaml.MappingNode):
        table.aliases.extend((key.start_mark.line + 1, str(key.value), str(value.value)) for key, value in aliases.value)
    rows: list[yaml.Node] = []
    for name in ROWS_KEYS:
        found = keys.get(name)
        if isinstance(found, yaml.SequenceNode):
            rows.extend(found.value)
    return rows


def _cells(node: yaml.MappingNode, file: str, line: int, mistakes: list[Mistake], under: str) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for key, value in node.value:
        name = f"{under}{key.value}" if isinstance(key, yaml.ScalarNode) else ""
        if not name or name in seen:
            mistakes.append(Mistake(file, line, name, "is given twice" if name else "has a name that is no text"))
        seen.add(name)
        if isinstance(value, yaml.ScalarNode):
            yield name, "" if value.tag == "tag:yaml.org,2002:null" else str(value.value)
        elif isinstance(value, yaml.MappingNode) and not under:
            yield from _cells(value, file, line, mistakes, f"{name}.")
        elif isinstance(value, yaml.SequenceNode) and all(isinstance(item, yaml.ScalarNode) for item in value.value):
            yield name, " ".join(str(item.value) for item in value.value)
        else:
            mistakes.append(Mistake(file, line, name, "is a table within a table; a cell is one value"))
