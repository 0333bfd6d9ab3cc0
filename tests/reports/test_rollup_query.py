from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from streamgauge.errors import UsageError
from streamgauge.reports.query import Ledger
from streamgauge.reports.rollup_query import Sums, sums
from streamgauge.reports.selection import Condition, Selection
from streamgauge.sinks.adjusting import Adjustment, add_adjustments
from streamgauge.sinks.ledger_table import LOCAL, metadata
from streamgauge.sinks.ledger_write import for_writing
from tests.postgres import Database
from tests.sinks.money_rows import MIDNIGHT, by_team_and_day, rows, total_pico
from tests.sinks.stored import share, write

GIVEN = rows(600, minutes=4 * 24 * 60)
EDGES = [
    None,
    MIDNIGHT,
    MIDNIGHT - timedelta(hours=30),
    MIDNIGHT - timedelta(hours=30, minutes=17),
    MIDNIGHT + timedelta(minutes=11),
    MIDNIGHT + timedelta(minutes=41),
    MIDNIGHT + timedelta(hours=25, microseconds=1),
]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rollups") / "l.db"
    write(path, GIVEN, shared="x")
    with for_writing(path) as engine:
        add_adjustments(engine, [Adjustment("a", GIVEN[300].exchange_id, GIVEN[300].started_at, "reprice", -(10**12) - 1)])
    return path


def _total(found: list[Sums]) -> tuple[int, int, int]:
    return sum(s.exchanges for s in found), sum(s.cost_pico for s in found), sum(s.adjusted_pico for s in found)


def test_by_team_and_day_is_what_the_rows_say(path: Path) -> None:
    with Ledger(path) as ledger:
        found = sums(ledger, Selection(by=("team", "day")))
    assert {(s.group[0], s.group[1]): (s.exchanges, s.input_tokens, s.output_tokens, s.cost_pico) for s in found} == by_team_and_day(GIVEN)
    assert sum(s.adjusted_pico for s in found) == -(10**12) - 1


@pytest.mark.parametrize("since", EDGES)
@pytest.mark.parametrize("until", EDGES)
def test_any_period_is_exact_however_it_lies_to_hours_and_days(path: Path, since: datetime | None, until: datetime | None) -> None:
    if since and until and since >= until:
        since, until = until - timedelta(seconds=1), since
    within = [
        row
        for row in GIVEN
        if (since is None or datetime.fromisoformat(row.started_at) >= since)
        and (until is None or datetime.fromisoformat(row.started_at) < until)
    ]
    adjusted = -(10**12) - 1 if GIVEN[300] in within else 0
    with Ledger(path) as ledger:
        for by in ((), ("hour",), ("model", "month")):
            assert _total(sums(ledger, Selection(since, until, by))) == (len(within), total_pico(within), adjusted)


def test_a_condition_holds_for_rollups_and_for_rows(path: Path) -> None:
    where = (Condition("team", "=", "search"), Condition("outcome", "!=", "throttled"))
    since = MIDNIGHT - timedelta(hours=30, minutes=17)
    with Ledger(path) as ledger:
        found = sums(ledger, Selection(since, None, ("week",), where))
    wanted = [
        row for row in GIVEN if row.team == "search" and row.outcome != "throttled" and datetime.fromisoformat(row.started_at) >= since
    ]
    assert (sum(s.exchanges for s in found), sum(s.cost_pico for s in found)) == (len(wanted), total_pico(wanted))
    assert {s.group for s in found} == {("2026-W48",)}


def test_a_column_that_is_not_summed_by_is_refused_with_those_that_are(path: Path) -> None:
    with Ledger(path) as ledger:
        with pytest.raises(UsageError, match="sums are kept by tenant, team"):
            sums(ledger, Selection(by=("http_status",)))
        with pytest.raises(UsageError, match="sums are kept by tenant, team"):
            sums(ledger, Selection(where=(Condition("ttft", ">", 1.0),)))


def test_a_ledger_without_rollups_is_added_up_from_its_rows(path: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(old)) as copy:
        source.backup(copy)
        for table in ("rollup_hourly", "rollup_daily", "adjustments"):
            copy.execute(f"DROP TABLE {table}")
    with Ledger(old) as ledger:
        assert _total(sums(ledger, Selection(by=("team", "day")))) == (600, total_pico(GIVEN), 0)


def test_both_databases_give_the_same_sums(path: Path, database: Database) -> None:
    share(path, database)
    chosen = Selection(MIDNIGHT - timedelta(hours=30, minutes=17), MIDNIGHT + timedelta(hours=25), ("team", "model", "day"))
    with Ledger(path) as here, Ledger(database.open_url) as there:
        for selection in (chosen, Selection(by=("cost_status", "hour"))):
            assert sorted(map(repr, sums(here, selection))) == sorted(map(repr, sums(there, selection)))


def test_what_is_in_a_proxys_own_file_alone_is_marked() -> None:
    assert {name for name, table in metadata.tables.items() if LOCAL in table.info} == {"in_flight", "outbox"}
