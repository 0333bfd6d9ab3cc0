"""The settings again, of a proxy that runs: not from a file that is just being written, and with what has changed by name."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamgauge.config import keys
from streamgauge.config.settings import Config
from streamgauge.config.yaml_file import read_file
from streamgauge.errors import UsageError

SETTLED_SECONDS = 0.3
"""Editors and ``cp`` empty a file and fill it again within milliseconds."""

Load = Callable[[], Config]


def reread(path: Path | None, load: Load, pause: Callable[[float], None] = time.sleep) -> Config:
    """What ``load`` makes of the file at ``path``. Takes ``SETTLED_SECONDS``.

    Raises ``UsageError`` where the file changes meanwhile, or sets nothing: a proxy that runs by its settings would lose all of them at once,
    who may call and where to among them.
    """
    if path is None:
        return load()
    before = _stamp(path)
    pause(SETTLED_SECONDS)
    _refuse_change(path, before)
    if not read_file(path).tree:
        raise UsageError(f"the settings file {path} sets nothing: write it whole, or set at least one key, and send SIGHUP again")
    config = load()
    _refuse_change(path, before)
    return config


def changed_keys(before: Config, after: Config) -> list[str]:
    """The dotted keys whose values differ: only their names, a value may be a secret."""
    return [key.name for key in keys.every_key() if value_of(before, key.name) != value_of(after, key.name)]


def _refuse_change(path: Path, before: object) -> None:
    if _stamp(path) != before:
        raise UsageError(f"the settings file {path} is being written: send SIGHUP when it is whole, or write another and rename it")


def _stamp(path: Path) -> tuple[int, int, int, bytes]:
    """Which file it is, when it was changed, and what it holds."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise UsageError(f"the settings file {path} cannot be read ({error.strerror})") from None
    return status.st_ino, status.st_size, status.st_mtime_ns, content


def value_of(config: Config, key: str) -> Any:
    """What stands at a dotted key."""
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part)
    return value
