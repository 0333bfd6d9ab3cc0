"""Options that several commands share, each with one spelling and one help text."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from streamgauge.reports.dimensions import DIMENSIONS

Since = Annotated[
    str | None,
    typer.Option("--since", metavar="WHEN", help="From then on: 30m, 24h, 7d, 2026-11-25 or an RFC 3339 time (UTC without a zone)."),
]
Until = Annotated[str | None, typer.Option("--until", metavar="WHEN", help="Before then; written like --since.")]
By = Annotated[str | None, typer.Option("--by", metavar="DIM,DIM", help=f"Group by any of: {', '.join(DIMENSIONS)}.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="K=V",
        help="Only rows where column k is v; also k!=v, k>=n, k<n, and k= for absent. Repeatable, all must hold. "
        "Columns: any of --by, and those in `streamgauge exchanges --help`.",
    ),
]


def _named(ledger: str | None) -> str | None:
    """What an unset variable makes of ``--ledger "$KEPT"`` is no wish for the default."""
    if ledger == "":
        raise typer.BadParameter("it is empty: name a ledger, or leave the option out")
    return ledger


LedgerPath = Annotated[
    str | None,
    typer.Option(
        "--ledger",
        metavar="LEDGER",
        callback=_named,
        help="The ledger to read: a file, or postgresql://USER@HOST/DATABASE for a shared one. Default: $STREAMGAUGE_LEDGER, else the user's "
        "state directory.",
    ),
]


class ReportFormat(enum.StrEnum):
    """What a report can be written as."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"
    md = "md"


class ListFormat(enum.StrEnum):
    """What rows can be written as."""

    table = "table"
    jsonl = "jsonl"
    csv = "csv"


class ShowFormat(enum.StrEnum):
    """What one exchange can be written as."""

    table = "table"
    json = "json"
