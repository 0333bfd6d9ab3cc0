from __future__ import annotations

from collections import Counter

import pytest

from streamgauge.recorder.accounting import RECORDER_REASONS, Accounting, Sums
from streamgauge.records import Abandoned, FirstOutput, SpoolRecord, Stalled
from streamgauge.sinks.ledger import Batch, InFlight, Stored, WorkerLine
from streamgauge.spool import Counters
from tests.spool.made import ended, started, status


def settled(accounts: Accounting) -> Batch:
    """Commit what waits, as a ledger would that has none of it yet."""
    batch = accounts.batch()
    accounts.committed({worker_id: Counter(row.outcome for row in rows) for worker_id, rows in batch.rows.items()})
    return batch


def fed(*records: SpoolRecord, seen: int = 0, unmeasured: dict[str, int] | None = None) -> Accounting:
    accounts = Accounting()
    accounts.line("w")
    accounts.counted("w", Counters(seen, unmeasured or {}, None))
    accounts.feed("w", records, 1, 10)
    return accounts


def test_an_end_becomes_a_row_and_what_is_open_at_the_commit_is_kept_as_open() -> None:
    accounts = fed(started("a"), started("b"), ended("a"))
    batch = settled(accounts)
    assert batch.rows == {"w": [ended("a").measurement]}
    assert [o.started for o in batch.open] == [started("b")]
    assert batch.over == []
    assert batch.workers == [WorkerLine("w", 1, 10, rows=1)]


def test_an_exchange_that_ends_later_leaves_the_open_ones() -> None:
    accounts = fed(started("a"))
    settled(accounts)
    accounts.feed("w", [ended("a")], 1, 20)
    batch = settled(accounts)
    assert (batch.over, batch.open) == (["a"], [])
    assert accounts.open == {}


def test_the_first_output_of_an_open_exchange_is_kept_and_that_of_an_unknown_one_is_not() -> None:
    accounts = fed(started("a"))
    settled(accounts)
    accounts.feed("w", [FirstOutput(exchange_id=i, ttft=0.4, upstream_ttft=0.3) for i in "ab"], 1, 20)
    assert settled(accounts).open == [InFlight("w", started("a"), 0.4, 0.3, persisted=True)]


def test_statuses_and_stalls_move_the_position_and_are_no_reason_to_commit() -> None:
    accounts = fed(status(), Stalled(exchange_id="a", silence=3.0))
    assert not accounts.dirty
    assert accounts.batch().workers == [WorkerLine("w", 1, 10)]


def test_an_abandoned_exchange_is_counted_once_and_has_no_row() -> None:
    accounts = fed(started("a"), Abandoned("a", "measuring_failed"), Abandoned("a", "measuring_failed"), seen=1)
    settled(accounts)
    accounts.lose("w")
    settled(accounts)
    assert accounts.sums() == Sums(1, 0, {"measuring_failed": 1})


def test_what_a_dead_worker_had_open_is_lost_with_what_is_known_of_it() -> None:
    known = {"tenant": "t", "site": "eu", "trace_id": "4bf92f35", "sdk_invocation_id": "5c3b", "sdk_attempt": 2}
    accounts = fed(started("a", **known), FirstOutput(exchange_id="a", ttft=0.4, upstream_ttft=0.3), seen=1)
    accounts.feed("x", [started("b")], 1, 5)
    settled(accounts)
    accounts.lose("w")
    batch = settled(accounts)
    (row,) = batch.rows["w"]
    assert (row.exchange_id, row.outcome, row.side, row.error_type) == ("a", "lost", "proxy", "worker_killed")
    assert {name: getattr(row, name) for name in known} == known
    assert (row.ttft, row.upstream_ttft, row.e2e) == (0.4, 0.3, None)
    assert batch.over == ["a"]
    assert list(accounts.open) == ["b"]


@pytest.mark.parametrize(
    ("first_segment", "closed", "damaged", "reason"),
    [
        (1, None, False, "worker_killed"),
        (1, False, False, "disk_full"),
        (1, True, False, "not_reported"),
        (1, None, True, "spool_damaged"),
        (3, None, True, "ledger_set_aside"),
    ],
)
def test_what_was_seen_and_is_nowhere_is_counted_under_its_likeliest_reason(
    first_segment: int, closed: bool | None, damaged: bool, reason: str
) -> None:
    accounts = Accounting()
    accounts.line("w", first_segment)
    accounts.counted("w", Counters(9, {"spool_full": 2}, closed))
    accounts.feed("w", [ended("a"), started("b"), Abandoned("b", "other")], first_segment, 10)
    accounts.lose("w")
    settled(accounts)
    accounts.finish("w", closed, damaged)
    (line,) = settled(accounts).workers
    assert line.finished
    assert line.seen == 9 == line.rows + sum(line.by_worker.values()) + sum(line.by_recorder.values())
    assert line.by_recorder == {"other": 1, reason: 5}
    assert reason in RECORDER_REASONS
    assert accounts.lines == {}
    assert accounts.sums() == Sums(9, 1, {"spool_full": 2, "other": 1, reason: 5})


def test_a_row_nobody_saw_raises_what_was_seen() -> None:
    accounts = fed(ended("a"), ended("b"), seen=1)
    settled(accounts)
    accounts.finish("w", None, damaged=False)
    settled(accounts)
    assert accounts.sums() == Sums(2, 2, {})


def test_counters_that_go_back_after_a_power_loss_do_not_take_anything_back() -> None:
    accounts = fed(seen=5)
    accounts.counted("w", Counters(3, {}, None))
    accounts.counted("w", None)
    assert accounts.sums().seen == 5


def test_a_row_the_ledger_had_already_is_not_counted_twice() -> None:
    accounts = fed(ended("a"), ended("b"), seen=2)
    accounts.batch()
    accounts.committed({"w": Counter(completed=1)})
    assert accounts.lines["w"].rows == 1


def test_accounts_go_on_where_the_ledger_stopped() -> None:
    accounts = Accounting()
    opened = InFlight("w", started("a"), persisted=True)
    accounts.restore(Stored([WorkerLine("w", 2, 30, seen=4, rows=1)], [opened], {}, 10, 8, {"spool_full": 2}))
    assert accounts.sums() == Sums(14, 9, {"spool_full": 2})
    accounts.feed("w", [ended("a")], 2, 40)
    batch = accounts.batch()
    assert (batch.over, batch.workers) == (["a"], [WorkerLine("w", 2, 40, seen=4, rows=1)])


def test_a_new_ledger_gets_every_account_and_every_open_exchange_and_says_where_the_rows_are() -> None:
    accounts = fed(ended("a"), started("b"), seen=3)
    settled(accounts)
    accounts.feed("w", [started("c"), ended("b")], 1, 20)
    accounts.begin_new_ledger()
    batch = settled(accounts)
    assert batch.rows == {"w": [ended("b").measurement]}
    assert [o.started.exchange_id for o in batch.open] == ["c"]
    assert batch.over == []
    assert accounts.sums() == Sums(3, 1, {"ledger_set_aside": 1})


def test_the_row_of_a_lost_exchange_has_all_that_its_start_had() -> None:
    begun = started("a", tenant="t", max_tokens=9, in_flight=3)
    accounts = fed(begun)
    accounts.lose("w")
    (row,) = accounts.batch().rows["w"]
    assert {name: getattr(row, name) for name in begun.__struct_fields__} == {
        name: getattr(begun, name) for name in begun.__struct_fields__
    }
