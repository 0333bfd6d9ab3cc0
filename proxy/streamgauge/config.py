"""Settings of a whole proxy: a YAML file and command-line options become one checked ``Config``.

The settings themselves live beside the code that uses them; here they are only read, and every mistake is named at once
with its key path, its value and the reason.
"""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import math
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamgauge.errors import UsageError
from streamgauge.relay.settings import RelaySettings
from streamgauge.routing import shipped_table
from streamgauge.spool import SpoolSettings
from streamgauge.targets import Targets, TargetSettings
from streamgauge.workload import WorkloadSettings

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

MAY_BE_ZERO = frozenset({"drain_seconds", "relay.upstream_idle_connections", "relay.dns_age"})
"""Numbers whose zero means something: end at once, keep no idle connection, ask for a name's addresses each time."""


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
    workload: WorkloadSettings = field(default_factory=WorkloadSettings)


def load(path: Path | None, overrides: dict[str, Any]) -> Config:
    """The settings in ``path`` with ``overrides`` (dotted keys) on top. Raises ``UsageError`` listing every mistake."""
    tree = _read(path) if path is not None else {}
    for dotted, value in overrides.items():
        if value is not None:
            _put(tree, dotted.split("."), value)
    mistakes = list(_unknown_keys(tree, Config, ""))
    config, wrong = _validate(tree)
    mistakes += wrong
    if config is not None:
        mistakes += [
            *_bad_numbers(config, ""),
            *_bad_addresses(config),
            *_bad_bounds(config),
            *_bad_ledger(config),
            *_bad_level(config),
            *_bad_targets(config),
        ]
    if mistakes or config is None:
        where = f" in {path}" if path is not None else ""
        raise UsageError(f"{len(mistakes)} mistake(s) in the settings{where}:\n  " + "\n  ".join(mistakes))
    _check_signing(config)
    return config


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        tree = yaml.safe_load(path.read_bytes())
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


def _unknown_keys(tree: dict[str, Any], kind: type, prefix: str) -> Iterator[str]:
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
        return None, [_told(".".join(map(str, e["loc"])), e["input"], e["msg"]) for e in error.errors(include_url=False)]


def _told(key: str, value: object, reason: str) -> str:
    """One mistake as a line; what may be a secret is not shown."""
    shown = "" if "token" in key or isinstance(value, dict) else f"{value!r:.100} - "
    return f"{key}: {shown}{reason}"


def _bad_numbers(settings: Any, prefix: str) -> Iterator[str]:
    """Every number is a size or a time: finite and above zero, unless zero switches something off."""
    for field_ in dataclasses.fields(settings):
        key, value = prefix + field_.name, getattr(settings, field_.name)
        if dataclasses.is_dataclass(value):
            yield from _bad_numbers(value, f"{key}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            if not math.isfinite(value):
                yield _told(key, value, "must be a finite number")
            elif value < 0 or (value == 0 and key not in MAY_BE_ZERO):
                yield _told(key, value, "must be above zero" if key not in MAY_BE_ZERO else "must not be negative")


def _bad_addresses(config: Config) -> Iterator[str]:
    if not config.listen:
        yield "listen: names no address; 127.0.0.1:8787 is the default"
    for key, address in [*(("listen", address) for address in config.listen), ("admin", config.admin)]:
        port = address.rpartition(":")[2]
        if ":" not in address or not (port.isascii() and port.isdecimal() and int(port) < 65_536):
            yield _told(key, address, "must be host:port, such as 127.0.0.1:8787")


def _bad_bounds(config: Config) -> Iterator[str]:
    if config.relay.max_buffered_bytes < config.relay.max_request_bytes:
        yield _told("relay.max_buffered_bytes", config.relay.max_buffered_bytes, "must not be below relay.max_request_bytes")


def _bad_ledger(config: Config) -> Iterator[str]:
    if config.ledger is not None and "://" in config.ledger:
        # Not shown: it may hold a password.
        yield f"ledger: a {config.ledger.partition('://')[0]} address - must be the path of a file"


def _bad_level(config: Config) -> Iterator[str]:
    if config.log_level not in LOG_LEVELS:
        yield _told("log_level", config.log_level, f"must be one of {', '.join(LOG_LEVELS)}")


def _bad_targets(config: Config) -> Iterator[str]:
    """Workers build the allow-list from these; a mistake found there would come after listening."""
    try:
        Targets(config.targets, shipped_table())
    except UsageError as error:
        yield str(error)


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
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
