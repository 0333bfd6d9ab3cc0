from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from streamgauge.sinks.adjusting import AT_ONCE, Adjustment, add_adjustments
from streamgauge.sinks.ledger_write import for_writing
from streamgauge.sinks.rollup_rebuild import differing
from tests.postgres import Database
from tests.sinks.money_rows import MIDNIGHT, rows, stamp
from tests.sinks.stored import share, write

GIVEN = rows(50)


def _correction(number: int, delta: int = 3) -> Adjustment:
    return Adjustment(f"a{number}", GIVEN[number].exchange_id, stamp(MIDNIGHT), "reprice", delta, "final", "book-2")


def test_a_correction_counts_once_however_often_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    write(path, GIVEN)
    with for_writing(path) as engine:
        assert add_adjustments(engine, [_correction(1), _correction(2)]) == 2
        assert add_adjustments(engine, [_correction(2), _correction(3), _correction(3)]) == 1
        assert differing(engine) == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT sum(adjustments), sum(adjusted_picos) FROM rollup_daily").fetchone() == (3, 9)


def test_a_correction_to_a_row_that_is_not_there_is_not_added(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    write(path, GIVEN)
    with for_writing(path) as engine:
        assert add_adjustments(engine, [Adjustment("a", "nobody", stamp(MIDNIGHT), "reprice", 3)]) == 0


def test_many_corrections_go_in_portions(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    write(path, GIVEN)
    many = [Adjustment(f"a{n}", GIVEN[n % 50].exchange_id, stamp(MIDNIGHT), "reprice", n) for n in range(AT_ONCE + 10)]
    with for_writing(path) as engine:
        assert add_adjustments(engine, many) == AT_ONCE + 10
        assert differing(engine) == []


def test_a_correction_made_at_the_proxys_own_ledger_reaches_the_shared_one_once(tmp_path: Path, database: Database) -> None:
    path = tmp_path / "ledger.db"
    write(path, GIVEN, shared="x")
    assert share(path, database) == 50
    with for_writing(path) as engine:
        add_adjustments(engine, [_correction(1, -(10**12)), _correction(2)])
    share(path, database)
    with for_writing(database.open_url) as engine:
        assert add_adjustments(engine, [_correction(2)]) == 0
        assert differing(engine) == []
    assert database.rows("SELECT count(*), sum(delta_picos) FROM adjustments") == [(2, -(10**12) + 3)]
    assert database.rows("SELECT sum(adjustments), sum(adjusted_dollars) * 1000000000000 + sum(adjusted_picos) FROM rollup_daily") == [
        (2, -(10**12) + 3)
    ]
