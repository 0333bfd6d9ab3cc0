from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from streamgauge.errors import CouldNotRun, UsageError
from streamgauge.reports.dimensions import BANDS, DIMENSIONS
from streamgauge.reports.query import Ledger
from streamgauge.reports.selection import Condition, Selection, condition
from streamgauge.sinks.ledger import Batch, LedgerSettings, WorkerLine
from streamgauge.sinks.ledger import Ledger as Writer
from streamgauge.sinks.ledger_table import unmeasured, workers
from tests.reports.ledgers import measured, write

SOME_IDS = ("019ac1f2-0001", "019ac1f2-0002", "019ac1f3-0003")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rows = [
        measured(exchange_id=SOME_IDS[0], started_at="2026-11-24T05:00:00.000000Z", input_tokens=255, in_flight=1, error_type=None),
        measured(
            exchange_id=SOME_IDS[1], started_at="2026-11-24T05:59:59.999999Z", input_tokens=256, team="support", upstream_request_id="req-2"
        ),
        measured(
            exchange_id=SOME_IDS[2],
            started_at="2026-11-24T06:00:00.000000Z",
            input_tokens=None,
            outcome="throttled",
            error_type="ThrottlingException",
            model="nova",
            connection_reused=True,
        ),
    ]
    return write(tmp_path / "ledger.db", rows)


def ids(path: Path, *where: str, since: datetime | None = None, until: datetime | None = None) -> list[str]:
    selection = Selection(where=tuple(condition(text) for text in where), since=since, until=until)
    with Ledger(path) as ledger:
        return [row.exchange_id for row in ledger.rows(selection, ["exchange_id"])]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (["team=support"], [1]),
        (["team!=support"], [0, 2]),
        (["error_type="], [0, 1]),
        (["error_type!="], [2]),
        (["error_type!=ThrottlingException"], [0, 1]),
        (["input_tokens>=256"], [1]),
        (["input_tokens<256"], [0]),
        (["input_tokens<=255"], [0]),
        (["input_tokens>255"], [1]),
        (["prompt_band=<256"], [0]),
        (["prompt_band="], [2]),
        (["hour=2026-11-24T05"], [0, 1]),
        (["day=2026-11-24", "outcome=throttled"], [2]),
        (["model=nova"], [2]),
        (["model=amazon.nova-pro-v1:0"], [0, 1]),
        (["connection_reused=true"], [2]),
    ],
)
def test_conditions_choose_rows(path: Path, where: list[str], found: list[int]) -> None:
    assert ids(path, *where) == [SOME_IDS[i] for i in found]


def test_every_row_comes_once_and_in_order_over_all_pages_also_of_the_same_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamgauge.reports.query.BATCH", 3)
    rows = [measured(exchange_id=f"x{n:02}", started_at=f"2026-11-24T05:00:{n // 5:02}.000000Z") for n in range(20)]
    with Ledger(write(tmp_path / "pages.db", reversed(rows))) as ledger:
        there = [f"x{n:02}" for n in range(20)]
        assert [row.exchange_id for row in ledger.rows(Selection(), ["exchange_id"])] == there
        assert [row.exchange_id for row in ledger.measurements(Selection())] == there[::-1]
        for limit in (1, 3, 7, 20, 21):
            found = ledger.rows(Selection(), ["exchange_id", "started_at"], newest_first=True, limit=limit)
            assert [row.exchange_id for row in found] == there[::-1][:limit]


@pytest.mark.parametrize("of", ["rows", "measurements"])
def test_a_reader_that_waits_for_its_screen_does_not_let_the_write_ahead_log_grow(tmp_path: Path, of: str) -> None:
    path = tmp_path / "live.db"
    writer = Writer(LedgerSettings(str(path)))
    writer.load()
    writer._file.connection().execute("PRAGMA wal_autocheckpoint=100")  # a 40th of what is usual: the test writes less

    def commit(first: int) -> None:
        rows = [measured(exchange_id=f"x{first + n:06}", requested_model="m" * 500) for n in range(200)]
        writer.commit(Batch({"w": rows}, workers=[WorkerLine("w")]))

    commit(0)
    with Ledger(path) as ledger:
        reading = iter(ledger.rows(Selection(), ["ttft"]) if of == "rows" else ledger.measurements(Selection()))
        next(reading)
        for first in range(200, 4_000, 200):
            commit(first)
        written = Path(f"{path}-wal").stat().st_size
    writer.close()
    assert path.stat().st_size > 3_000_000
    assert written < 2_000_000


def test_since_is_inclusive_and_until_exclusive(path: Path) -> None:
    six = datetime(2026, 11, 24, 6, tzinfo=UTC)
    assert ids(path, since=six) == [SOME_IDS[2]]
    assert ids(path, until=six) == list(SOME_IDS[:2])


def test_how_the_ledger_spells_utc_does_not_matter(tmp_path: Path) -> None:
    other = write(tmp_path / "other.db", [measured(started_at="2026-11-24T06:00:00.000000+00:00")])
    six = datetime(2026, 11, 24, 6, tzinfo=UTC)
    assert len(ids(other, since=six)) == 1
    assert ids(other, until=six) == []


@pytest.mark.parametrize("name", BANDS)
def test_sql_cuts_bands_as_the_table_of_bands_does(tmp_path: Path, name: str) -> None:
    bands = BANDS[name]
    numbers = [None, 0, *(bound + step for bound in bands.bounds for step in (-1, 0, 1))]
    rows = [measured(exchange_id=f"{i:03}", **{bands.column: number}) for i, number in enumerate(numbers)]
    with Ledger(write(tmp_path / "bands.db", rows)) as ledger:
        found = [tuple(row)[:2] for row in ledger.rows(Selection(), [bands.column, name])]
    assert found == [(number, bands.label(number)) for number in numbers]


def test_every_dimension_can_be_selected_and_counted(path: Path) -> None:
    with Ledger(path) as ledger:
        assert len(list(ledger.rows(Selection(), list(DIMENSIONS)))) == 3
        counts = ledger.counts(Selection(), list(DIMENSIONS))
    assert sum(row.n for row in counts) == 3


def test_counts_know_first_last_and_an_example(path: Path) -> None:
    with Ledger(path) as ledger:
        (row,) = ledger.counts(Selection(where=(Condition("outcome", "=", "completed"),)), ["outcome"])
    assert tuple(row) == ("completed", 2, "2026-11-24T05:00:00.000000Z", "2026-11-24T05:59:59.999999Z", SOME_IDS[1])


def test_newest_first_and_a_limit(path: Path) -> None:
    with Ledger(path) as ledger:
        found = [row.exchange_id for row in ledger.rows(Selection(), ["exchange_id"], newest_first=True, limit=2)]
        assert ledger.span() == (3, "2026-11-24T05:00:00.000000Z", "2026-11-24T06:00:00.000000Z")
    assert found == [SOME_IDS[2], SOME_IDS[1]]


@pytest.mark.parametrize(
    ("name", "found"), [("019ac1f3", [2]), ("019ac1f2-0001", [0]), ("019ac1f2", [0, 1]), ("req-2", [1]), ("req", []), ("_", [])]
)
def test_an_exchange_is_found_by_id_prefix_or_the_provider_s_request_id(path: Path, name: str, found: list[int]) -> None:
    with Ledger(path) as ledger:
        assert [m.exchange_id for m in ledger.find(name)] == [SOME_IDS[i] for i in found]


def test_a_measurement_comes_back_as_it_went_in(tmp_path: Path) -> None:
    m = measured(usage_conflict={"output_tokens": 3}, cold=False, cost_usd="0.10")
    with Ledger(write(tmp_path / "one.db", [m])) as ledger:
        assert ledger.find(m.exchange_id) == [m]


def test_attempts_of_a_call_are_found_near_it_only(tmp_path: Path) -> None:
    rows = [
        measured(exchange_id="a", sdk_invocation_id="call", started_at="2026-11-24T05:00:00.000000Z"),
        measured(exchange_id="b", sdk_invocation_id="call", started_at="2026-11-24T05:00:02.000000Z"),
        measured(exchange_id="c", sdk_invocation_id="call", started_at="2026-11-24T09:00:00.000000Z"),
        measured(exchange_id="d", started_at="2026-11-24T05:00:01.000000Z"),
    ]
    with Ledger(write(tmp_path / "retry.db", rows)) as ledger:
        assert [m.exchange_id for m in ledger.attempts(rows[0])] == ["a", "b"]
        assert ledger.attempts(rows[3]) == []


def test_an_older_ledger_without_the_newest_columns_reads_them_as_absent(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE exchanges DROP COLUMN signing")
        connection.execute("ALTER TABLE exchanges DROP COLUMN sdk_invocation_id")
    connection.close()
    with Ledger(path) as ledger:
        rows = list(ledger.measurements(Selection()))
        assert [row.signing for row in rows] == [None, None, None]
        (found,) = ledger.find(SOME_IDS[0])
        assert ledger.attempts(found) == []


def test_the_accounts_are_read_where_they_are(path: Path) -> None:
    def account(connection: sa.Connection) -> None:
        row: dict[str, Any] = {
            "worker_id": "w",
            "segment": 1,
            "offset": 0,
            "first_segment": 1,
            "seen": 5,
            "rows": 3,
            "finished": True,
            "updated_at": "x",
        }
        connection.execute(workers.insert(), [row])
        one = {"worker_id": "w", "counted_by": "worker"}
        connection.execute(unmeasured.insert(), [one | {"reason": "spool_full", "count": 2}, one | {"reason": "x", "count": 0}])

    with Ledger(path) as ledger:
        assert ledger.seen() is None
        assert ledger.unmeasured() == {}
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        account(connection)
    engine.dispose()
    with Ledger(path) as ledger:
        assert ledger.seen() == (5, 3)
        assert ledger.unmeasured() == {"spool_full": 2}


def test_a_ledger_without_accounts_says_nothing_about_them(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE workers")
        connection.execute("DROP TABLE unmeasured")
    connection.close()
    with Ledger(path) as ledger:
        assert ledger.seen() is None
        assert ledger.unmeasured() == {}


def test_a_ledger_that_is_not_there_is_not_created(tmp_path: Path) -> None:
    missing = tmp_path / "none.db"
    with pytest.raises(UsageError, match=f"no ledger at {missing}"):
        Ledger(missing)
    assert not missing.exists()


def test_a_damaged_ledger_is_an_error_with_its_path(path: Path) -> None:
    many = write(path.with_name("broken.db"), [measured(exchange_id=f"{i:05}") for i in range(2_000)])
    whole = bytearray(many.read_bytes())
    whole[len(whole) // 2 :] = b"\xff" * (len(whole) - len(whole) // 2)
    many.write_bytes(whole)
    with pytest.raises((CouldNotRun, UsageError), match=r"broken\.db (could not|cannot) be read"), Ledger(many) as ledger:
        list(ledger.measurements(Selection()))
