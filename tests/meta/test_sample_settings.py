"""The commented settings file is the whole truth about the settings."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import yaml

from streamgauge.config import Config, load

SAMPLE = Path(__file__).resolve().parents[2] / "config" / "streamgauge.yaml"


def _keys(tree: dict[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for key, value in tree.items():
        # A table of the user's own names has no keys of ours.
        found |= _keys(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {prefix + key}
    return found


def test_the_sample_settings_are_the_defaults() -> None:
    assert load(SAMPLE, {}) == Config()


def test_the_sample_settings_name_every_key() -> None:
    written = yaml.safe_load(SAMPLE.read_text(encoding="utf-8"))
    assert _keys(written) == _keys(dataclasses.asdict(Config()))
