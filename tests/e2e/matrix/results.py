"""What the matrix saw, kept for the documentation's table."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from tests.e2e.matrix.cells import CELLS
from tests.e2e.matrix.installed import ROOT, versions

VARIABLE = "STREAMGAUGE_SAVE_CALLERS"
"""Set to 1, the matrix writes its results into the documentation."""

SAVED = ROOT / "docs" / "reference" / "callers-results.json"
SEEN = ROOT / "build" / "callers" / "results.json"


def save(results: dict[str, str]) -> None:
    """Write the results of a whole matrix; a part of one is nobody's table."""
    if set(results) != set(CELLS):
        return
    told = {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "versions": versions(),
        "cells": {name: results[name] for name in CELLS},
    }
    for path in [SEEN, *([SAVED] if os.environ.get(VARIABLE) == "1" else [])]:
        _write(path, json.dumps(told, indent=2) + "\n")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
