"""The reports put together: a ledger and a selection become a ``Page``. For the command line, for ``run`` and ``demo``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

from streamgauge.errors import NotEnoughData, UsageError
from streamgauge.records import Measurement
from streamgauge.reports import failures, failures_view, latency, latency_view, listing
from streamgauge.reports.bars import UNICODE, Ink
from streamgauge.reports.page import Page
from streamgauge.reports.query import MAX_CANDIDATES, Ledger
from streamgauge.reports.selection import Selection, printable
from streamgauge.reports.wording import moment, plural

Watch = Callable[[Iterable[Any]], Iterable[Any]]
"""Wraps the rows on their way, to show progress."""

MIN_PLOT_WIDTH = 60


class NothingMatches(NotEnoughData):
    """No exchange meets the selection. ``page`` is the report all the same, for programs: no groups, every count zero."""

    def __init__(self, message: str, page: Page) -> None:
        super().__init__(message)
        self.page = page


def latency_page(
    ledger: Ledger,
    selection: Selection,
    aim: latency.Objective = latency.DEFAULT_OBJECTIVE,
    *,
    plot: bool = False,
    width: int = 80,
    chars: Ink = UNICODE,
    watch: Watch = iter,
) -> Page:
    """``report latency``. Raises ``NothingMatches``."""
    head = _head(ledger, selection)
    rows = watch(ledger.rows(selection, latency.columns(selection))) if head else ()
    found = latency.report(rows, selection, aim)
    spenders = latency_view.spenders(found)
    page = Page(
        head,
        [*latency_view.tables(found), latency_view.verdict(found), *([spenders] if spenders else [])],
        latency_view.records(found),
        _period(selection) | latency_view.summary(found),
        [picture] if plot and (picture := latency_view.plot(found, max(MIN_PLOT_WIDTH, width), chars)) else [],
        latency_view.fields(found),
    )
    return page if head else _refuse(ledger, page)


def errors_page(ledger: Ledger, selection: Selection) -> Page:
    """``report errors``. Raises ``NothingMatches``."""
    head = _head(ledger, selection)
    found = failures.report(ledger.counts(selection, failures.columns(selection)) if head else (), selection)
    unmeasured, seen = ledger.unmeasured(), ledger.seen()
    accounts = failures_view.accounts(found, unmeasured, seen)
    page = Page(
        head,
        [failures_view.verdict(found), *failures_view.tables(found), *([accounts] if accounts else [])],
        failures_view.records(found),
        _period(selection) | failures_view.summary(found, unmeasured, seen),
        fields=failures_view.fields(found),
    )
    return page if head else _refuse(ledger, page)


def exchanges_page(ledger: Ledger, selection: Selection, limit: int | None) -> Page:
    """``exchanges`` as a table, newest first, at most ``limit`` of them. Raises ``NothingMatches``."""
    head = _head(ledger, selection)
    if not head:
        _refuse(ledger, Page("", [], [], {}))
    rows = list(ledger.rows(selection, listing.COLUMNS, newest_first=True, limit=limit))
    table = listing.table(rows)
    total = ledger.span(selection)[0]
    if len(rows) < total:
        table.notes.append(f"the newest {len(rows):,} of {total:,}; --limit 0 shows all")
    return Page(head, [table], [], {})


def exchange_records(ledger: Ledger, selection: Selection, limit: int | None) -> Iterator[dict[str, Any]]:
    """Full rows with all fields of the Measurement, newest first, one at a time. Raises ``NothingMatches`` in the place of the first."""
    empty = True
    for row in ledger.measurements(selection, limit):
        empty = False
        yield row._asdict()
    if empty:
        _refuse(ledger, Page("", [], [], {}))


def find(ledger: Ledger, name: str) -> tuple[Measurement, list[Measurement]]:
    """The one exchange called ``name`` and the attempts of its SDK call. Raises ``UsageError`` when there is none, or more than one."""
    found = ledger.find(name.strip()) if name.strip() and printable(name) else []
    if not found:
        raise UsageError(
            f"no exchange {name!r} in {ledger.path}: give an exchange id, the beginning of one, or the provider's request id "
            "(`streamgauge exchanges` lists them)"
        )
    if len(found) > 1:
        some = "at least " if len(found) == MAX_CANDIDATES else ""
        raise UsageError(f"{name!r} is the name of {some}{len(found)} exchanges, give more of the id:{''.join(map(_candidate, found))}")
    return found[0], ledger.attempts(found[0])


def _candidate(m: Measurement) -> str:
    return f"\n  {m.exchange_id}  {moment(m.started_at)}  {m.model or m.requested_model or m.endpoint_name or '-'}  {m.outcome}"


def _head(ledger: Ledger, selection: Selection) -> str:
    """What a page is about; empty where nothing matches."""
    n, first, last = ledger.span(selection)
    return f"{plural(n, 'exchange')} from {moment(first)} to {moment(last)} UTC in {ledger.path}" if n else ""


def _refuse(ledger: Ledger, page: Page) -> NoReturn:
    all_of_them, begin, end = ledger.span()
    held = f"it holds {plural(all_of_them, 'exchange')} from {moment(begin)} to {moment(end)} UTC" if all_of_them else "it is empty"
    hint = "; widen --since, --until or --where" if all_of_them else ""
    raise NothingMatches(f"no exchange in {ledger.path} matches; {held}{hint}", page)


def _period(selection: Selection) -> dict[str, Any]:
    since, until = (at.isoformat() if at else None for at in (selection.since, selection.until))
    return {
        "since": since,
        "until": until,
        "by": selection.by,
        "where": [f"{c.column}{c.operator}{'' if c.value is None else c.value}" for c in selection.where],
    }
