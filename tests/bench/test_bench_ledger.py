from __future__ import annotations

from pathlib import Path

from tests.bench.micro_ledger import fill, query_seconds, ship
from tests.postgres import Database

ROWS = 20_000
"""A fiftieth of the benchmark; what is slow by its shape, and not by its size, shows here too."""


def test_rows_are_durable_faster_than_two_thousand_a_second_and_a_month_is_summed_within_a_second(
    tmp_path: Path, database: Database
) -> None:
    path = tmp_path / "ledger.db"
    assert fill(path, ROWS, "x") > 2_000
    assert query_seconds(path)[0] < 1.0
    assert ship(path, database) > 1_000
    seconds, groups = query_seconds(database.open_url)
    assert seconds < 1.0
    assert groups == query_seconds(path)[1] > 5_000
