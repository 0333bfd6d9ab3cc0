"""The settings as a JSON schema, for editors: types, bounds, defaults, and what the commented file says of each key."""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping
from typing import Any

import msgspec

from streamgauge.config import keys
from streamgauge.config.sample import descriptions, text
from streamgauge.config.settings import MAY_BE_ZERO, Config
from streamgauge.routing import shipped_table

_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}

_ADDRESS = {"pattern": r"^.*:[0-9]{1,5}$"}
_REGION = {"pattern": r"^[a-z]{2,6}(-[a-z]{1,12}){1,3}-[0-9]{1,2}$"}
_FORMS: Mapping[str, dict[str, str]] = {
    "listen": _ADDRESS,
    "admin": _ADDRESS,
    "targets.regions": _REGION,
    "targets.default_region": _REGION,
}
"""What text looks like. Coarser than the checks at start: an editor shall help, and the proxy decides."""


def schema() -> dict[str, Any]:
    """The schema as plain data (JSON Schema 2020-12)."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Settings of streamgauge"}
    return head | _table(Config, "", Config(), descriptions(text()))


def schema_text() -> str:
    """The schema as the file ``config/streamgauge.schema.json``."""
    return json.dumps(schema(), indent=2) + "\n"


def _table(kind: type, prefix: str, defaults: Any, told: Mapping[str, str]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for name, hint in keys.fields(kind).items():
        key, default = prefix + name, getattr(defaults, name, None)
        described = {"description": told[key]} if told.get(key) else {}
        if keys.is_table(hint):
            properties[name] = described | _or_nothing(_table(hint, f"{key}.", default, told))
        else:
            properties[name] = (
                described | _value(hint, key, told) | ({"default": msgspec.to_builtins(default)} if defaults is not None else {})
            )
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _or_nothing(schema: dict[str, Any]) -> dict[str, Any]:
    """A table whose keys are all commented out is null."""
    return schema | {"type": [schema["type"], "null"]}


def _value(hint: Any, key: str, told: Mapping[str, str]) -> dict[str, Any]:
    element = keys.table_type(hint)
    if element is not None:
        rule = _table(element, f"{key}.", None, told)
        rule["required"] = list(keys.required(element))
        return {"type": "array", "items": rule}
    if keys.is_list(hint):
        item = {"type": "string"} | _FORMS.get(key, {})
        return {"anyOf": [item, {"type": "array", "items": item}]}
    if keys.is_dict(hint):
        services = {"propertyNames": {"enum": [service.name for service in shipped_table().services]}} if key == "targets.upstreams" else {}
        return {"type": "object", "additionalProperties": {"type": "string"}} | services
    return _plain(hint, key)


def _plain(hint: Any, key: str) -> dict[str, Any]:
    literals = [word for choice in keys.choices(hint) if typing.get_origin(choice) is typing.Literal for word in typing.get_args(choice)]
    kinds = [_TYPES[choice] for choice in keys.choices(hint) if choice in _TYPES]
    bound: dict[str, Any] = {}
    if "integer" in kinds or "number" in kinds:
        bound = {"minimum": 0} if key in MAY_BE_ZERO else {"exclusiveMinimum": 0}
    typed: dict[str, Any] = {"type": kinds[0] if len(kinds) == 1 else kinds} if kinds else {}
    if literals and kinds:
        return {"anyOf": [{"enum": literals}, typed | bound]}
    return ({"enum": literals} if literals else typed) | bound | _FORMS.get(key, {})
