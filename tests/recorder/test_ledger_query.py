from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from streamgauge.errors import UsageError
from streamgauge.recorder.ledger_query import MAX_LIMIT, MAX_UNDER_WAY, Query, Questions, TooBusy, read_exchanges
from streamgauge.records import Measurement
from streamgauge.sinks.ledger import Batch, Ledger, LedgerSettings
from tests.spool.made import ended

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def parsed(*pairs: tuple[str, str]) -> Query:
    return Query.parse(pairs, NOW)


@pytest.fixture
def path(tmp_path: Path) -> str:
    ledger = Ledger(LedgerSettings(str(tmp_path / "ledger.db")))

    def row(hour: int, **fields: Any) -> Measurement:
        return ended(f"x{hour}", started_at=f"2026-11-24T{hour:02}:00:00.000000Z", **fields).measurement

    rows = [
        row(8, team="a", http_status=429),
        row(10, team="a", streaming=True),
        row(9, team="b", ttft=0.5, usage_conflict={"output_tokens": 1}),
    ]
    ledger.load()
    ledger.commit(Batch({"w": rows}))
    ledger.close()
    return str(tmp_path / "ledger.db")


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], ["x10", "x9", "x8"]),
        ([("limit", "2")], ["x10", "x9"]),
        ([("since", "3h")], ["x10", "x9"]),
        ([("since", "2026-11-24T10:00:00+01:00")], ["x10", "x9"]),
        ([("where", "team=a")], ["x10", "x8"]),
        ([("where", "team=a"), ("where", "http_status=429")], ["x8"]),
        ([("where", "streaming=true")], ["x10"]),
        ([("where", "ttft=0.5")], ["x9"]),
        ([("where", "team=a=b")], []),
        ([("where", "team=' OR 1=1 --")], []),
    ],
)
def test_the_newest_that_meet_all_conditions_are_read(path: str, pairs: list[tuple[str, str]], expected: list[str]) -> None:
    assert [row["exchange_id"] for row in read_exchanges(path, parsed(*pairs))] == expected


@pytest.fixture
def endless(path: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A ledger in which every question takes for ever."""
    forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    monkeypatch.setattr("streamgauge.recorder.ledger_query._statement", lambda _query: sa.text(forever))
    return path


def test_what_takes_too_long_is_interrupted_and_its_thread_is_free_again(endless: str) -> None:
    async def asked() -> None:
        questions = Questions(endless, 0.2)
        answers = await asyncio.gather(*(questions.exchanges(Query()) for _ in range(5)), return_exceptions=True)
        assert [type(answer) for answer in answers] == [TimeoutError] * 5
        async with asyncio.timeout(10):
            while questions._under_way:
                await asyncio.sleep(0.005)
        questions.close()

    asyncio.run(asked())


def test_more_questions_than_can_be_answered_are_refused_at_once_and_the_end_interrupts_all(endless: str) -> None:
    async def asked() -> float:
        questions = Questions(endless, 60.0)
        waiting = [asyncio.get_running_loop().create_task(questions.exchanges(Query())) for _ in range(MAX_UNDER_WAY)]
        await asyncio.sleep(0)
        with pytest.raises(TooBusy):
            await questions.exchanges(Query())
        before = time.monotonic()
        questions.close()
        await asyncio.wait(waiting)
        assert all(answer.cancelled() or isinstance(answer.exception(), TimeoutError) for answer in waiting)
        return time.monotonic() - before

    assert asyncio.run(asked()) < 5


def test_a_measurement_is_read_with_all_its_fields(path: str) -> None:
    (row,) = read_exchanges(path, parsed(("where", "exchange_id=x9")))
    assert set(row) == set(Measurement.__struct_fields__)
    assert row["usage_conflict"] == {"output_tokens": 1}


def test_without_a_ledger_its_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.db"):
        read_exchanges(str(tmp_path / "gone.db"), Query())


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [
        (("limit", "0"), "limit='0' is not a number from 1"),
        (("limit", str(MAX_LIMIT + 1)), "is not a number from 1 to 1000"),
        (("limit", "many"), "limit='many'"),
        (("since", "yesterday"), "neither a span like 15m"),
        (("since", "999999d"), "neither a span"),
        (("since", "2026-11-24T10:00:00"), "has no time zone"),
        (("where", "team"), "not of the form field=value"),
        (("where", "prompt=x"), "no field 'prompt'"),
        (("where", "usage_conflict=x"), "no field 'usage_conflict'"),
        (("where", "http_status=x"), "'x' is no value of http_status"),
        (("where", "http_status=99999999999999999999"), "is no value of http_status"),
        (("where", "streaming=maybe"), "'maybe' is no value of streaming"),
        (("order", "asc"), "unknown parameter 'order'"),
    ],
)
def test_what_cannot_be_understood_gets_a_sentence(pair: tuple[str, str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        parsed(pair)
