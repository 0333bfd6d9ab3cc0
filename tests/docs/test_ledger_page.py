from __future__ import annotations

from streamgauge.sinks.ledger_table import exchanges, metadata
from tests.docs.ledger_page import COLUMNS, TABLES, meaning_of, page


def test_every_table_and_every_column_is_explained() -> None:
    assert set(TABLES) == set(metadata.tables)
    others = [table for table in metadata.tables.values() if table is not exchanges]
    assert [f"{table.name}.{column.name}" for table in others for column in table.columns if not meaning_of(column.name)] == []


def test_nothing_is_explained_that_is_not_there() -> None:
    assert set(COLUMNS) - {column.name for table in metadata.tables.values() for column in table.columns} == set()


def test_every_column_of_a_row_is_on_the_page() -> None:
    shown = page()
    assert [column.name for column in exchanges.columns if f"`{column.name}`" not in shown] == []
