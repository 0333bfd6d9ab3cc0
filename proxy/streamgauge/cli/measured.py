"""What ``run`` and ``demo`` show at their end: the calls themselves and the report over them."""

from __future__ import annotations

from pathlib import Path

LISTED = 20
"""Up to this many calls are shown one by one: a screenful."""


def count(ledger: Path) -> int:
    """Rows in the ledger."""
    from streamgauge.reports.query import Ledger

    with Ledger(ledger) as opened:
        return opened.span()[0]


def show(ledger: Path, *, by: str = "model,operation") -> None:
    """Print the newest calls and the latency report by ``by``."""
    from datetime import UTC, datetime

    from streamgauge.cli.output import Screen, watched
    from streamgauge.reports import pages
    from streamgauge.reports.latency import objective
    from streamgauge.reports.page import as_text
    from streamgauge.reports.query import Ledger
    from streamgauge.reports.selection import read

    screen = Screen()
    now = datetime.now(UTC)
    with Ledger(ledger) as opened:
        everything = read(since=None, until=None, by=None, where=None, now=now)
        grouped = read(since=None, until=None, by=by, where=None, now=now)
        screen.show(as_text(pages.exchanges_page(opened, everything, LISTED), screen.width, screen.chars))
        width = screen.width or 100
        page = pages.latency_page(opened, grouped, objective(None), plot=True, width=width, chars=screen.chars, watch=watched)
        screen.show(as_text(page, screen.width, screen.chars))
