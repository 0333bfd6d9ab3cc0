from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from streamgauge.errors import CouldNotRun
from streamgauge.reports.parquet_export import export, schema
from streamgauge.reports.query import COLUMNS, Ledger
from streamgauge.reports.selection import Condition, Selection
from tests.sinks.money_rows import MIDNIGHT, rows, stamp, total_pico
from tests.sinks.stored import write

GIVEN = rows(500)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("parquet") / "l.db"
    write(path, GIVEN)
    return path


def _read(path: Path) -> list[dict[str, Any]]:
    return list(pq.read_table(path).to_pylist())


def test_every_row_and_every_field_is_in_the_file_and_cost_adds_up_exactly(path: Path, tmp_path: Path) -> None:
    with Ledger(path) as ledger:
        assert export(ledger, Selection(), tmp_path / "out.parquet", group_rows=120) == 500
    found = _read(tmp_path / "out.parquet")
    for given, line in zip(GIVEN, found, strict=True):
        wanted = msgspec.structs.asdict(given)
        conflict = wanted.pop("usage_conflict")
        assert (line.pop("usage_conflict") or "null") == msgspec.json.encode(conflict).decode()
        assert stamp(line.pop("started_at")) == wanted.pop("started_at")
        cost = wanted.pop("cost_usd")
        assert line.pop("cost_usd") == (None if cost is None else Decimal(cost))
        assert line == wanted
    assert sum(Decimal(row.cost_usd or 0) for row in GIVEN) * 10**12 == total_pico(GIVEN)


def test_the_file_is_written_group_by_group(path: Path, tmp_path: Path) -> None:
    with Ledger(path) as ledger:
        export(ledger, Selection(), tmp_path / "out.parquet", group_rows=120)
    metadata = pq.ParquetFile(tmp_path / "out.parquet").metadata
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [120, 120, 120, 120, 20]


def test_only_what_is_selected_is_exported(path: Path, tmp_path: Path) -> None:
    chosen = Selection(MIDNIGHT, MIDNIGHT + timedelta(hours=1), where=(Condition("team", "=", "chat"),))
    with Ledger(path) as ledger:
        count = export(ledger, chosen, tmp_path / "out.parquet")
    assert {(line["team"], line["started_at"].date()) for line in _read(tmp_path / "out.parquet")} == {("chat", MIDNIGHT.date())}
    assert count == len(_read(tmp_path / "out.parquet"))


def test_nothing_selected_is_a_whole_file_without_rows(path: Path, tmp_path: Path) -> None:
    with Ledger(path) as ledger:
        assert export(ledger, Selection(until=MIDNIGHT - timedelta(days=9)), tmp_path / "out.parquet") == 0
    assert pq.read_schema(tmp_path / "out.parquet").names == list(COLUMNS) == schema().names


def test_an_export_that_breaks_off_leaves_the_file_of_before(path: Path, tmp_path: Path) -> None:
    def broken(given: Any) -> Any:
        for number, each in enumerate(given):
            if number == 300:
                raise KeyboardInterrupt
            yield each

    out = tmp_path / "out.parquet"
    out.write_bytes(b"before")
    with Ledger(path) as ledger, pytest.raises(KeyboardInterrupt):
        export(ledger, Selection(), out, broken, group_rows=100)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("out.parquet", b"before")]


def test_a_place_that_cannot_be_written_is_named(path: Path, tmp_path: Path) -> None:
    with Ledger(path) as ledger, pytest.raises(CouldNotRun, match=r"none/out\.parquet cannot be written"):
        export(ledger, Selection(), tmp_path / "none" / "out.parquet")
