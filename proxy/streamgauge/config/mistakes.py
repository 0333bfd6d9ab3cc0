"""One mistake in the settings, as a line that names the key, the value, the reason and the place; never a secret."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from streamgauge.addresses import without_user
from streamgauge.errors import UsageError

SECRET_WORDS = ("token", "secret", "password")
"""A key with one of these in its name holds a secret; a test looks at every key for words that are missing here."""

MAX_VALUE_CHARS = 100
"""A value is shown so that it is found again, which its beginning is enough for."""

MAX_KEY_CHARS = 120
"""The longest of ours has some 40; what else stands there is somebody's text, and need not fill a screen or move the cursor."""

Source = Literal["default", "file", "environment", "option"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from. ``name``: the environment variable. ``line``: in the file, from 1."""

    source: Source
    name: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        """``line 4``, ``$STREAMGAUGE_WORKERS``, ``an option``."""
        if self.source == "environment":
            return f"${self.name}"
        if self.source == "option":
            return "an option"
        return self.source if self.line is None else f"line {self.line}"


DEFAULT = Origin("default")


@dataclass(frozen=True, slots=True)
class Mistake:
    """``key`` is dotted, as written; ``value`` is what stands there, already fit to be shown, or nothing."""

    key: str
    reason: str
    value: str = ""

    def text(self, origin: Origin | None) -> str:
        """The line. ``origin``: where the value came from, if that is known."""
        value = f"{self.value} - " if self.value else ""
        place = f" ({origin})" if origin is not None and origin.source != "default" else ""
        key = _shown_key(self.key)
        key = key if key.isprintable() and len(key) <= MAX_KEY_CHARS else repr(key[:MAX_KEY_CHARS])
        return f"{key}: {value}{self.reason}{place}"


class SettingsMistaken(UsageError):
    """The settings cannot work; ``lines`` has each mistake."""

    def __init__(self, where: str, lines: Sequence[str]) -> None:
        super().__init__(f"{len(lines)} mistake(s) in the settings{where}:\n  " + "\n  ".join(lines))
        self.lines = tuple(lines)


def is_secret(key: str) -> bool:
    """Whether the value of a dotted key is nobody's to read."""
    return any(word in part for part in key.lower().split(".") for word in SECRET_WORDS)


def shown(key: str, value: object) -> str:
    """``value`` as a mistake may show it: short, and nothing of secrets, of tables that may hold some, or of a URL's user."""
    if is_secret(key) or isinstance(value, (Mapping, list, tuple)):
        return ""
    # First masked, then cut: what is cut out may be the very @ that the mask looks for.
    return _SHORT.repr(without_users(value))[:MAX_VALUE_CHARS]


def _shown_key(key: str) -> str:
    """A URL that stands where a name belongs has become a key: masked as any other, and the tables before it are kept."""
    parts = key.split(".")
    end = next((number for number, part in enumerate(parts) if ":" in part or "@" in part), len(parts))
    return ".".join([*parts[:end], *([without_user(".".join(parts[end:]))] if end < len(parts) else [])])


def without_users(value: Any) -> Any:
    """A plain value with every text in it masked by ``without_user``, those in lists and tables too."""
    if isinstance(value, str):
        return without_user(value)
    if isinstance(value, Mapping):
        return {without_users(key): without_users(item) for key, item in value.items()}
    return [without_users(item) for item in value] if isinstance(value, (list, tuple)) else value


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = MAX_VALUE_CHARS
