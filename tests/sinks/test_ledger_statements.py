from __future__ import annotations

import sqlite3

import msgspec

from streamgauge.records import Measurement
from streamgauge.sinks import ledger_statements as sql
from streamgauge.sinks.ledger_table import exchanges, metadata


def test_parameters_of_the_insert_are_in_the_order_of_the_measurements_fields() -> None:
    fields = [field.name for field in msgspec.structs.fields(Measurement)]
    inside = sql.INSERT_EXCHANGE[sql.INSERT_EXCHANGE.index("(") + 1 : sql.INSERT_EXCHANGE.index(")")]
    assert [name.strip() for name in inside.split(",")] == fields
    assert fields[sql.USAGE_CONFLICT_AT] == "usage_conflict"


def test_every_statement_is_understood_by_the_database() -> None:
    connection = sqlite3.connect(":memory:")
    for statement in [*sql.CREATE, *sql.CREATE]:
        connection.execute(statement)
    for name, statement in vars(sql).items():
        if name.isupper() and isinstance(statement, str):
            connection.execute(f"EXPLAIN {statement}", [None] * statement.count("?"))
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables == set(metadata.tables)
    connection.close()


def test_a_column_can_be_added_as_the_table_would_have_it() -> None:
    assert sql.add_column(exchanges.c.stall_time) == "ALTER TABLE exchanges ADD COLUMN stall_time FLOAT"
