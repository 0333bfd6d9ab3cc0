"""``streamgauge ledger export`` and ``streamgauge ledger rebuild-rollups``."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from streamgauge.cli.options import LedgerPath, Where


class ExportFormat(enum.StrEnum):
    """What rows can be exported as."""

    parquet = "parquet"


def export(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write; replaced when the new one is whole.")],
    from_: Annotated[
        str | None, typer.Option("--from", metavar="WHEN", help="From then on: 7d, 2026-11-01 or an RFC 3339 time (UTC without a zone).")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="WHEN", help="Before then; written like --from.")] = None,
    where: Where = None,
    format_: Annotated[ExportFormat, typer.Option("--format", help="The form of the file.")] = ExportFormat.parquet,  # noqa: ARG001 - there is one so far
    ledger: LedgerPath = None,
) -> None:
    """Write rows to a file for other tools, oldest first; every column, times as moments, cost as an exact decimal.

    Example: streamgauge ledger export --from 2026-11-01 --to 2026-12-01 -o november.parquet
    """
    from datetime import UTC, datetime

    from streamgauge.cli.output import watched, write
    from streamgauge.errors import UsageError
    from streamgauge.reports.parquet_export import export as to_parquet
    from streamgauge.reports.query import Ledger
    from streamgauge.reports.selection import Selection, condition, moment
    from streamgauge.sinks.ledger_read import default_ledger

    now = datetime.now(UTC)
    begin, end = moment("--from", from_, now), moment("--to", to, now)
    if begin and end and begin >= end:
        raise UsageError(f"--from {from_} is not before --to {to}: nothing can lie between them")
    chosen = Selection(begin, end, where=tuple(condition(text) for text in where or ()))
    with Ledger(ledger or default_ledger()) as opened:
        count = to_parquet(opened, chosen, output, watched)
        write([f"{count:,} rows of {opened.path} in {output}"])


def rebuild_rollups(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing: name the periods that differ from the rows; exit code 1 if any.")
    ] = False,
    ledger: LedgerPath = None,
) -> None:
    """Make the sums by hour and by day anew from the rows. A proxy may go on writing; its rows of one hour at a time wait.

    Days of which rows were deleted for their age stay as they are.

    Example: streamgauge ledger rebuild-rollups --check
    """
    from streamgauge.cli.output import patient, write
    from streamgauge.sinks.ledger_read import default_ledger, shown_ledger
    from streamgauge.sinks.ledger_write import for_writing
    from streamgauge.sinks.rollup_rebuild import differing, rebuild

    chosen = ledger or default_ledger()
    name = shown_ledger(chosen)
    with for_writing(chosen) as engine, patient(f"adding up {name}"):
        if not check:
            rows = rebuild(engine)
            write([f"{rows:,} rows of {name} added up by hour and by day"])
            return
        found = differing(engine)
    write(found or [f"the sums of {name} are those of its rows"])
    if found:
        raise typer.Exit(1)
