"""``streamgauge report latency`` and ``streamgauge report errors``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from streamgauge.cli.options import By, LedgerPath, ReportFormat, Since, Until, Where
from streamgauge.reports.figures import FEW, FIGURES, PERCENTILES

if TYPE_CHECKING:
    from streamgauge.cli.output import Screen
    from streamgauge.reports.page import Page

Format = Annotated[
    ReportFormat,
    typer.Option(
        "--format",
        help="table: for people. json: one object with summary and groups. jsonl, csv: a line for each group. md: for a ticket. "
        "json, jsonl and csv are in seconds, with every percentile.",
    ),
]
Aim = Annotated[
    str | None,
    typer.Option(
        "--objective",
        metavar="[CLASS:]FIGURE=LIMIT",
        help="What should not be exceeded: ttft, upstream_ttft, tpot or e2e; of calls of a workload class, or any:. Default: ttft=2s, of interactive and realtime calls.",
    ),
]
Plot = Annotated[bool | None, typer.Option("--plot/--no-plot", help="The distribution of TTFT as a picture. Default: on a terminal.")]

LATENCY_FIGURES = "\n\n".join(
    [
        f"{FIGURES[name].heading}: {FIGURES[name].definition}"
        for name in ("ttft", "upstream_ttft", "tpot", "output_rate", "e2e", "proxy_overhead")
    ]
    + [
        PERCENTILES,
        f"Percentiles of fewer than {FEW} values are marked ~. Only completed exchanges are counted, unless --where or --by names the outcome.",
    ]
)
"""Shown under the options of ``report latency --help``."""


def latency(
    since: Since = None,
    until: Until = None,
    by: By = None,
    where: Where = None,
    objective: Aim = None,
    plot: Plot = None,
    format_: Format = ReportFormat.table,
    ledger: LedgerPath = None,
) -> None:
    """Time to first token, per token and end to end, by group; and who spent the time over the objective.

    Example: streamgauge report latency --by team,model --objective ttft=1s
    """
    from datetime import UTC, datetime

    from streamgauge.cli.output import Screen, watched
    from streamgauge.reports import pages
    from streamgauge.reports.latency import objective as read_objective
    from streamgauge.reports.query import Ledger
    from streamgauge.reports.selection import read
    from streamgauge.sinks.ledger_read import default_ledger

    selection = read(since=since, until=until, by=by, where=where, now=datetime.now(UTC))
    aim = read_objective(objective)
    screen = Screen()
    drawn = (screen.terminal and format_ is ReportFormat.table) if plot is None else plot
    with Ledger(ledger or default_ledger()) as opened, _empty_too(format_, screen):
        page = pages.latency_page(opened, selection, aim, plot=drawn, width=screen.width or 100, chars=screen.chars, watch=watched)
    _write(page, format_, screen)


def errors(
    since: Since = None,
    until: Until = None,
    by: By = None,
    where: Where = None,
    format_: Format = ReportFormat.table,
    ledger: LedgerPath = None,
) -> None:
    """What did not complete, whose doing it was, and what could not be measured.

    Example: streamgauge report errors --since 7d --by model,region
    """
    from datetime import UTC, datetime

    from streamgauge.cli.output import Screen, patient
    from streamgauge.reports import pages
    from streamgauge.reports.query import Ledger
    from streamgauge.reports.selection import read
    from streamgauge.sinks.ledger_read import default_ledger

    selection = read(since=since, until=until, by=by, where=where, now=datetime.now(UTC))
    screen = Screen()
    with Ledger(ledger or default_ledger()) as opened, _empty_too(format_, screen), patient(f"counting in {opened.path}"):
        page = pages.errors_page(opened, selection)
    _write(page, format_, screen)


@contextlib.contextmanager
def _empty_too(format_: ReportFormat, screen: Screen) -> Iterator[None]:
    """Where nothing matches, a program gets a report that it can read, and the exit code 3 besides."""
    from streamgauge.reports.pages import NothingMatches

    try:
        yield
    except NothingMatches as nothing:
        if format_ in (ReportFormat.json, ReportFormat.jsonl, ReportFormat.csv):
            _write(nothing.page, format_, screen)
        raise


def _write(page: Page, format_: ReportFormat, screen: Screen) -> None:
    from streamgauge.cli.output import write
    from streamgauge.reports.page import as_json, as_markdown, as_text, csv_lines, json_lines

    match format_:
        case ReportFormat.table:
            screen.show(as_text(page, screen.width, screen.chars))
        case ReportFormat.json:
            write([as_json(page)])
        case ReportFormat.jsonl:
            write(json_lines(page.records))
        case ReportFormat.csv:
            write(csv_lines(page.records, page.fields))
        case ReportFormat.md:
            write(as_markdown(page))
