"""``streamgauge exchanges`` and ``streamgauge exchanges show``."""

from __future__ import annotations

from typing import Annotated

import typer

from streamgauge.cli.options import LedgerPath, ListFormat, ShowFormat, Since, Until, Where
from streamgauge.reports.selection import MAX_INTEGER, columns

DEFAULT_ROWS = 20
"""What fits on a screen."""

WHERE_COLUMNS = "\n\n".join(
    f"Columns for --where that hold {held}: {', '.join(name for name, kind in columns().items() if kind is of)}."
    for held, of in (("a text", str), ("a number (times as 1.5s or 200ms)", float), ("a whole number", int), ("true or false", bool))
)
"""Shown under the options of ``exchanges --help``."""

Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        "-n",
        metavar="N",
        min=0,
        max=MAX_INTEGER,
        help=f"At most so many rows, 0 for all. Default: {DEFAULT_ROWS} in a table, all in jsonl and csv.",
    ),
]
Name = Annotated[str, typer.Argument(metavar="ID", help="An exchange id, the beginning of one, or the provider's request id.")]


def exchanges(
    context: typer.Context,
    since: Since = None,
    until: Until = None,
    where: Where = None,
    limit: Limit = None,
    format_: Annotated[
        ListFormat,
        typer.Option("--format", help="table: for people. jsonl, csv: for programs, every column of every row, in seconds and tokens."),
    ] = ListFormat.table,
    ledger: LedgerPath = None,
) -> None:
    """The measured exchanges, newest first.

    Example: streamgauge exchanges --since 1h --where outcome!=completed
    """
    if context.invoked_subcommand is not None:
        context.obj = ledger
        return
    from datetime import UTC, datetime

    from streamgauge.cli.output import Screen, patient, watched, write
    from streamgauge.reports import pages
    from streamgauge.reports.page import as_text, csv_lines, json_lines
    from streamgauge.reports.query import COLUMNS, Ledger
    from streamgauge.reports.selection import read
    from streamgauge.sinks.ledger_read import default_ledger

    selection = read(since=since, until=until, by=None, where=where, now=datetime.now(UTC))
    with Ledger(ledger or default_ledger()) as opened:
        if format_ is ListFormat.table:
            screen = Screen()
            with patient(f"reading {opened.path}"):
                page = pages.exchanges_page(opened, selection, DEFAULT_ROWS if limit is None else limit or None)
            screen.show(as_text(page, screen.width, screen.chars))
        else:
            records = watched(pages.exchange_records(opened, selection, limit or None))
            write(json_lines(records) if format_ is ListFormat.jsonl else csv_lines(records, COLUMNS))


def show(
    context: typer.Context,
    name: Name,
    format_: Annotated[
        ShowFormat, typer.Option("--format", help="table: for people. json: for programs, with every field, phase and attempt.")
    ] = ShowFormat.table,
    ledger: LedgerPath = None,
) -> None:
    """One exchange as a waterfall, with the sentence that says where its time went.

    Example: streamgauge exchanges show 01a21112-ed00-755a
    """
    import msgspec

    from streamgauge.cli.output import Screen, write
    from streamgauge.reports import pages
    from streamgauge.reports.query import Ledger
    from streamgauge.reports.waterfall import record, waterfall
    from streamgauge.sinks.ledger_read import default_ledger

    before: str | None = context.obj  # `exchanges --ledger X show ID` is meant as it is written
    with Ledger(ledger or before or default_ledger()) as opened:
        measurement, attempts = pages.find(opened, name)
    if format_ is ShowFormat.json:
        write([msgspec.json.format(msgspec.json.encode(record(measurement, attempts)), indent=2).decode()])
        return
    screen = Screen()
    screen.show(waterfall(measurement, attempts, screen.width or 100, screen.chars))
