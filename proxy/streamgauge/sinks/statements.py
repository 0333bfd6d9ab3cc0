"""The statements that both databases run, each written once.

``insert`` is the one of the database's SQLAlchemy dialect: its way to say what happens to a row that is there already.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import sqlalchemy as sa

from streamgauge.pricing.money import PICO
from streamgauge.sinks.ledger_table import meta, totals
from streamgauge.sinks.rollup_table import COUNTS, KEYS, MONEY, SUMS, adjustments

Insert = Callable[[sa.Table], Any]
"""``sqlalchemy.dialects.sqlite.insert`` or ``sqlalchemy.dialects.postgresql.insert``."""

_TIGHT = 8
"""How strongly a division binds, more than an addition (7): the sum in front of it gets its parentheses."""


@cache
def add_lines(table: sa.Table, insert: Insert, *, from_json: bool = False) -> Any:
    """Insert lines of a rollup, or add their sums to those of the lines that are there.

    ``from_json``: all lines are one parameter, ``lines``, a JSON list of objects (PostgreSQL only); a statement for each would take longer than
    the rows themselves.
    """
    statement = insert(table)
    if from_json:
        given = sa.func.json_to_recordset(sa.cast(sa.bindparam("lines", type_=sa.String), sa.JSON(none_as_null=True)))
        columns = [sa.column(column.name, column.type) for column in table.columns]
        source = given.table_valued(*columns).render_derived(name="given", with_types=True)
        statement = statement.from_select([column.name for column in table.columns], sa.select(*source.c))

    def there(name: str) -> Any:
        return sa.func.coalesce(table.c[name], sa.literal_column("0"))

    def sum_of(name: str) -> Any:
        return there(name) + statement.excluded[name]

    changed = {name: sum_of(name) for name in COUNTS}
    one: Any = sa.literal_column(str(PICO))
    for name in MONEY:
        picos = f"{name}_picos"
        changed[f"{name}_dollars"] = sum_of(f"{name}_dollars") + sum_of(picos).op("/", precedence=_TIGHT)(one)
        changed[picos] = sum_of(picos).op("%", precedence=_TIGHT)(one)
    return statement.on_conflict_do_update(index_elements=["period", "key"], set_=changed)


def put(table: sa.Table, insert: Insert) -> Any:
    """Insert a row, or replace all of it but its key."""
    statement = insert(table)
    key = [column.name for column in table.primary_key]
    rest = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in key}
    return statement.on_conflict_do_update(index_elements=key, set_=rest)


def add_total(insert: Insert) -> Any:
    """Add to the rows of an outcome."""
    statement = insert(totals)
    return statement.on_conflict_do_update(index_elements=["outcome"], set_={"count": totals.c.count + statement.excluded.count})


def add_to_meta(insert: Insert) -> Any:
    """Add to a fact that is a whole number."""
    statement = insert(meta)
    both = sa.cast(meta.c.value, sa.BigInteger) + sa.cast(statement.excluded.value, sa.BigInteger)
    return statement.on_conflict_do_update(index_elements=["key"], set_={"value": sa.cast(both, sa.String)})


def add_adjustment(insert: Insert) -> Any:
    """Insert a correction, unless it is there."""
    return insert(adjustments).on_conflict_do_nothing(index_elements=["adjustment_id"])


def stored(table: sa.Table) -> sa.Select[Any]:
    """Lines of a rollup as ``Tally.add_stored`` takes them: period, keys, sums. Columns that an older table lacks must not be asked for."""
    return sa.select(table.c.period, *(table.c[name] for name in KEYS), *(table.c[name] for name in SUMS))
