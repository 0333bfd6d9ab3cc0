"""File, environment and options become one ``Config``, or one error that names every mistake.

What is given later wins: defaults, the file, environment variables, options. Tables of the operator's own keys are merged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamgauge.config.checks import check
from streamgauge.config.environment import read_environment
from streamgauge.config.mistakes import DEFAULT, Mistake, Origin, SettingsMistaken
from streamgauge.config.settings import Config
from streamgauge.config.tree import build
from streamgauge.config.yaml_file import Read, read_file


@dataclass(frozen=True)
class Loaded:
    """Settings that can work, and where each came from, by its dotted key; what is not named is a default."""

    config: Config
    origins: Mapping[str, Origin] = field(default_factory=dict)

    def origin(self, key: str) -> Origin:
        """Where the value of ``key`` came from."""
        return _origin(self.origins, key)


def load(path: Path | None, overrides: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Config:
    """The settings in ``path``, with those in ``environ`` and then ``overrides`` (dotted keys) on top, also those that are
    ``None``. Raises ``UsageError`` listing every mistake."""
    return read(path, overrides, environ).config


def read(path: Path | None, overrides: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Loaded:
    """As ``load``, with the origin of each setting."""
    file = read_file(path) if path is not None else Read()
    found, tree = list(file.mistakes), file.tree
    origins = {key: Origin("file", line=line) for key, line in file.lines.items()}
    for setting in read_environment(environ or {}):
        if isinstance(setting, Mistake):
            found.append(setting)
        else:
            key, name, value = setting
            _put(tree, origins, key, value, Origin("environment", name))
    for key, value in overrides.items():
        _put(tree, origins, key, value, Origin("option"))
    config = build(Config, tree, found)
    wrong = {mistake.key for mistake in found}
    found += [mistake for mistake in check(config) if not _concerns(mistake.key, wrong)]
    if found:
        where = f" in {path}" if path is not None else ""
        raise SettingsMistaken(where, list(_lines(found, origins)))
    return Loaded(config, origins)


def _put(tree: dict[str, Any], origins: dict[str, Origin], dotted: str, value: Any, origin: Origin) -> None:
    keys = dotted.split(".")
    for key in keys[:-1]:
        below = tree.get(key)
        if below is None:
            below = tree[key] = {}
        if not isinstance(below, dict):
            return
        tree = below
    origins[dotted] = origin
    if isinstance(value, dict):
        origins.update({f"{dotted}.{key}": origin for key in value})
        if isinstance(tree.get(keys[-1]), dict):
            value = {**tree[keys[-1]], **value}
    tree[keys[-1]] = value


def _concerns(key: str, wrong: set[str]) -> bool:
    """Whether something at, above or below ``key`` is wrong already: what follows from that is no news."""
    return any(key == other or key.startswith(f"{other}.") or other.startswith(f"{key}.") for other in wrong)


def _lines(found: list[Mistake], origins: Mapping[str, Origin]) -> Iterator[str]:
    """In the order of the file, then what stands elsewhere."""
    placed = [(mistake, _origin(origins, mistake.key)) for mistake in found]
    for mistake, origin in sorted(placed, key=lambda pair: pair[1].line or len(origins) + (1 << 20)):
        yield mistake.text(origin)


def _origin(origins: Mapping[str, Origin], key: str) -> Origin:
    """The nearest that is known: of the key, or of the table it stands in."""
    while key:
        if key in origins:
            return origins[key]
        key = key.rpartition(".")[0]
    return DEFAULT
