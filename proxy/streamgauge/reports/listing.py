"""``exchanges``: the rows themselves as a compact table. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from streamgauge.reports.failures_view import HANDLE
from streamgauge.reports.figures import FIGURES
from streamgauge.reports.table import Column, Table
from streamgauge.reports.wording import moment

COLUMNS = (
    "started_at",
    "exchange_id",
    "tenant",
    "app",
    "model",
    "endpoint_name",
    "operation",
    "outcome",
    "ttft",
    "tpot",
    "e2e",
    "input_tokens",
    "output_tokens",
)
"""What the rows given to ``table`` must hold."""

_FIGURES = ("ttft", "tpot", "e2e", "input_tokens", "output_tokens")


def table(rows: Iterable[Any]) -> Table:
    """One line per exchange, as they come."""
    columns = [Column("started, UTC", key=True), Column("exchange", key=True, cut=HANDLE), Column("tenant/app", key=True)]
    columns += [Column("model", key=True), Column("operation"), Column("outcome")]
    for name in _FIGURES:
        figure = FIGURES[name]
        columns.append(Column(figure.heading + (f", {figure.unit}" if figure.unit != "tokens" else ""), right=True))
    return Table(columns, [_cells(row) for row in rows])


def _cells(row: Any) -> list[str]:
    who = "/".join(part for part in (row.tenant, row.app) if part) or "-"
    cells = [moment(row.started_at), row.exchange_id, who, row.model or row.endpoint_name or "-", row.operation or "-", row.outcome]
    return cells + [FIGURES[name].show(getattr(row, name)) for name in _FIGURES]
