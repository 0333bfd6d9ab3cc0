"""The ledger's tables, one column per field of the Measurement, shared by the writer and by everything that reads."""

from __future__ import annotations

import types
import typing

import msgspec
import sqlalchemy as sa

from streamgauge.records import Measurement

metadata = sa.MetaData()


def _column(field: msgspec.structs.FieldInfo) -> sa.Column[typing.Any]:
    if field.name == "exchange_id":
        return sa.Column("exchange_id", sa.String, primary_key=True)
    kinds = [t for t in _members(field.type) if t is not types.NoneType]
    kind = kinds[0]
    nullable = len(kinds) < len(_members(field.type))
    return sa.Column(field.name, _sql_type(kind), nullable=nullable)


def _members(annotation: typing.Any) -> tuple[typing.Any, ...]:
    return typing.get_args(annotation) if isinstance(annotation, types.UnionType | typing._UnionGenericAlias) else (annotation,)  # type: ignore[attr-defined]


def _sql_type(kind: typing.Any) -> sa.types.TypeEngine[typing.Any]:
    if kind is bool:
        return sa.Boolean()
    if kind is int:
        return sa.BigInteger()
    if kind is float:
        return sa.Float()
    if typing.get_origin(kind) is dict:
        return sa.JSON()
    return sa.String()


exchanges = sa.Table("exchanges", metadata, *(_column(f) for f in msgspec.structs.fields(Measurement)))
sa.Index("exchanges_started_at", exchanges.c.started_at)
sa.Index("exchanges_upstream_request_id", exchanges.c.upstream_request_id)
