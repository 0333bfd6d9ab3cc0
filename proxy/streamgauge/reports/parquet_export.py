"""Rows of a ledger as a Parquet file, group by group: the memory it takes does not grow with the file.

Needs the extra ``parquet``. The file has its name only when it is whole; a Parquet file without its end cannot be read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from streamgauge.errors import CouldNotRun
from streamgauge.reports.query import COLUMNS, Ledger
from streamgauge.reports.selection import Selection
from streamgauge.sinks.ledger_table import exchanges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pyarrow as pa

GROUP_ROWS = 50_000
"""Rows of a row group: a reader skips whole groups by their times, and a group of this size takes some tens of megabytes while it is made."""

PAGE_ROWS = 5_000
"""Rows that are Python objects at a time."""

COST_DIGITS, COST_SCALE = 38, 12
"""``cost_usd`` as an exact decimal down to pico-dollars, which readers can add up without error."""


def export(
    ledger: Ledger, selection: Selection, path: Path, watched: Callable[[Iterable[Any]], Iterable[Any]] = iter, group_rows: int = GROUP_ROWS
) -> int:
    """Write the selection's rows, oldest first, to ``path``; returns how many. An existing file is replaced when the new one is whole.

    ``watched`` wraps the rows on their way, to show progress. Raises ``CouldNotRun`` when pyarrow is missing or the file cannot be written.
    """
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise CouldNotRun("Parquet files need pyarrow: pip install 'streamgauge[parquet]'") from error
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    rows = iter(watched(ledger.measurements(selection, newest_first=False)))
    count = 0
    try:
        with pq.ParquetWriter(unfinished, schema(), compression="zstd") as writer:
            for table in _groups(rows, group_rows):
                writer.write_table(table, row_group_size=group_rows)
                count += table.num_rows
        unfinished.replace(path)
    except OSError as error:
        raise CouldNotRun(f"{path} cannot be written ({error.strerror or type(error).__name__})") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def schema() -> pa.Schema:
    """Columns as in ``exchanges``; ``started_at`` as a moment, ``cost_usd`` as a decimal, ``usage_conflict`` as JSON text."""
    import pyarrow as pa

    kinds: dict[type, pa.DataType] = {sa.Boolean: pa.bool_(), sa.BigInteger: pa.int64(), sa.Float: pa.float64()}
    special = {"started_at": pa.timestamp("us", tz="UTC"), "cost_usd": pa.decimal128(COST_DIGITS, COST_SCALE)}
    return pa.schema([(name, special.get(name) or kinds.get(type(exchanges.c[name].type), pa.string())) for name in COLUMNS])


def _groups(rows: Iterator[Any], group_rows: int) -> Iterator[pa.Table]:
    import pyarrow as pa

    whole, batches, size = schema(), [], 0
    while page := list(islice(rows, min(PAGE_ROWS, group_rows))):
        columns = zip(*page, strict=True)
        arrays = [
            pa.array([_value(name, value) for value in values], whole.field(name).type)
            for name, values in zip(COLUMNS, columns, strict=True)
        ]
        batches.append(pa.record_batch(arrays, schema=whole))
        size += len(page)
        if size >= group_rows:
            yield pa.Table.from_batches(batches)
            batches, size = [], 0
    if batches:
        yield pa.Table.from_batches(batches)


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "started_at":
        return datetime.fromisoformat(value)
    if name == "cost_usd":
        return Decimal(value)
    if name == "usage_conflict":
        import msgspec

        return msgspec.json.encode(value).decode()
    return value
