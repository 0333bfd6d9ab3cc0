from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from streamgauge.records import Measurement
from streamgauge.sinks.ledger_table import exchanges
from streamgauge.sinks.ledger_write import for_writing
from streamgauge.sinks.outbox import Portion, open_outbox
from streamgauge.sinks.postgres_access import SharedLedgerSettings
from streamgauge.sinks.rollup_rebuild import differing
from streamgauge.sinks.shared_ledger import SharedLedger, SharedLedgerRefused, SharedLedgerUnavailable
from tests.postgres import Database
from tests.sinks.money_rows import MIDNIGHT, row, rows, total_pico
from tests.sinks.stored import WORKER, share, shared_settings, write

GIVEN = rows(250)
SUMS = "SELECT sum(exchanges), sum(cost_dollars) * 1000000000000 + sum(cost_picos) FROM rollup_daily"


def _plain(given: list[Measurement]) -> list[dict[str, Any]]:
    return [msgspec.structs.asdict(each) | {"usage_conflict": None} for each in given]


def test_rows_rollups_totals_and_accounts_arrive_as_they_are(tmp_path: Path, database: Database) -> None:
    path = tmp_path / "l.db"
    write(path, GIVEN, shared="x")
    assert share(path, database) == 250
    names = exchanges.columns.keys()
    stored = [Measurement(**dict(zip(names, line, strict=True))) for line in database.rows("SELECT * FROM exchanges ORDER BY exchange_id")]
    assert stored == GIVEN
    assert database.rows(SUMS) == [(250, total_pico(GIVEN))]
    assert dict(database.rows("SELECT outcome, count FROM totals")) == Counter(each.outcome for each in GIVEN)
    assert database.rows("SELECT worker_id, seen, rows, finished FROM workers") == [(WORKER, 250, 250, False)]


def test_what_is_sent_again_adds_to_nothing(tmp_path: Path, database: Database) -> None:
    path = tmp_path / "l.db"
    write(path, GIVEN, shared="x")
    shared = SharedLedger(shared_settings(database))
    with open_outbox(path) as box:
        portion = box.read(1000)
        assert (shared.store(portion), shared.store(portion)) == (250, 0)
    shared.close()
    assert database.rows(SUMS) == [(250, total_pico(GIVEN))]
    assert database.rows("SELECT sum(count) FROM totals") == [(250,)]


def test_proxies_that_send_at_the_same_time_do_not_hinder_each_other(database: Database) -> None:
    parts = [rows(200, seed=seed, prefix=f"p{seed}") for seed in range(4)]
    failed: list[BaseException] = []

    def send(given: list[Measurement]) -> None:
        shared = SharedLedger(shared_settings(database))
        try:
            for start in range(0, 200, 20):
                shared.store(Portion(rows=_plain([*given[start : start + 20], *parts[0][start : start + 5]])))
        except BaseException as error:
            failed.append(error)
        finally:
            shared.close()

    threads = [threading.Thread(target=send, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    everything = [each for part in parts for each in part]
    assert database.rows(SUMS) == [(800, total_pico(everything))]
    with for_writing(database.open_url) as engine:
        assert differing(engine) == []


def test_a_zero_character_does_not_keep_a_row_out(database: Database) -> None:
    shared = SharedLedger(shared_settings(database))
    assert shared.store(Portion(rows=_plain([row("a", app="x\0y"), row("b", app="\\u0000\\\0", usage_conflict=None)]))) == 2
    for table in ("exchanges", "rollup_hourly"):
        assert database.rows(f"SELECT app FROM {table} ORDER BY app") == [("\\u0000\\\ufffd",), ("x\ufffdy",)]
    shared.close()


def test_a_name_of_any_length_can_be_summed_by_and_looked_up(database: Database) -> None:
    shared = SharedLedger(shared_settings(database))
    assert shared.store(Portion(rows=_plain([row("a", app="x" * 100_000, upstream_request_id="y" * 256)]))) == 1
    shared.close()


def test_a_portion_that_cannot_be_taken_is_refused_as_a_whole(database: Database) -> None:
    shared = SharedLedger(shared_settings(database))
    wrong = _plain([row("a"), row("b")])
    wrong[1]["max_tokens"] = 2**70
    with pytest.raises(SharedLedgerRefused):
        shared.store(Portion(rows=wrong))
    assert database.rows("SELECT count(*) FROM exchanges") == [(0,)]
    assert shared.store(Portion(), wrong[:1]) == 1
    shared.close()


def test_a_database_that_lets_nobody_in_is_unavailable_and_no_word_holds_the_password(database: Database) -> None:
    shared = SharedLedger(SharedLedgerSettings(database.open_url.replace("tide", "ebb")))
    with pytest.raises(SharedLedgerUnavailable, match="password authentication failed") as refused:
        shared.store(Portion(rows=_plain([row("a")])))
    assert "ebb" not in str(refused.value)
    shared.close()


def test_a_table_of_the_version_before_gets_the_columns_it_lacks_and_that_version_goes_on_writing(database: Database) -> None:
    first = SharedLedger(shared_settings(database))
    first.store(Portion(rows=_plain(GIVEN[:10])))
    for table, column in (
        ("exchanges", "output_estimate"),
        ("rollup_hourly", "label"),
        ("rollup_daily", "label"),
        ("rollup_daily", "priced"),
    ):
        database.rows(f"ALTER TABLE {table} DROP COLUMN {column}")
    second = SharedLedger(shared_settings(database))
    second.store(Portion(rows=_plain(GIVEN[10:20])))
    # The version before knows fewer columns, and names those it knows.
    names = [column.name for column in exchanges.columns if column.name != "output_estimate"]
    database.rows(
        f"INSERT INTO exchanges ({', '.join(names)}) SELECT {', '.join('exchange_id || 1' if n == 'exchange_id' else n for n in names)} "
        "FROM exchanges LIMIT 1"
    )
    assert database.rows("SELECT count(*), count(output_estimate) FROM exchanges") == [(21, 0)]
    assert database.rows("SELECT sum(exchanges) FROM rollup_daily") == [(20,)]
    first.close()
    second.close()


def test_columns_of_a_newer_version_are_left_alone(database: Database) -> None:
    first = SharedLedger(shared_settings(database))
    first.store(Portion(rows=_plain(GIVEN[:10])))
    for table in ("exchanges", "rollup_hourly", "rollup_daily", "workers"):
        database.rows(f"ALTER TABLE {table} ADD COLUMN later bigint")
    second = SharedLedger(shared_settings(database))
    second.store(Portion(rows=_plain(GIVEN[10:20])))
    assert database.rows("SELECT sum(exchanges), sum(later) FROM rollup_hourly") == [(20, None)]
    first.close()
    second.close()


def test_a_ledger_whose_meaning_changed_is_not_written(database: Database) -> None:
    shared = SharedLedger(shared_settings(database))
    shared.store(Portion())
    shared.close()
    database.rows("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    again = SharedLedger(shared_settings(database))
    with pytest.raises(SharedLedgerUnavailable, match="newer streamgauge"):
        again.store(Portion(rows=_plain(GIVEN[:1])))
    again.close()


def test_old_rows_are_deleted_in_portions_by_one_at_a_time_and_the_sums_stay(database: Database) -> None:
    shared = SharedLedger(shared_settings(database))
    shared.store(Portion(rows=_plain(GIVEN)))
    midnight = datetime(2026, 11, 25, tzinfo=UTC)
    old = sum(each.started_at < "2026-11-25" for each in GIVEN)
    assert [shared.prune(midnight, 100), shared.prune(midnight, 100), shared.prune(midnight, 100)] == [100, old - 100, 0]
    assert database.rows(SUMS) == [(250, total_pico(GIVEN))]
    assert dict(database.rows("SELECT key, value FROM meta WHERE key LIKE 'pruned%'")) == {
        "pruned_rows": str(old),
        "pruned_before": "2026-11-25T00:00:00.000000Z",
    }
    shared.close()


def test_texts_are_ordered_byte_by_byte_whatever_the_database_speaks(database: Database) -> None:
    shared = SharedLedger(shared_settings(database))
    shared.store(Portion(rows=_plain(GIVEN[:1])))
    shared.close()
    found = database.rows(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND data_type = 'character varying' AND collation_name IS DISTINCT FROM 'C'"
    )
    assert found == []


def test_deleting_old_rows_keeps_no_writer_and_no_reader_waiting(database: Database) -> None:
    shared = SharedLedger(shared_settings(database))
    shared.store(Portion(rows=_plain(GIVEN[:100])))
    with psycopg.connect(database.open_url) as deleting:
        # As ``prune`` does it, and not yet committed.
        deleting.execute("DELETE FROM exchanges WHERE exchange_id IN (SELECT exchange_id FROM exchanges ORDER BY started_at LIMIT 50)")
        database.rows("SET lock_timeout = '1s'; SELECT count(*) FROM exchanges, rollup_daily")
        assert shared.store(Portion(rows=_plain([row("late", MIDNIGHT - timedelta(hours=1)), *GIVEN[100:150]]))) == 51
        assert shared.prune(MIDNIGHT - timedelta(days=9), 100) == 0
    shared.close()
    assert database.rows("SELECT count(*) FROM exchanges") == [(101,)]
