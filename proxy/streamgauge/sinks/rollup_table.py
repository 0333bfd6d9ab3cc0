"""The ledger's sums by hour and by day, and the table of later corrections to costs.

Knows: which columns rows are summed by, and which sums there are. Must not know: how they come about (``sinks.rollup``).

Money is in two 64-bit columns, whole dollars and the pico-dollars beyond them, because one holds only 9.2 million dollars of pico-dollars
and SQLite has no larger exact number. Both databases add the two exactly, with the same statement.
"""

from __future__ import annotations

import sqlalchemy as sa

from streamgauge.sinks.ledger_table import NAME, metadata

KEYS = (
    "tenant",
    "team",
    "app",
    "service",
    "model",
    "region",
    "scope",
    "service_tier",
    "operation",
    "outcome",
    "workload_class",
    "cost_status",
    "label",
    "attempt",
)
"""What rows are summed by, beside hour or day. ``model`` is the canonical one, else the requested; ``attempt``: ``first``, ``again`` (a retry
of the SDK's), or absent. A key that a later version adds is absent in what an earlier one wrote."""

TOKENS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "output_tokens", "reasoning_tokens")
"""Columns of ``exchanges`` that are summed; what is unknown adds nothing."""

COUNTS = ("exchanges", "priced", "usage_estimated", "usage_unknown", *TOKENS, "adjustments")
"""Sums in one column: rows, rows with a cost, rows by how their tokens are known, tokens, and entries of ``adjustments`` about these rows."""

MONEY = ("cost", "adjusted")
"""Sums in two columns, ``…_dollars`` and ``…_picos`` (0 to 10^12 - 1, also where dollars are negative): the rows' own cost, and what
``adjustments`` add to it."""

SUMS = (*COUNTS, *(f"{name}_{part}" for name in MONEY for part in ("dollars", "picos")))
"""Every column that is added to."""


def _rollup(name: str) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        sa.Column("period", NAME, primary_key=True),
        sa.Column("key", NAME, primary_key=True),
        *(sa.Column(key, NAME, nullable=True) for key in KEYS),
        *(sa.Column(column, sa.BigInteger, nullable=True) for column in SUMS),
        sqlite_with_rowid=False,
    )


rollup_hourly = _rollup("rollup_hourly")
"""Sums of the rows that began in a UTC hour; ``period`` is ``2026-11-25T08``."""

rollup_daily = _rollup("rollup_daily")
"""Sums of the rows that began on a UTC day; ``period`` is ``2026-11-25``. They outlive the rows.

``key`` is a hash over the columns of ``KEYS``: an index over their values could meet one that is too long for it, and a version with one key
more can write beside one that does not know it."""

adjustments = sa.Table(
    "adjustments",
    metadata,
    sa.Column("adjustment_id", NAME, primary_key=True),
    sa.Column("exchange_id", NAME, nullable=False),
    sa.Column("at", NAME, nullable=False),
    sa.Column("reason", NAME, nullable=False),
    sa.Column("delta_picos", sa.BigInteger, nullable=False),
    sa.Column("cost_status", NAME, nullable=True),
    sa.Column("price_book", NAME, nullable=True),
)
"""Corrections to the cost of rows, only ever added: a row keeps the cost it was written with.

``adjustment_id`` makes a repeated correction one (say, hash of exchange and book); ``at`` (RFC 3339, UTC) is when it was made and the period in
which a closed month gets it; ``reason`` a short word; ``delta_picos`` pico-dollars to add, negative to take away; ``cost_status`` what the
row's status is from now on; ``price_book`` the book that gave the new cost."""
sa.Index("adjustments_exchange_id", adjustments.c.exchange_id)
sa.Index("adjustments_at", adjustments.c.at)
