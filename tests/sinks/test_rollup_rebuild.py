from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streamgauge.pricing.money import PICO
from streamgauge.reports.query import Ledger as Reader
from streamgauge.reports.rollup_query import sums
from streamgauge.reports.selection import Selection
from streamgauge.sinks.adjusting import Adjustment, add_adjustments
from streamgauge.sinks.ledger import Ledger, LedgerSettings
from streamgauge.sinks.ledger_write import for_writing
from streamgauge.sinks.rollup_rebuild import differing, first_whole_day, rebuild
from tests.postgres import Database
from tests.sinks.money_rows import rows, total_pico
from tests.sinks.stored import share, write

GIVEN = rows(400)

DATA = Path(__file__).parents[1] / "data" / "ledgers"


@pytest.fixture(params=["sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A ledger with rows and a correction, by its name."""
    path = tmp_path / "ledger.db"
    write(path, GIVEN, shared="x" if request.param == "postgres" else None)
    where = str(path)
    if request.param == "postgres":
        database: Database = request.getfixturevalue("database")
        share(path, database)
        where = database.open_url
    with for_writing(where) as engine:
        assert add_adjustments(engine, [Adjustment("a1", GIVEN[7].exchange_id, GIVEN[9].started_at, "reprice", -5)]) == 1
    return where


def _spoil(ledger: str, statement: str) -> None:
    with for_writing(ledger) as engine, engine.begin() as connection:
        connection.exec_driver_sql(statement)


def test_what_was_added_up_under_way_is_what_the_rows_say(ledger: str) -> None:
    with for_writing(ledger) as engine:
        assert differing(engine) == []
        with engine.connect() as connection:
            for table in ("rollup_hourly", "rollup_daily"):
                sums = connection.exec_driver_sql(
                    f"SELECT sum(exchanges), sum(cost_dollars), sum(cost_picos), sum(adjusted_dollars), sum(adjusted_picos) FROM {table}"
                ).one()
                count, dollars, picos, adjusted, adjusted_picos = (int(value) for value in sums)
                assert (count, dollars * PICO + picos, adjusted * PICO + adjusted_picos) == (400, total_pico(GIVEN), -5)


def test_sums_that_are_wrong_are_named_and_made_anew(ledger: str) -> None:
    _spoil(ledger, "UPDATE rollup_daily SET cost_picos = cost_picos + 1 WHERE period = '2026-11-25'")
    _spoil(ledger, "DELETE FROM rollup_hourly WHERE period = '2026-11-24T23'")
    _spoil(ledger, "INSERT INTO rollup_hourly (period, key, exchanges) VALUES ('2026-11-26T01', 'k', 3)")
    told: list[str] = []
    with for_writing(ledger) as engine:
        assert differing(engine) == ["2026-11-24T23", "2026-11-24", "2026-11-25", "2026-11-26T01", "2026-11-26"]
        assert rebuild(engine, lambda period, _: told.append(period)) == 400
        assert differing(engine) == []
    assert {"2026-11-24T22", "2026-11-26T01"} < set(told)


def test_days_of_which_rows_were_deleted_keep_their_sums(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    write(path, GIVEN)
    ledger = Ledger(LedgerSettings(str(path)))
    ledger.load()
    assert ledger.prune(datetime(2026, 11, 24, 23, 30, tzinfo=UTC), 1000) > 0
    ledger.close()
    with for_writing(path) as engine:
        assert first_whole_day(engine) == "2026-11-24~"
        assert differing(engine) == []
        assert rebuild(engine) < 400
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT sum(exchanges) FROM rollup_daily").fetchone() == (400,)


def _before_rollups(path: Path) -> Path:
    """A ledger as an earlier version left it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DATA / "before-rollups.sql").read_text(encoding="utf-8"))
    return path


def test_a_ledger_that_an_earlier_version_wrote_gets_sums_and_a_shared_ledger_gets_its_rows(tmp_path: Path, database: Database) -> None:
    path = _before_rollups(tmp_path / "ledger.db")
    with Reader(path) as before:
        assert sum(line.cost_pico for line in sums(before, Selection())) == 13 * PICO + 1
    write(path, [], shared="x")
    assert share(path, database) == 3
    for name in (str(path), database.open_url):
        with for_writing(name) as engine:
            assert differing(engine) == []
        with Reader(name) as after:
            assert sorted((line.group, line.exchanges, line.cost_pico) for line in sums(after, Selection(by=("day",)))) == [
                (("2026-11-24",), 1, PICO // 10 + 1),
                (("2026-11-25",), 2, 129 * PICO // 10),
            ]
            assert (after.seen(), after.unmeasured()) == ((4, 3), {"spool_full": 1})


def test_the_version_before_goes_on_reading_and_writing_what_this_one_wrote(tmp_path: Path) -> None:
    path = _before_rollups(tmp_path / "ledger.db")
    write(path, rows(10))
    with closing(sqlite3.connect(_before_rollups(tmp_path / "then.db"))) as then:
        names = [name for _, name, *_ in then.execute("PRAGMA table_info(exchanges)")]
    with closing(sqlite3.connect(path)) as connection:
        # Its statements name the columns that it knows; it knows no rollup.
        values = ", ".join("'019ac1f2-0009'" if name == "exchange_id" else name for name in names)
        connection.execute(f"INSERT INTO exchanges ({', '.join(names)}) SELECT {values} FROM exchanges WHERE exchange_id = '019ac1f2-0001'")
        connection.execute("UPDATE totals SET count = count + 1 WHERE outcome = 'completed'")
        connection.commit()
    write(path, [])
    with for_writing(path) as engine:
        assert differing(engine) == []
        with engine.connect() as connection_:
            assert connection_.exec_driver_sql("SELECT sum(exchanges) FROM rollup_daily").scalar() == 14


def test_a_ledger_of_a_version_without_rollups_gets_them_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    write(path, GIVEN)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for table in ("rollup_hourly", "rollup_daily", "adjustments", "outbox"):
            connection.execute(f"DROP TABLE {table}")
    write(path, rows(10, seed=2))
    with for_writing(path) as engine:
        assert differing(engine) == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT sum(exchanges) FROM rollup_daily").fetchone() == (410,)


def test_rows_that_an_older_version_wrote_and_deleted_do_not_cause_rebuilding_each_time(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    write(path, GIVEN)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE totals SET count = count + 5 WHERE outcome = 'completed'")
    write(path, [])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute("SELECT value FROM meta WHERE key = 'rollups_lack'").fetchone() == ("5",)
        connection.execute("UPDATE rollup_daily SET output_tokens = 1")
    write(path, [])  # the counts agree: nothing is added up again
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT max(output_tokens) FROM rollup_daily").fetchone() == (1,)
