from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streamgauge.sinks.ledger import Ledger, LedgerSettings
from streamgauge.sinks.outbox import open_outbox
from tests.sinks.money_rows import rows
from tests.sinks.stored import WORKER, write

GIVEN = rows(30)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "ledger.db", GIVEN, shared="there")
    return tmp_path / "ledger.db"


def test_what_waits_comes_in_portions_and_goes_when_it_is_done(path: Path) -> None:
    seen = []
    with open_outbox(path) as box:
        while (portion := box.read(12)).entries:
            seen += [row["exchange_id"] for row in portion.rows]
            box.done(portion)
        assert box.size() == 0
    assert seen == [row.exchange_id for row in GIVEN]


def test_what_is_not_struck_off_comes_again(path: Path) -> None:
    with open_outbox(path) as box:
        first = box.read(12)
    with open_outbox(path) as box:
        assert box.read(12).rows == first.rows
        assert box.size() == 30


def test_accounts_come_with_the_last_rows_only_and_when_they_changed(path: Path) -> None:
    with open_outbox(path) as box:
        first = box.read(20)
        assert first.workers == []
        box.done(first)
        last = box.read(20)
        assert [(line["worker_id"], line["rows"]) for line in last.workers] == [(WORKER, 30)]
        assert [line["worker_id"] for line in box.read(20, last.accounts_at).workers] == [WORKER]
        assert box.read(20, last.accounts_at + "0").workers == []


def test_a_duplicate_does_not_wait_again(path: Path) -> None:
    write(path, GIVEN[:5], shared="there")
    with open_outbox(path) as box:
        assert box.size() == 30


def test_another_shared_ledger_lacks_everything_and_none_lacks_nothing(path: Path) -> None:
    with open_outbox(path) as box:
        box.done(box.read(100))
    write(path, [], shared="there")
    with open_outbox(path) as box:
        assert box.size() == 0
    write(path, [], shared="elsewhere")
    with open_outbox(path) as box:
        assert box.size() == 30
    write(path, rows(3, seed=4))
    with open_outbox(path) as box:
        assert box.size() == 0
    write(path, [], shared="elsewhere")
    with open_outbox(path) as box:
        assert box.size() == 33


def test_no_row_that_waits_is_deleted_for_its_age(path: Path) -> None:
    with open_outbox(path) as box:
        box.done(box.read(10))
    ledger = Ledger(LedgerSettings(str(path), shared="there"))
    ledger.load()
    assert ledger.prune(datetime(2027, 1, 1, tzinfo=UTC), 1000) == 10
    assert ledger.prune(datetime(2027, 1, 1, tzinfo=UTC), 1000) == 0
    with open_outbox(path) as box:
        box.done(box.read(100))
    assert ledger.prune(datetime(2027, 1, 1, tzinfo=UTC), 1000) == 20
    ledger.close()


def test_beyond_the_bound_the_oldest_are_given_up_and_counted(path: Path) -> None:
    with open_outbox(path) as box:
        assert box.give_up_beyond(30) == 0
        assert box.give_up_beyond(12) == 18
        assert [row["exchange_id"] for row in box.read(100).rows] == [row.exchange_id for row in GIVEN[18:]]
        box.refused(2)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT value FROM meta WHERE key = 'unshared_rows'").fetchone() == ("20",)
        assert connection.execute("SELECT count(*) FROM exchanges").fetchone() == (30,)


def test_a_missing_ledger_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError), open_outbox(tmp_path / "none.db"):
        pass
    assert not list(tmp_path.iterdir())
