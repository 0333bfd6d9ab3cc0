"""Raw results on disk, one file per round of a scenario, so that an interrupted run goes on where it stopped.

The unit is a whole round: its targets are compared with one another, so they must have run one right after the other.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[2] / "proxy" / "streamgauge"


def fingerprint(package: Path = PACKAGE) -> str:
    """Of streamgauge's code and of this benchmark's: rounds of different code are never put together."""
    digest = hashlib.sha256()
    for folder in (package, Path(__file__).resolve().parent):
        for path in sorted(p for p in folder.rglob("*") if p.suffix in (".py", ".json", ".c", ".h") and not p.name.startswith("test_")):
            digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()[:12]


class Store:
    """The rounds of one form (``short`` or ``full``) under ``folder``. ``key`` says under what they were taken; others are not seen."""

    def __init__(self, folder: Path, key: str) -> None:
        self._folder, self._key = folder, key
        folder.mkdir(parents=True, exist_ok=True)

    def clear(self) -> None:
        """Forgets all rounds."""
        shutil.rmtree(self._folder)
        self._folder.mkdir()

    def load(self, scenario: str, number: int) -> list[dict[str, Any]] | None:
        """The pieces of that round, or ``None`` when it has not been run with this key."""
        try:
            kept = json.loads(self._path(scenario, number).read_text())
        except (OSError, ValueError):
            return None
        pieces: list[dict[str, Any]] = kept["pieces"]
        return pieces if kept["key"] == self._key else None

    def save(self, scenario: str, number: int, pieces: list[dict[str, Any]]) -> None:
        """Keeps a round; whole or not at all."""
        path = self._path(scenario, number)
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps({"key": self._key, "pieces": pieces}))
        partial.rename(path)

    def _path(self, scenario: str, number: int) -> Path:
        return self._folder / f"{scenario}.{number}.json"
