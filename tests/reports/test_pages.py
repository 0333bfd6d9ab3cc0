from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from streamgauge.errors import NotEnoughData, UsageError
from streamgauge.reports import pages
from streamgauge.reports.latency import Objective
from streamgauge.reports.page import Page, as_text
from streamgauge.reports.query import Ledger
from streamgauge.reports.selection import Selection, condition
from tests.reports.ledgers import day, measured, write


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("pages") / "ledger.db", day(3_000))


def text(page: Page, width: int | None = None) -> str:
    return "\n".join(line.text for line in as_text(page, width))


def test_the_latency_page_is_computed_from_the_ledger(path: Path) -> None:
    with Ledger(path) as ledger:
        page = pages.latency_page(ledger, Selection(by=("team",)), Objective("ttft", 1.0), plot=True)
        total = ledger.span()[0]
    assert text(page).startswith(f"{total:,} exchanges from 2026-11-24 05:00:00 to 2026-11-25 04:5")
    assert sum(record["counted"] + record["other"] for record in page.records) == total
    assert "who spent their time" in text(page)
    assert "TTFT of " in text(page)


def test_percentiles_agree_with_a_second_computation(path: Path) -> None:
    with Ledger(path) as ledger:
        (stream, _) = pages.latency_page(ledger, Selection()).records
        ascending = sorted(m.ttft for m in day(3_000) if m.ttft is not None and m.outcome == "completed")
    assert stream["ttft_n"] == len(ascending)
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        at_or_below = sum(value <= stream[f"ttft_{name}"] for value in ascending)
        assert at_or_below - 1 < share * len(ascending) <= at_or_below


def test_the_default_pages_fit_80_columns(path: Path) -> None:
    with Ledger(path) as ledger:
        shown = [
            pages.latency_page(ledger, Selection(by=("team", "model", "region")), plot=True),
            pages.errors_page(ledger, Selection(by=("model",))),
            pages.exchanges_page(ledger, Selection(), 50),
        ]
    head = len(text(shown[0]).split("\n")[0].split(" in ")[-1])  # a long temporary path may not be broken
    assert all(len(line) <= max(80, head) for page in shown for line in text(page, 80).split("\n"))


def test_the_errors_page_agrees_with_the_rows(path: Path) -> None:
    with Ledger(path) as ledger:
        page = pages.errors_page(ledger, Selection())
    rows = day(3_000)
    throttled = next(record for record in page.records if record["outcome"] == "throttled")
    assert throttled["n"] == sum(m.outcome == "throttled" for m in rows)
    assert page.summary["total"] == len(rows)
    assert page.summary["usage_source"]["unknown"] == sum(m.usage_source == "unknown" for m in rows)


def test_the_list_says_how_much_of_it_is_shown(path: Path) -> None:
    with Ledger(path) as ledger:
        assert "the newest 5 of 3,0" in text(pages.exchanges_page(ledger, Selection(), 5))
        assert "the newest" not in text(pages.exchanges_page(ledger, Selection(where=(condition("outcome=timeout"),)), None))


def test_rows_for_programs_are_whole_and_newest_first(path: Path) -> None:
    with Ledger(path) as ledger:
        first, second = itertools.islice(pages.exchange_records(ledger, Selection(), None), 2)
    assert list(first) == list(measured().__struct_fields__)
    assert first["started_at"] >= second["started_at"]
    assert first["model"] is None, "as the ledger holds it, not as it is shown"


def test_an_exchange_is_found_or_the_next_step_is_said(path: Path) -> None:
    one = day(3_000)[0]
    with Ledger(path) as ledger:
        assert pages.find(ledger, one.exchange_id)[0] == one
        with pytest.raises(UsageError, match=r"no exchange 'zzz' in .*`streamgauge exchanges` lists them"):
            pages.find(ledger, "zzz")
        with pytest.raises(UsageError, match="no exchange ' '"):
            pages.find(ledger, " ")
        with pytest.raises(UsageError, match=r"is the name of at least 6 exchanges, give more of the id:\n  [0-9a-f-]{36}  2026-11-2"):
            pages.find(ledger, one.exchange_id[:4])


def test_nothing_that_matches_is_not_enough_data(path: Path, tmp_path: Path) -> None:
    nothing = Selection(where=(condition("team=nobody"),))
    with Ledger(path) as ledger:
        for page in (pages.latency_page, pages.errors_page):
            with pytest.raises(NotEnoughData, match=r"it holds 3,0\d\d exchanges from .*; widen --since"):
                page(ledger, nothing)
        with pytest.raises(NotEnoughData, match="widen --since"):
            list(pages.exchange_records(ledger, nothing, None))
        with pytest.raises(NotEnoughData, match="widen --since"):
            pages.exchanges_page(ledger, nothing, None)


def test_a_page_s_fields_are_those_of_its_records(path: Path) -> None:
    by = Selection(by=("team", "outcome", "streaming"))
    with Ledger(path) as ledger:
        for page in (pages.latency_page(ledger, by), pages.errors_page(ledger, by)):
            assert all(list(record) == list(page.fields) for record in page.records)


def test_an_empty_ledger_says_so(tmp_path: Path) -> None:
    with Ledger(write(tmp_path / "empty.db", [])) as ledger, pytest.raises(NotEnoughData, match="it is empty"):
        pages.latency_page(ledger, Selection())


def test_twenty_thousand_exchanges_are_reported_in_well_under_a_second_each_hundred_thousand_in_three(tmp_path: Path) -> None:
    rows = day(20_000)
    with Ledger(write(tmp_path / "large.db", rows)) as ledger:
        begun = time.process_time()
        pages.latency_page(ledger, Selection(by=("team", "model")))
    # 0.2 s were measured; the promise is 3 s for 100,000.
    assert time.process_time() - begun < 0.6
