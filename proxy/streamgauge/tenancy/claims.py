"""What a request says about who it is for, read from each place where callers can say it.

Knows: the shape of each place, and what a name may look like. Must not know: which place counts most (``resolver``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from streamgauge.tenancy.tenant_settings import SourceName, TenantSettings

Trust = Literal["verified", "declared", "none"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/+=@-]{0,127}")
"""What a tenant, team or application may be called: it goes into every row, so it is a name and no text."""

MAX_METADATA = 16_384
"""Bytes of metadata that are looked into. AWS takes 8,500 in the header."""

_PROFILE = re.compile(r"arn:[a-z0-9-]+:bedrock:[a-z0-9-]*:[0-9]*:application-inference-profile/([A-Za-z0-9-]+)")
_PAIRS = re.compile(r"[;,&\s]+")
_PART = re.compile(r"\{(tenant|team|app)\}")


class Names(msgspec.Struct, frozen=True):
    """Names as one place states them."""

    tenant: str | None = None
    team: str | None = None
    app: str | None = None


class Claim(msgspec.Struct, frozen=True):
    """Names, where they stand, and how far they may be believed.

    ``fallback``: an id that nobody gave a name to, which counts only where nothing else is said.
    """

    source: SourceName
    trust: Trust
    names: Names
    cost_centre: str | None = None
    fallback: bool = False


def named(value: object) -> str | None:
    """``value`` where it can be a name, else ``None``."""
    return value if isinstance(value, str) and NAME.fullmatch(value) else None


def in_metadata(raw: bytes | str | None, settings: TenantSettings) -> Names | None:
    """Of request metadata, a JSON object of texts; ``None`` where it states no name or is no such object."""
    if not raw or len(raw) > MAX_METADATA:
        return None
    try:
        found: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return _by_key(found, settings) if isinstance(found, dict) else None


def in_attributes(value: str | None, settings: TenantSettings) -> Names | None:
    """Of SageMaker's custom attributes, which are free text: a JSON object, or ``name=value`` pairs between ``;``, ``,`` or ``&``."""
    if not value or len(value) > MAX_METADATA:
        return None
    if value.lstrip().startswith("{"):
        return in_metadata(value, settings)
    pairs = (part.partition("=") for part in _PAIRS.split(value))
    return _by_key({name: text for name, mark, text in pairs if mark}, settings)


def _by_key(found: Mapping[Any, Any], settings: TenantSettings) -> Names | None:
    names = Names(
        named(found.get(settings.metadata_tenant)), named(found.get(settings.metadata_team)), named(found.get(settings.metadata_app))
    )
    return names if names != Names() else None


def in_headers(headers: Mapping[str, str], settings: TenantSettings) -> Names | None:
    """Of the configured headers; ``headers`` by lower-case name."""
    keys = (settings.header, settings.team_header, settings.app_header)
    names = Names(*(named(headers.get(key.lower())) if key is not None else None for key in keys))
    return names if names != Names() else None


def profile_ids(model: str | None) -> tuple[str, ...]:
    """What an application inference profile in place of a model may be listed under: its ARN and its id; nothing for any other model."""
    found = _PROFILE.fullmatch(model) if model is not None and model.startswith("arn:") else None
    return (found[0], found[1]) if found is not None else ()


class UrlPrefix:
    """The pattern of ``tenants.url_prefix``, ready to be taken off paths. Raises ``ValueError`` saying what is wrong with it."""

    def __init__(self, pattern: str) -> None:
        parts = pattern.rstrip("/").split("/")
        if parts[0] or len(parts) < 2 or not all(parts[1:]):
            raise ValueError("must begin with a slash, such as /t/{tenant}")
        if not any("{tenant}" in part for part in parts):
            raise ValueError("holds no {tenant}, such as /t/{tenant}")
        for part in parts[1:]:
            if ("{" in part or "}" in part) and not _PART.fullmatch(part):
                raise ValueError(f"has {part!r} between slashes, where {{tenant}}, {{team}}, {{app}} or a fixed word may stand")
        if len(parts) != len({*parts}):
            raise ValueError("has the same part twice")
        self._parts = parts[1:]
        self._start = pattern[: pattern.index("{")]

    def take(self, path: str) -> tuple[str, Names | None]:
        """(the path without the prefix, the names in it); as it came, and ``None``, where it has no such prefix."""
        if not path.startswith(self._start):
            return path, None
        pieces = path.split("/", len(self._parts) + 1)
        if len(pieces) != len(self._parts) + 2:
            return path, None
        found: dict[str, str] = {}
        for part, piece in zip(self._parts, pieces[1:], strict=False):
            if part.startswith("{"):
                if named(piece) is None:
                    return path, None
                found[part[1:-1]] = piece
            elif part != piece:
                return path, None
        return "/" + pieces[-1], Names(**found)
