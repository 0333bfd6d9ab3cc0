"""Settings of a whole proxy: a YAML file and command-line options become one checked ``Config``.

The settings themselves live beside the code that uses them; here they are only read, and every mistake is named at once
with its key path, its value and the reason.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamgauge.errors import UsageError
from streamgauge.relay.settings import RelaySettings
from streamgauge.spool import SpoolSettings
from streamgauge.targets import TargetSettings


@dataclass(frozen=True)
class Config:
    """All settings of one proxy.

    ``listen`` and ``admin`` are ``host:port`` (port 0 = any free one). ``ledger`` and ``spool_dir`` default to the user's state directory.
    ``allow_unauthenticated``: re-signing on an address that others can reach spends the proxy's role for whoever comes; that must be written out.
    """

    listen: tuple[str, ...] = ("127.0.0.1:8787",)
    admin: str = "127.0.0.1:8788"
    admin_token: str | None = None
    ledger: str | None = None
    spool_dir: str | None = None
    workers: int = 1
    drain_seconds: float = 30.0
    allow_unauthenticated: bool = False
    log_level: str = "INFO"
    targets: TargetSettings = field(default_factory=TargetSettings)
    relay: RelaySettings = field(default_factory=RelaySettings)
    spool: SpoolSettings = field(default_factory=SpoolSettings)


def load(path: Path | None, overrides: dict[str, Any]) -> Config:
    """The settings in ``path`` with ``overrides`` (dotted keys) on top. Raises ``UsageError`` listing every mistake."""
    tree = _read(path) if path is not None else {}
    for dotted, value in overrides.items():
        if value is not None:
            _put(tree, dotted.split("."), value)
    mistakes = list(_unknown_keys(tree, Config, ""))
    config, wrong = _validate(tree)
    mistakes += wrong
    if mistakes or config is None:
        where = f" in {path}" if path is not None else ""
        raise UsageError(f"{len(mistakes)} mistake(s) in the settings{where}:\n  " + "\n  ".join(mistakes))
    _check_signing(config)
    return config


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        tree = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UsageError(f"the settings file {path} cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise UsageError(f"the settings file {path}{place} is not YAML ({getattr(error, 'problem', 'unreadable')})") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise UsageError(f"the settings file {path} must hold keys and values, as in config/streamgauge.yaml")
    return tree


def _put(tree: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        below = tree.setdefault(key, {})
        if not isinstance(below, dict):
            return
        tree = below
    if isinstance(value, dict) and isinstance(tree.get(keys[-1]), dict):
        value = {**tree[keys[-1]], **value}
    tree[keys[-1]] = value


def _unknown_keys(tree: dict[str, Any], kind: type, prefix: str) -> typing.Iterator[str]:
    hints = typing.get_type_hints(kind)
    for key, value in tree.items():
        if key not in hints:
            near = difflib.get_close_matches(str(key), hints, 1)
            hint = f"; did you mean {prefix}{near[0]}?" if near else f"; known keys here: {', '.join(hints)}"
            yield f"{prefix}{key}: unknown key{hint}"
        elif dataclasses.is_dataclass(hints[key]) and isinstance(value, dict):
            yield from _unknown_keys(value, typing.cast("type", hints[key]), f"{prefix}{key}.")


def _validate(tree: dict[str, Any]) -> tuple[Config | None, list[str]]:
    from pydantic import TypeAdapter, ValidationError

    known = _known(tree, Config)
    try:
        return TypeAdapter(Config).validate_python(known), []
    except ValidationError as error:
        return None, [f"{'.'.join(map(str, e['loc']))}: {e['input']!r} - {e['msg']}"[:300] for e in error.errors(include_url=False)]


def _known(tree: dict[str, Any], kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {
        key: _known(value, hints[key]) if dataclasses.is_dataclass(hints[key]) and isinstance(value, dict) else value
        for key, value in tree.items()
        if key in hints and not isinstance(hints[key], types.NoneType)
    }


def _check_signing(config: Config) -> None:
    exposed = [address for address in config.listen if not _is_loopback(address)]
    if exposed and config.relay.signing != "passthrough" and not config.allow_unauthenticated:
        raise UsageError(
            f"listen: {exposed[0]} can be reached by others, who would spend this proxy's AWS role unasked (relay.signing: {config.relay.signing}). "
            "Set relay.signing: passthrough, or listen on 127.0.0.1, or write allow_unauthenticated: true if the network itself decides who may call"
        )


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    return host in ("localhost", "::1") or host.startswith("127.")
