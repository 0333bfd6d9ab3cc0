from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamgauge.recorder.shipping import Shipping, shipping_to
from streamgauge.sinks.ledger import Batch, Ledger, LedgerSettings
from streamgauge.sinks.ledger_write import for_writing
from streamgauge.sinks.outbox import open_outbox
from streamgauge.sinks.postgres_access import SharedLedgerSettings
from streamgauge.sinks.rollup_rebuild import differing
from tests.postgres import PASSWORD, Database, Server
from tests.sinks.money_rows import rows, total_pico
from tests.sinks.stored import shared_settings, write
from tests.spool.made import until

SUMS = "SELECT sum(exchanges), sum(cost_dollars) * 1000000000000 + sum(cost_picos) FROM rollup_daily"


@contextmanager
def shipping(path: Path, database: Database, **more: float) -> Iterator[Shipping]:
    found = Shipping(str(path), shared_settings(database, **more))
    found.start()
    try:
        yield found
    finally:
        found.stop()


def _waits(path: Path) -> int:
    with open_outbox(path) as box:
        return box.size()


def test_what_waits_is_sent_in_portions_and_struck_off(tmp_path: Path, database: Database) -> None:
    path, given = tmp_path / "l.db", rows(300)
    write(path, given, shared="x")
    with shipping(path, database, batch_rows=70) as thread:
        until(lambda: _waits(path) == 0)
        assert thread.trouble() is None
    assert thread.summary() == {"name": database.url.replace("streamgauge@", ""), "waiting": 0, "error": None}
    assert database.rows(SUMS) == [(300, total_pico(given))]


def test_at_the_end_what_waits_is_still_sent(tmp_path: Path, database: Database) -> None:
    path = tmp_path / "l.db"
    write(path, rows(300), shared="x")
    with shipping(path, database, batch_rows=50):
        pass
    assert database.rows("SELECT count(*) FROM exchanges") == [(300,)]


def test_an_outage_is_told_and_caught_up_with(tmp_path: Path, postgres_server: Server, database: Database) -> None:
    path, given = tmp_path / "l.db", rows(400)
    write(path, given[:100], shared="x")
    with shipping(path, database) as thread:
        until(lambda: _waits(path) == 0)
        postgres_server.stop()
        try:
            write(path, given[100:], shared="x")
            until(lambda: thread.trouble() is not None)
            said = thread.trouble() or ""
        finally:
            postgres_server.start()
        until(lambda: _waits(path) == 0 and thread.trouble() is None, 30)
    assert "the shared ledger cannot be written" in said
    assert PASSWORD not in said
    assert database.rows(SUMS) == [(400, total_pico(given))]


def test_a_row_that_the_database_does_not_take_holds_up_no_other(tmp_path: Path, database: Database) -> None:
    path = tmp_path / "l.db"
    write(path, rows(60), shared="x")
    database.rows("SELECT 1")
    with shipping(path, database):
        until(lambda: _waits(path) == 0)
    database.rows("ALTER TABLE exchanges ADD CONSTRAINT odd CHECK (exchange_id NOT LIKE '%000007' OR exchange_id LIKE 'x-1-%')")
    write(path, rows(60, seed=2), shared="x")
    with shipping(path, database):
        until(lambda: _waits(path) == 0)
    assert database.rows("SELECT count(*) FROM exchanges") == [(119,)]
    with for_writing(path) as engine, engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT value FROM meta WHERE key = 'unshared_rows'").scalar() == "1"
    with for_writing(database.open_url) as engine:
        assert differing(engine) == []


def test_too_many_that_wait_are_given_up_and_recording_is_not_disturbed(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    write(path, rows(60), shared="x")
    nowhere = Shipping(str(path), SharedLedgerSettings("postgresql://u@127.0.0.1:1/d", max_waiting_rows=25))
    nowhere.start()
    until(lambda: nowhere.trouble() is not None)
    assert _waits(path) == 25
    nowhere.stop(0.1)


def test_old_rows_of_the_shared_ledger_are_deleted_where_that_is_asked_for(tmp_path: Path, database: Database) -> None:
    path = tmp_path / "l.db"
    given = rows(50)
    for each in given[:20]:
        each.started_at = each.started_at.replace("2026-", "2020-")
    write(path, given, shared="x")
    with shipping(path, database, days=3650.0 / 2):
        until(lambda: _waits(path) == 0 and database.rows("SELECT count(*) FROM exchanges") == [(30,)])


def test_a_ledger_that_is_set_aside_under_way_loses_nothing_of_the_next(tmp_path: Path, database: Database) -> None:
    path, given = tmp_path / "l.db", rows(300)
    ledger = Ledger(LedgerSettings(str(path), busy_seconds=5.0, shared="x"))
    ledger.load()
    ledger.commit(Batch({"w": given[:150]}))
    with shipping(path, database, batch_rows=20):
        until(lambda: _waits(path) == 0)
        ledger.begin_new()
        ledger.commit(Batch({"w": given[150:]}))
        until(lambda: _waits(path) == 0)
    ledger.close()
    assert database.rows(SUMS) == [(300, total_pico(given))]


def test_what_can_never_work_is_said_and_leaves_recording_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert shipping_to(SharedLedgerSettings(), str(tmp_path / "l.db")) is None
    wrong = SharedLedgerSettings("postgresql://u@h/d", password_file=str(tmp_path / "none"))
    assert shipping_to(wrong, str(tmp_path / "l.db")) is None
    assert "nothing is sent to the shared ledger" in caplog.text
    assert "shipping" not in [thread.name for thread in threading.enumerate()]


def test_a_proxy_without_traffic_makes_the_tables_that_readers_look_for(tmp_path: Path, database: Database) -> None:
    path = tmp_path / "l.db"
    write(path, [], shared="x")
    with shipping(path, database, days=36500.0) as thread:
        until(lambda: database.rows("SELECT to_regclass('rollup_daily')") != [(None,)])
        assert thread.trouble() is None
