"""A report ready to be written: the same content as text, Markdown, JSON, JSON lines or CSV. Pure."""

from __future__ import annotations

import csv
import io
import itertools
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from streamgauge.reports.bars import UNICODE, Ink
from streamgauge.reports.table import Line, Table, lines, markdown

Block = Table | list[str]

_LINE_END = "\r\n"
"""The writer quotes what would end a line, so it must know both signs."""


@dataclass(slots=True)
class Page:
    """``head`` and ``blocks`` are for people, ``records`` (flat, alike) and ``summary`` for programs; ``plots`` are text pictures, for screens only;
    ``fields`` are the records' names, also where there is no record."""

    head: str
    blocks: list[Block]
    records: list[dict[str, Any]]
    summary: dict[str, Any]
    plots: list[list[str]] = field(default_factory=list)
    fields: Sequence[str] = ()


def as_text(page: Page, width: int | None, chars: Ink = UNICODE) -> list[Line]:
    """For a screen of ``width``, or as wide as it wants for a pipe or a file."""
    out = _paragraph(page.head, width)
    for block in page.blocks:
        out.append(Line("", "blank"))
        out += lines(block, width, chars.rule) if isinstance(block, Table) else [p for text in block for p in _paragraph(text, width)]
    for plot in page.plots:
        out += [Line("", "blank"), Line(plot[0], "title"), *(Line(text) for text in plot[1:])]
    return out


def _paragraph(text: str, width: int | None) -> list[Line]:
    return [Line(part) for part in textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)] if width else [Line(text)]


def as_markdown(page: Page) -> list[str]:
    """Tables as tables, sentences as paragraphs, pictures as code blocks."""
    out = [page.head]
    for block in page.blocks:
        out += ["", *(markdown(block) if isinstance(block, Table) else [f"{text}  " for text in block])]
    for plot in page.plots:
        out += ["", f"**{plot[0]}**", "", "```text", *plot[1:], "```"]
    return out


def as_json(page: Page) -> str:
    """One object: the summary, and the records under ``groups``."""
    return msgspec.json.format(msgspec.json.encode({**page.summary, "groups": page.records}), indent=2).decode()


def json_lines(records: Iterable[dict[str, Any]]) -> Iterator[str]:
    """One JSON object a line; absent is ``null``."""
    encoder = msgspec.json.Encoder()
    return (encoder.encode(record).decode() for record in records)


def csv_lines(records: Iterable[dict[str, Any]], fields: Sequence[str]) -> Iterator[str]:
    """RFC 4180 with a heading, also without records; absent is empty, booleans are true and false, a nested value is JSON."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator=_LINE_END)
    for cells in itertools.chain([fields], (record.values() for record in records)):
        writer.writerow([_cell(value) for value in cells])
        yield buffer.getvalue().removesuffix(_LINE_END)
        buffer.seek(0)
        buffer.truncate()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    return value
