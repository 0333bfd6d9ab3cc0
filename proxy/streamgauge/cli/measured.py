"""What ``run`` and ``demo`` show at their end: the calls themselves and the report over them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

LISTED = 20
"""Up to this many calls are shown one by one: a screenful."""


def program() -> str:
    """How this program was called, for commands to be copied: by its path where its name alone finds none (``.venv/bin/streamgauge``)."""
    called = sys.argv[0]
    return called if Path(called).name == "streamgauge" and shutil.which("streamgauge") is None else "streamgauge"


def count(ledger: Path, where: list[str] | None = None) -> int:
    """Rows in the ledger that meet ``where`` (conditions as of ``--where``)."""
    from datetime import UTC, datetime

    from streamgauge.reports.query import Ledger
    from streamgauge.reports.selection import read

    with Ledger(ledger) as opened:
        return opened.span(read(since=None, until=None, by=None, where=where, now=datetime.now(UTC)))[0]


def show(
    ledger: Path, *, by: str = "model,operation", listed: int = LISTED, aim: str | None = None, where: list[str] | None = None
) -> None:
    """Print the newest ``listed`` calls and the latency report by ``by``, with ``aim`` (``ttft=1s``) as its objective.

    Only of the rows that meet ``where`` (conditions as of ``--where``).
    """
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
        everything = read(since=None, until=None, by=None, where=where, now=now)
        grouped = read(since=None, until=None, by=by, where=where, now=now)
        if listed:
            screen.show(as_text(pages.exchanges_page(opened, everything, listed), screen.width, screen.chars))
        width = screen.width or 100
        page = pages.latency_page(opened, grouped, objective(aim), plot=True, width=width, chars=screen.chars, watch=watched)
        screen.show(as_text(page, screen.width, screen.chars))


def show_slowest(ledger: Path) -> str | None:
    """Print the waterfall of the completed call that waited longest for its first token; its exchange id, or None where no call streamed."""
    from datetime import UTC, datetime

    from streamgauge.cli.output import Screen
    from streamgauge.reports import pages
    from streamgauge.reports.query import Ledger
    from streamgauge.reports.selection import read
    from streamgauge.reports.table import Line
    from streamgauge.reports.waterfall import waterfall

    screen = Screen()
    streamed = read(since=None, until=None, by=None, where=["outcome=completed", "ttft>0"], now=datetime.now(UTC))
    with Ledger(ledger) as opened:
        slowest = max(opened.rows(streamed, ("ttft", "exchange_id")), key=lambda row: row.ttft, default=None)
        if slowest is None:
            return None
        measurement, attempts = pages.find(opened, slowest.exchange_id)
    screen.show([Line("", "blank"), Line("The call that waited longest for its first token", "title")])
    screen.show(waterfall(measurement, attempts, screen.width or 100, screen.chars))
    return measurement.exchange_id
