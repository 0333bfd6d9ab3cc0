from __future__ import annotations

from streamgauge.reports.failures_view import accounts, records, summary, tables, verdict
from streamgauge.reports.table import lines
from tests.reports.test_failures import CUT, DONE, THROTTLED, UNKNOWN, counted

LONG = (*THROTTLED[:6], 5, "2026-11-24T05:03:44.000000Z", "2026-11-25T04:23:25.000000Z", "019ac1f2-7b3c-7d2e-9f10-a1b2c3d4e5f6")


def test_each_failure_has_its_share_period_and_example() -> None:
    (table,) = tables(counted(DONE, LONG))
    plain = [line.text for line in lines(table)][-1]
    assert " ".join(plain.split()) == (
        "throttled ThrottlingException upstream 429 5 5.3 % 11-24 05:03 11-25 04:23 019ac1f2-7b3c-7d2e-9f10-a1b2c3d4e5f6"
    )


def test_on_80_columns_the_example_is_short_but_still_a_handle() -> None:
    (table,) = tables(counted(("search", *DONE), ("search", *LONG), by=("team",)))
    narrow = [line.text for line in lines(table, 80)]
    assert max(map(len, narrow)) <= 80
    assert narrow[-1].endswith("019ac1f2-7b3c-7d2e")


def test_the_verdict_says_how_many_completed() -> None:
    assert verdict(counted(DONE, THROTTLED, CUT)) == ["90 of 96 exchanges completed (93.8 %); the others: 5 throttled, 1 stream_error"]
    assert verdict(counted(DONE)) == ["90 of 90 exchanges completed (100 %); nothing failed"]
    assert tables(counted(DONE)) == []


def test_what_is_unknown_is_told_with_its_reasons() -> None:
    told = accounts(counted(DONE, UNKNOWN, THROTTLED, CUT), {"spool_full": 3}, (103, 100))
    assert told == [
        "usage unknown: 10 (10 % of all, 4 completed ones among them)",
        "not decoded (the traffic went on): 4 message_crc, 1 json",
        "whole ledger: 103 exchanges seen, 100 have a row, unmeasured: 3 spool_full",
    ]
    assert accounts(counted(DONE), {}, (90, 90)) == ["whole ledger: 90 exchanges seen, 90 have a row, none unmeasured"]
    assert accounts(counted(DONE), {"spool_full": 3}, None) == ["unmeasured: 3 spool_full"]
    estimated = (*THROTTLED[:4], "estimated", None, 1, "t1", "t5", "id-9")
    assert accounts(counted(estimated), {}, None) == ["usage estimated by us: 1 (100 % of all)"]


def test_programs_get_fractions_and_full_times() -> None:
    found = counted(DONE, LONG)
    (record,) = records(found)
    assert record["share"] == 5 / 95
    assert record["first"] == "2026-11-24T05:03:44.000000Z"
    assert summary(found, {"x": 1}, (96, 95))["unmeasured"] == {"x": 1}
    assert summary(found, {}, None)["seen"] is None
