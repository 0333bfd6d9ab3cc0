from __future__ import annotations

from typing import Any

from streamgauge.reports.failures import FailureReport, columns, report
from streamgauge.reports.selection import Selection


def counted(*rows: tuple[Any, ...], by: tuple[str, ...] = ()) -> FailureReport:
    """From rows of (by..., outcome, error_type, side, http_status, usage_source, undecoded, n, first, last, example)."""
    return report(rows, Selection(by=by))


DONE = ("completed", None, None, 200, "reported", None, 90, "t1", "t9", "id-1")
UNKNOWN = ("completed", None, None, 200, "unknown", "message_crc", 4, "t1", "t9", "id-2")
THROTTLED = ("throttled", "ThrottlingException", "upstream", 429, "unknown", None, 5, "t3", "t4", "id-3")
CUT = ("stream_error", "stream_truncated", "upstream", 200, "unknown", "json", 1, "t2", "t2", "id-4")


def test_failures_are_counted_against_all_exchanges_of_the_group() -> None:
    found = counted(DONE, UNKNOWN, THROTTLED, CUT)
    assert found.total == 100
    assert [(f.kind[0], f.n) for f in found.failures] == [("throttled", 5), ("stream_error", 1)]
    assert found.outcomes == {"completed": 94, "throttled": 5, "stream_error": 1}


def test_the_same_failure_with_and_without_usage_is_one_failure() -> None:
    with_usage = (*THROTTLED[:4], "estimated", None, 2, "t1", "t5", "id-9")
    (failure,) = counted(THROTTLED, with_usage).failures
    assert (failure.n, failure.first, failure.last, failure.example) == (7, "t1", "t5", "id-9")


def test_unknown_usage_and_undecoded_bytes_are_counted() -> None:
    found = counted(DONE, UNKNOWN, THROTTLED, CUT)
    assert found.usage == {"reported": 90, "unknown": 10}
    assert found.unknown_completed == 4
    assert found.undecoded == {"message_crc": 4, "json": 1}


def test_the_largest_group_comes_first_and_its_most_frequent_failure_first() -> None:
    found = counted(("a", *CUT), ("b", *DONE), ("b", *CUT), ("b", *THROTTLED), by=("team",))
    assert [(f.key, f.kind[0]) for f in found.failures] == [(("b",), "throttled"), (("b",), "stream_error"), (("a",), "stream_error")]


def test_what_every_failure_has_anyway_makes_no_groups() -> None:
    selection = Selection(by=("outcome", "team"))
    assert columns(selection) == ["outcome", "team", "error_type", "side", "http_status", "usage_source", "undecoded"]
    found = report([(THROTTLED[0], "a", *THROTTLED[1:]), (DONE[0], "a", *DONE[1:])], selection)
    (failure,) = found.failures
    assert (found.by, failure.key, failure.kind[0], failure.n / found.totals[failure.key]) == (("team",), ("a",), "throttled", 5 / 95)


def test_hours_and_bands_come_in_their_own_order() -> None:
    found = counted(("256-1k", *THROTTLED), ("<256", *CUT), (None, *DONE), (None, *CUT), by=("prompt_band",))
    assert [f.key for f in found.failures] == [("<256",), ("256-1k",), (None,)]
