"""``streamgauge prices list|check|diff|quote``."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from streamgauge.pricing.book import PriceBook
    from streamgauge.pricing.mistakes import Mistake

MAX_AGE_DAYS = 180
"""Days after which a price that nobody looked at again is worth a look: AWS changed some of them every month of 2026."""

FINDINGS_SHOWN = 40
"""Lines of one kind of finding that are told; the count is always whole."""

Book = Annotated[
    Path | None,
    typer.Option("--book", metavar="FILE", help="A price book of your own (CSV, YAML, JSON). Default: the one that is shipped."),
]
Contract = Annotated[
    Path | None,
    typer.Option("--contract", metavar="FILE", help="Your agreements: prices and discounts that replace list prices (CSV, YAML, JSON)."),
]
At = Annotated[
    str | None,
    typer.Option("--at", metavar="WHEN", help="Prices as of then: 2026-11-25 or an RFC 3339 time (UTC without a zone). Default: now."),
]


class PriceFormat(enum.StrEnum):
    """What prices can be written as."""

    table = "table"
    jsonl = "jsonl"
    csv = "csv"


def list_prices(
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="MODEL", help="Only models with this in their id, or the one an id, alias or ARN means."),
    ] = None,
    region: Annotated[str | None, typer.Option("--region", metavar="REGION", help="Only prices that hold in this region.")] = None,
    at: At = None,
    everything: Annotated[bool, typer.Option("--all", help="Past and future prices too.")] = False,
    format_: Annotated[
        PriceFormat, typer.Option("--format", help="table: for people. csv: a book file again. jsonl: for programs.")
    ] = PriceFormat.table,
    book: Book = None,
) -> int:
    """The prices of a book.

    Example: streamgauge prices list --model nova-lite --region us-east-1
    """
    from streamgauge.cli.output import Screen, write
    from streamgauge.cli.price_files import open_book
    from streamgauge.reports.page import as_text, csv_lines, json_lines
    from streamgauge.reports.prices_view import listing, records, selected

    opened = open_book(book)
    rates = selected(opened, model, region, None if everything else _moment(at))
    if format_ is PriceFormat.table:
        screen = Screen()
        screen.show(as_text(listing(opened, rates), screen.width, screen.chars))
    elif format_ is PriceFormat.jsonl:
        write(json_lines(records(rates)))
    else:
        from streamgauge.pricing.rate import COLUMNS

        write(csv_lines(records(rates), COLUMNS))
    return 0 if rates else 3


def check(
    at: At = None,
    max_age_days: Annotated[
        int, typer.Option("--max-age-days", metavar="DAYS", min=1, max=3_650, help="Older verification dates are findings.")
    ] = MAX_AGE_DAYS,
    compare: Annotated[
        bool, typer.Option("--compare/--no-compare", help="Compare with litellm's and genai-prices' tables where they are installed.")
    ] = True,
    book: Book = None,
) -> int:
    """What is doubtful about a price book: age, gaps, overlaps, how it is known, and where other tables say otherwise. Exit code 1 if anything is.

    Example: streamgauge prices check --book prices.csv
    """
    from collections import Counter

    from streamgauge.cli.output import write
    from streamgauge.cli.price_files import open_book
    from streamgauge.pricing.overlaps import gaps

    opened = open_book(book)
    now = _moment(at)
    write([f"{opened.book_id}: {len(opened.rates):,} rows, {len(opened.models)} models"])
    known = Counter(rate.confidence for rate in opened.rates)
    write([f"known from: {', '.join(f'{name} {count:,}' for name, count in sorted(known.items()))}"])
    found = _told("gaps between prices", gaps(str(book or "bedrock.csv"), opened.rates))
    found += _told(f"not looked at for {max_age_days} days", _old(opened, now, max_age_days, str(book or "bedrock.csv")))
    if compare:
        found += _compared(opened, now)
    return 1 if found else 0


def _old(opened: PriceBook, now: datetime, days: int, file: str) -> list[Mistake]:
    from datetime import timedelta

    from streamgauge.pricing.mistakes import Mistake

    limit = (now - timedelta(days=days)).date().isoformat()
    current = [rate for rate in opened.rates if rate.end is None or rate.end > now]
    old = [rate for rate in current if rate.verified_at is None or rate.verified_at < limit]
    return [Mistake(file, r.line, "verified_at", f"{r.verified_at or 'never'} ({r.model} {r.kind})") for r in old]


def _told(what: str, lines: Iterable[object]) -> int:
    from streamgauge.cli.output import write

    texts = [str(line) for line in lines]
    more = [f"  ... and {len(texts) - FINDINGS_SHOWN:,} more"] if len(texts) > FINDINGS_SHOWN else []
    write([f"{what}: {len(texts) or 'none'}", *(f"  {text}" for text in texts[:FINDINGS_SHOWN]), *more])
    return len(texts)


def _compared(opened: PriceBook, now: datetime) -> int:
    from streamgauge.cli.output import write
    from streamgauge.cli.price_files import other_tables
    from streamgauge.pricing.other_tables import disagreements

    tables = other_tables()
    if not tables:
        write(["compared with: nothing, for neither litellm nor genai-prices is installed"])
    found = 0
    for name, said in tables.items():
        differing, compared = disagreements(opened, said, now)
        lines = [
            f"{d.said.name} {d.said.tier} {d.said.kind}{f' >{d.said.above:,}' if d.said.above else ''} in {d.said.region}: "
            f"it says {d.said.usd}, the book {d.ours}"
            for d in differing
        ]
        found += _told(f"{name} says otherwise, of {compared:,} prices compared", lines)
    return found


def diff(
    before: Annotated[Path, typer.Argument(metavar="A", help="A book file; 'shipped' is the one that is shipped.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="Another book file, or 'shipped'.")],
) -> int:
    """What changes from one price book to another. Exit code 1 if anything does.

    Example: streamgauge prices diff shipped prices.csv
    """
    from streamgauge.cli.output import Screen
    from streamgauge.cli.price_files import open_book
    from streamgauge.pricing.difference import differences
    from streamgauge.reports.page import as_text
    from streamgauge.reports.prices_view import difference_page

    old, new = (open_book(None if str(path) == "shipped" else path) for path in (before, after))
    found = list(differences(old, new))
    screen = Screen()
    screen.show(as_text(difference_page(old, new, found), screen.width, screen.chars))
    return 1 if found else 0


def quote(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Questions, a JSON object a line. Default: standard input.")] = None,
    book: Book = None,
    contract: Contract = None,
) -> int:
    """What calls cost, to the last digit: reads JSON lines, writes one JSON line for each.

    \b
    A question: {"model": "us.amazon.nova-lite-v1:0", "region": "us-east-1", "scope": null, "tier": "standard",
                 "at": "2026-11-25T12:00:00Z", "usage": {"input_tokens": 1000, "output_tokens": 200}}
    Exit code 1 if a call has no price (cost_usd is null, and why says what is missing), 2 if a line is no question.

    Example: streamgauge prices quote calls.jsonl
    """
    import json

    from streamgauge.cli.output import write
    from streamgauge.cli.price_files import open_book
    from streamgauge.errors import UsageError
    from streamgauge.pricing.costing import cost_of
    from streamgauge.pricing.quote import BadLine, answer, read_question

    opened = open_book(book, contract)
    now = _moment(None)
    name = "standard input" if file is None else str(file)
    unpriced = 0
    bad: list[str] = []

    def answers() -> Iterator[str]:
        nonlocal unpriced
        for number, line in enumerate(_lines(file), 1):
            if not line.strip():
                continue
            try:
                facts, at, own = read_question(line)
            except BadLine as error:
                bad.append(f"{name}:{number}: {error}")
                continue
            cost = cost_of(facts, opened, at or now)
            unpriced += cost.total_pico is None
            yield json.dumps({**answer(cost), "line": number, **({} if own is None else {"id": own})}, ensure_ascii=False)

    write(answers())
    if bad:
        more = [f"... and {len(bad) - FINDINGS_SHOWN:,} more"] if len(bad) > FINDINGS_SHOWN else []
        raise UsageError(f"{len(bad)} line(s) are no questions:\n  " + "\n  ".join([*bad[:FINDINGS_SHOWN], *more]))
    return 1 if unpriced else 0


def _lines(file: Path | None) -> Iterator[str]:
    import io
    import sys

    from streamgauge.errors import UsageError

    try:
        if file is None:
            if isinstance(sys.stdin, io.TextIOWrapper):
                sys.stdin.reconfigure(encoding="utf-8", errors="replace")
            yield from sys.stdin
            return
        with file.open(encoding="utf-8", errors="replace") as opened:
            yield from opened
    except OSError as error:
        raise UsageError(f"{file or 'standard input'} cannot be read ({error.strerror})") from None


def _moment(text: str | None) -> datetime:
    from datetime import UTC, datetime

    from streamgauge.errors import UsageError
    from streamgauge.pricing.rate import instant

    try:
        return datetime.now(UTC) if text is None else instant(text.strip())
    except (ValueError, OverflowError):
        raise UsageError(f"--at {text!r} is no date such as 2026-11-25 and no RFC 3339 time") from None
