"""The ledger's tables: one column per field of the Measurement, and the accounts that prove rows + unmeasured = seen.

Shared by the writer (``sinks.ledger``) and by everything that reads (``sinks.ledger_read``, ``reports``).
"""

from __future__ import annotations

import types
import typing

import msgspec
import sqlalchemy as sa

from streamgauge.records import Measurement

metadata = sa.MetaData()

NAME = sa.String()
"""A text that is compared byte by byte in both databases (``sinks.shared_ledger`` sees to it): moments as text must sort as time."""

LOCAL = "local"
"""Marks a table that only a proxy's own file has, in the table's ``info``."""


def _column(field: msgspec.structs.FieldInfo) -> sa.Column[typing.Any]:
    if field.name == "exchange_id":
        return sa.Column("exchange_id", NAME, primary_key=True)
    kinds = [t for t in _members(field.type) if t is not types.NoneType]
    kind = kinds[0]
    nullable = len(kinds) < len(_members(field.type))
    return sa.Column(field.name, _sql_type(kind), nullable=nullable)


def _members(annotation: typing.Any) -> tuple[typing.Any, ...]:
    return typing.get_args(annotation) if typing.get_origin(annotation) in {types.UnionType, typing.Union} else (annotation,)


def _sql_type(kind: typing.Any) -> sa.types.TypeEngine[typing.Any]:
    if kind is bool:
        return sa.Boolean()
    if kind is int:
        return sa.BigInteger()
    if kind is float:
        return sa.Float()
    if typing.get_origin(kind) is dict:
        return sa.JSON()
    return NAME


exchanges = sa.Table("exchanges", metadata, *(_column(f) for f in msgspec.structs.fields(Measurement)))
sa.Index("exchanges_started_at", exchanges.c.started_at)
# At most 256 characters (``relay.identity.name``), so that PostgreSQL can index it.
sa.Index("exchanges_upstream_request_id", exchanges.c.upstream_request_id)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("worker_id", NAME, primary_key=True),
    sa.Column("segment", sa.BigInteger, nullable=False),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("first_segment", sa.BigInteger, nullable=False),
    sa.Column("seen", sa.BigInteger, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("finished", sa.Boolean, nullable=False),
    sa.Column("updated_at", NAME, nullable=False),
)
"""One row per life of a relay worker: how far its spool was read (``segment``, ``offset`` in bytes), how many exchanges it saw by its own
count, how many of them are rows of ``exchanges``. ``finished``: it is gone and its spool was read to the end, so that
``seen = rows + sum(unmeasured.count)`` holds for it; before that the difference is what is open or not yet read."""

unmeasured = sa.Table(
    "unmeasured",
    metadata,
    sa.Column("worker_id", NAME, primary_key=True),
    sa.Column("reason", NAME, primary_key=True),
    sa.Column("counted_by", NAME, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
)
"""Exchanges of a worker that have no row, by reason (``spool.REASONS``, ``recorder.accounting.RECORDER_REASONS``).

``counted_by`` is ``worker`` or ``recorder``: for one reason both may have counted, and the sum over both is the number."""

in_flight = sa.Table(
    "in_flight",
    metadata,
    sa.Column("exchange_id", NAME, primary_key=True),
    sa.Column("worker_id", NAME, nullable=False),
    sa.Column("started", sa.LargeBinary, nullable=False),
    sa.Column("ttft", sa.Float, nullable=True),
    sa.Column("upstream_ttft", sa.Float, nullable=True),
    info={LOCAL: True},
)
"""Exchanges begun and not over when the last batch was committed; ``started`` is their ``records.Started`` as msgpack."""

totals = sa.Table(
    "totals",
    metadata,
    sa.Column("outcome", NAME, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
)
"""All rows there have been in ``exchanges`` by outcome, kept so that nobody has to count millions of rows; those deleted for their age count."""

meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", NAME, primary_key=True),
    sa.Column("value", NAME, nullable=False),
)
"""Facts about the file: ``schema_version``, ``created_at``, ``created_by`` and ``PRUNED_ROWS``."""

PRUNED_ROWS = "pruned_rows"
"""Key in ``meta``: how many rows were deleted for their age; absent while there are none. Rows in the table and these are the accounts' rows."""

PRUNED_BEFORE = "pruned_before"
"""Key in ``meta``: of exchanges begun before this moment rows may have been deleted."""

OUTBOX_FOR = "outbox_for"
"""Key in ``meta``: the shared ledger that ``outbox`` is filled for; absent while there is none."""

UNSHARED_ROWS = "unshared_rows"
"""Key in ``meta``: how many rows the shared ledger will never get, because too many waited or because it refused them."""

ROLLUPS_LACK = "rollups_lack"
"""Key in ``meta``: rows that no rollup can have, because a version without rollups wrote and deleted them."""

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("kind", NAME, nullable=False),
    sa.Column("item", NAME, nullable=False),
    sa.Column("started_at", NAME, nullable=True),
    info={LOCAL: True},
)
"""What the shared ledger does not have yet, in the order in which it came: ``kind`` is ``exchange`` or ``adjustment``, ``item`` its id.

``started_at``: of an exchange; no row that still waits is deleted for its age."""
sa.Index("outbox_started_at", outbox.c.started_at)
