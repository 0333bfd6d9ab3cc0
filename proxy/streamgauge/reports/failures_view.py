"""``report errors`` as a table for people and as records for programs. Pure."""

from __future__ import annotations

from typing import Any

from streamgauge.reports.failures import KINDS, FailureReport
from streamgauge.reports.latency_view import show
from streamgauge.reports.table import Column, Table
from streamgauge.reports.wording import moment, percent, plural

HANDLE = 18
"""So many characters of an exchange id name it: 48 bits of time in milliseconds and 12 random ones. `exchanges show` takes them."""


def tables(report: FailureReport) -> list[Table]:
    """What did not complete."""
    if not report.failures:
        return []
    columns = [Column(name, key=True) for name in report.by]
    columns += [Column("outcome", key=True), Column("error_type", key=True), Column("side"), Column("HTTP", right=True)]
    columns += [
        Column("n", right=True),
        Column("share", right=True),
        Column("first, UTC"),
        Column("last, UTC"),
        Column("example", cut=HANDLE),
    ]
    rows = []
    for failure in report.failures:
        outcome, error_type, side, status = failure.kind
        cells = [show(value) for value in (*failure.key, outcome, error_type, side, status)]
        cells += [f"{failure.n:,}", percent(failure.n, report.totals[failure.key])]
        rows.append([*cells, _minute(failure.first), _minute(failure.last), failure.example])
    return [Table(columns, rows)]


def _minute(rfc3339: str) -> str:
    """Month to minute: the year and the seconds are in the JSON, and in the exchange itself."""
    return moment(rfc3339)[5:16]


def verdict(report: FailureReport) -> list[str]:
    """How many completed, and by what the rest ended."""
    completed = report.outcomes["completed"]
    told = f"{completed:,} of {plural(report.total, 'exchange')} completed ({percent(completed, report.total)})"
    rest = [f"{n:,} {outcome}" for outcome, n in report.outcomes.most_common() if outcome != "completed"]
    return [told + ("; the others: " + ", ".join(rest) if rest else "; nothing failed")]


def accounts(report: FailureReport, unmeasured: dict[str, int], seen: tuple[int, int] | None) -> list[str]:
    """What is not known: usage, bytes that could not be read, exchanges without a row (the last over the ledger's whole life)."""
    out = []
    unknown = report.usage["unknown"]
    if unknown:
        of_them = f", {plural(report.unknown_completed, 'completed one')} among them"
        out.append(f"usage unknown: {unknown:,} ({percent(unknown, report.total)} of all{of_them if report.unknown_completed else ''})")
    if report.usage["estimated"]:
        out.append(f"usage estimated by us: {report.usage['estimated']:,} ({percent(report.usage['estimated'], report.total)} of all)")
    if report.undecoded:
        told = ", ".join(f"{n:,} {reason}" for reason, n in report.undecoded.most_common())
        out.append(f"not decoded (the traffic went on): {told}")
    if seen:
        missing = ", ".join(f"{n:,} {reason}" for reason, n in sorted(unmeasured.items(), key=lambda item: -item[1]))
        out.append(
            f"whole ledger: {seen[0]:,} exchanges seen, {seen[1]:,} have a row"
            + (f", unmeasured: {missing}" if missing else ", none unmeasured")
        )
    elif unmeasured:
        out.append("unmeasured: " + ", ".join(f"{n:,} {reason}" for reason, n in unmeasured.items()))
    return out


def records(report: FailureReport) -> list[dict[str, Any]]:
    """One flat record per failure; ``share`` is a fraction of all exchanges of the group."""
    return [
        {
            **dict(zip(report.by, failure.key, strict=True)),
            **dict(zip(KINDS, failure.kind, strict=True)),
            "n": failure.n,
            "share": failure.n / report.totals[failure.key],
            "first": failure.first,
            "last": failure.last,
            "example": failure.example,
        }
        for failure in report.failures
    ]


def fields(report: FailureReport) -> list[str]:
    """The names of a record's members."""
    return list(dict.fromkeys([*report.by, *KINDS, "n", "share", "first", "last", "example"]))


def summary(report: FailureReport, unmeasured: dict[str, int], seen: tuple[int, int] | None) -> dict[str, Any]:
    """Counts by outcome, usage source and reason; what has no row."""
    return {
        "total": report.total,
        "outcomes": dict(report.outcomes),
        "usage_source": dict(report.usage),
        "usage_unknown_completed": report.unknown_completed,
        "undecoded": dict(report.undecoded),
        "unmeasured": unmeasured,
        "seen": seen[0] if seen else None,
        "rows": seen[1] if seen else None,
    }
