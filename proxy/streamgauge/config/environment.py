"""``STREAMGAUGE_RELAY__READ_TIMEOUT=60``: settings from environment variables, by the same rules as from the file.

The name is the key in capitals, two underscores for each dot. Text is taken as it is; a list is written with commas, a table of the operator's own
keys as ``key=value`` pairs with commas, everything else as in the file.
"""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from streamgauge.config import keys
from streamgauge.config.mistakes import Mistake

PREFIX = "STREAMGAUGE_"

OTHER_VARIABLES = {
    "STREAMGAUGE_LEDGER": "the ledger where neither the settings nor an option name one, for `serve` and for all commands that read",
    "STREAMGAUGE_TRACEBACK": "anything: the full traceback of an internal error, which may quote content",
}
"""Variables that are no overrides, with their meaning."""

_SERVICE_LINK = re.compile(
    r"(STREAMGAUGE_(?:[A-Z0-9_]+_)??)(?:SERVICE_HOST|SERVICE_PORT(?:_.+)?|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_.+)?)?)"
)
"""Kubernetes gives each container such variables for every service of its namespace, one called streamgauge included."""


def variable(key: str) -> str:
    """The environment variable of a dotted key."""
    return PREFIX + key.upper().replace(".", "__")


VARIABLES: Mapping[str, keys.Key] = {variable(key.name): key for key in keys.every_key() if variable(key.name) not in OTHER_VARIABLES}
"""Every variable that sets a key."""


def read_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str, Any] | Mistake]:
    """(key, variable, value) of each setting, and a mistake for each variable that sets nothing. An empty variable is one that is not set."""
    for name in sorted(environ):
        if not name.startswith(PREFIX) or not environ[name] or name in OTHER_VARIABLES or _is_service_link(name, environ):
            continue
        key = VARIABLES.get(name)
        if key is None:
            yield Mistake(f"${name}", f"unknown variable{_nearest(name)}")
        else:
            yield key.name, name, read_value(key.hint, environ[name])


def read_value(hint: Any, text: str) -> Any:
    """One text as a value for a key of type ``hint``; what it cannot be stays text, which is then found to be wrong."""
    choices = keys.choices(hint)
    if text == "null" and type(None) in choices:
        return None
    if keys.is_dict(hint) and not text.startswith("{"):
        return dict(_pair(part) for part in text.split(","))
    if keys.is_list(hint) and keys.table_type(hint) is None:
        return [part.strip() for part in text.split(",")]
    if all(choice in (str, type(None)) or typing.get_origin(choice) is typing.Literal for choice in choices):
        return text
    return _as_in_the_file(text)


def _pair(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    if ":" in name and "@" in value:  # a URL without a name in front, and a = in its password: not to be torn in two
        return part.strip(), ""
    return name.strip(), value.strip()


def _as_in_the_file(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text


def _is_service_link(name: str, environ: Mapping[str, str]) -> bool:
    found = _SERVICE_LINK.fullmatch(name)
    return found is not None and f"{found[1]}SERVICE_HOST" in environ


def _nearest(name: str) -> str:
    tables = [table for table, _ in keys.tables() if table and variable(table) == name]
    if tables:
        first = next(key.name for key in keys.every_key() if key.name.startswith(f"{tables[0]}."))
        return f"; {tables[0]} is a table, set its keys, such as {variable(first)}"
    short = name.removeprefix(PREFIX)
    known = [variable.removeprefix(PREFIX) for variable in VARIABLES]
    near = [other for other in known if other.startswith(short)] or difflib.get_close_matches(short, known, 1)
    return f"; did you mean ${PREFIX}{near[0]}?" if near else "; `streamgauge check-config --show --all` lists them"
