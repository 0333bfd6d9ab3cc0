"""``streamgauge exchanges`` and ``streamgauge exchanges show``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamgauge.cli.options import LedgerPath, ListFormat, ShowFormat, Since, Until, Where

DEFAULT_ROWS = 20
"""What fits on a screen."""

Limit = Annotated[
    int | None,
    typer.Option(
        "--limit", "-n", min=0, help=f"At most so many rows, 0 for all. Default: {DEFAULT_ROWS} in a table, all in jsonl and csv."
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
        ListFormat, typer.Option("--format", help="jsonl and csv hold every field, in seconds and tokens.")
    ] = ListFormat.table,
    ledger: LedgerPath = None,
) -> None:
    """The measured exchanges, newest first.

    Example: streamgauge exchanges --since 1h --where outcome!=completed --where team=search
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
    from streamgauge.sinks.ledger_read import default_ledger_path

    selection = read(since=since, until=until, by=None, where=where, now=datetime.now(UTC))
    with Ledger(ledger or default_ledger_path()) as opened:
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
    format_: Annotated[ShowFormat, typer.Option("--format", help="What to write.")] = ShowFormat.table,
    ledger: LedgerPath = None,
) -> None:
    """One exchange as a waterfall, with the sentence that says where its time went.

    Example: streamgauge exchanges show 019ac1f2-7b3c-7d2e
    """
    import msgspec

    from streamgauge.cli.output import Screen, write
    from streamgauge.reports import pages
    from streamgauge.reports.query import Ledger
    from streamgauge.reports.waterfall import record, waterfall
    from streamgauge.sinks.ledger_read import default_ledger_path

    before: Path | None = context.obj  # `exchanges --ledger X show ID` is meant as it is written
    with Ledger(ledger or before or default_ledger_path()) as opened:
        measurement, attempts = pages.find(opened, name)
    if format_ is ShowFormat.json:
        write([msgspec.json.format(msgspec.json.encode(record(measurement, attempts)), indent=2).decode()])
        return
    screen = Screen()
    screen.show(waterfall(measurement, attempts, screen.width or 100, screen.chars))
