"""Which keys there are, and what kind of value each takes: read off the settings' own dataclasses."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from streamgauge.config.settings import Config


@dataclass(frozen=True, slots=True)
class Key:
    """One key that holds a value. ``name`` is dotted, ``hint`` its type, ``default`` its value where nothing is said."""

    name: str
    hint: Any
    default: Any


def fields(kind: type) -> dict[str, Any]:
    """Name and type of each setting of a dataclass."""
    return _fields(kind)


@functools.cache
def _fields(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def is_table(hint: Any) -> bool:
    """Whether the value is a table of further keys."""
    return dataclasses.is_dataclass(hint)


def table_type(hint: Any) -> type | None:
    """The dataclass of each element where the value is a list of tables, else ``None``."""
    if typing.get_origin(hint) is tuple and is_table(typing.get_args(hint)[0]):
        return typing.cast("type", typing.get_args(hint)[0])
    return None


def is_list(hint: Any) -> bool:
    """Whether the value is a list."""
    return typing.get_origin(hint) is tuple


def is_dict(hint: Any) -> bool:
    """Whether the value is a table of the operator's own keys."""
    return typing.get_origin(hint) is dict


def choices(hint: Any) -> tuple[Any, ...]:
    """What a value may be: the type itself, or each part of a union."""
    return typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)


def every_key(kind: type = Config, prefix: str = "", default: Any = None) -> Iterator[Key]:
    """Every key that holds a value, in the order of the dataclasses."""
    made = kind() if default is None else default
    for name, hint in fields(kind).items():
        value = getattr(made, name)
        if is_table(hint):
            yield from every_key(hint, f"{prefix}{name}.", value)
        else:
            yield Key(prefix + name, hint, value)


def tables(kind: type = Config, prefix: str = "") -> Iterator[tuple[str, type]]:
    """Every table of keys by its dotted name, the whole first, under the empty name."""
    yield prefix, kind
    for name, hint in fields(kind).items():
        if is_table(hint):
            yield from tables(hint, f"{prefix}.{name}".removeprefix("."))


def nearest(name: str, kind: type, prefix: str) -> str:
    """The known key that was probably meant, as the end of a sentence; ``prefix`` is where ``name`` stands."""
    near = [known for known in fields(kind) if known.startswith(name)] or difflib.get_close_matches(name, fields(kind), 1)
    if near:
        return f"; did you mean {prefix}{near[0]}?"
    elsewhere = [key.name for key in every_key() if key.name.rpartition(".")[2] == name] + [table for table, _ in tables() if table == name]
    if elsewhere:
        return f"; did you mean {elsewhere[0]}?"
    return f"; known keys here: {', '.join(fields(kind))}"


def required(kind: type) -> tuple[str, ...]:
    """Keys of a table that have no default."""
    missing = dataclasses.MISSING
    return tuple(field.name for field in dataclasses.fields(kind) if field.default is missing and field.default_factory is missing)
