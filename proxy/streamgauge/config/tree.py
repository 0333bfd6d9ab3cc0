"""Plain values, as YAML has them, become the settings' dataclasses; every mistake is noted, and what is right is kept.

A value that is wrong leaves its key at the default, so that the rest can still be looked at.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Mapping
from typing import Any

from streamgauge.config import keys
from streamgauge.config.mistakes import Mistake, shown

_EXPECTED = {bool: "true or false", int: "a whole number", float: "a number", str: "text", type(None): "null"}


class Wrong(Exception):
    """A value cannot be what its key takes. The text says what it must be."""


def build(kind: type, tree: Mapping[Any, Any], found: list[Mistake], prefix: str = "") -> Any:
    """``tree`` as a ``kind``; mistakes go into ``found``. ``None`` where a key without a default is missing or wrong."""
    hints, values = keys.fields(kind), {}
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if name not in hints:
            found.append(Mistake(key, f"unknown key{keys.nearest(str(name), kind, prefix)}"))
            continue
        try:
            values[name] = _value(hints[name], value, found, key)
        except Wrong as wrong:
            found.append(Mistake(key, f"must be {wrong}", shown(key, value)))
    missing = [name for name in keys.required(kind) if name not in values]
    found += [Mistake(prefix.rstrip("."), f"has no {name}, which must be {_expected(hints[name])}") for name in missing if name not in tree]
    return None if missing else kind(**values)


def _value(hint: Any, value: Any, found: list[Mistake], key: str) -> Any:
    if keys.is_table(hint):
        if not isinstance(value, Mapping) and value is not None:  # nothing: all its keys are commented out
            raise Wrong("keys and values, indented below it")
        return build(hint, value or {}, found, f"{key}.")
    if keys.is_list(hint):
        return _list(hint, value, found, key)
    if keys.is_dict(hint):
        return _dict(hint, value, found, key)
    return _plain(hint, value)


def _list(hint: Any, value: Any, found: list[Mistake], key: str) -> tuple[Any, ...]:
    element = typing.get_args(hint)[0]
    if value is None:
        return ()
    if isinstance(value, str) and element is str:  # one, as anybody would write it
        return (value,)
    if not isinstance(value, (list, tuple)):
        raise Wrong(f"a list, each of it {_expected(element)}")
    return tuple(made for number, item in enumerate(value) if (made := _item(element, item, found, f"{key}.{number}")) is not None)


def _item(hint: Any, value: Any, found: list[Mistake], key: str) -> Any:
    if type(value) is hint:  # made already, by an option
        return value
    try:
        return _value(hint, value, found, key)
    except Wrong as wrong:
        found.append(Mistake(key, f"must be {wrong}", shown(key, value)))
        return None


def _dict(hint: Any, value: Any, found: list[Mistake], key: str) -> dict[str, Any]:
    element = typing.get_args(hint)[1]
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Wrong(f"keys and values, each value {_expected(element)}")
    made = {str(name): _item(element, item, found, f"{key}.{name}") for name, item in value.items()}
    return {name: item for name, item in made.items() if item is not None}


def _plain(hint: Any, value: Any) -> Any:
    """A single value, strictly: ``yes`` is no number, and ``"2"`` is text."""
    from pydantic import ValidationError

    try:
        return _adapter(hint).validate_python(value)
    except ValidationError:
        raise Wrong(_expected(hint) + _hint(hint, value)) from None


@functools.cache
def _adapter(hint: Any) -> Any:
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(hint, config=ConfigDict(strict=True))


def _expected(hint: Any) -> str:
    words: list[str] = []
    for choice in keys.choices(hint):
        literals = typing.get_args(choice) if typing.get_origin(choice) is typing.Literal else ()
        words += [str(word) for word in literals] or [_EXPECTED.get(choice, "keys and values")]
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _hint(hint: Any, value: Any) -> str:
    """Why a value that looks right is not."""
    if value is None:
        return "; delete the line for the default"
    if str in keys.choices(hint):
        return "; put it in quotes"
    return "; without quotes" if isinstance(value, str) and _looks_like_a_number(value) and not _is_text(hint) else ""


def _is_text(hint: Any) -> bool:
    return all(typing.get_origin(choice) is typing.Literal for choice in keys.choices(hint))


def _looks_like_a_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
