"""Acceptance runs all there is, keeps what it saw, and does not run twice what has passed."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="a record names its commit, and this is not a clone")


@pytest.fixture(scope="module")
def acceptance() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "tests" / "acceptance.py"))


def test_every_long_test_and_the_full_benchmark_are_pieces_of_it(acceptance: dict[str, Any]) -> None:
    commands = [piece.told() for piece in acceptance["pieces"]()]
    marked = [p for p in (ROOT / "tests").rglob("test_*.py") if "pytest.mark.long" in p.read_text(encoding="utf-8") and p != Path(__file__)]
    assert marked
    for path in marked:
        assert f"python -m pytest -m long {path.relative_to(ROOT).as_posix()}" in commands
    assert "python -m tests.bench --full" in commands


def test_a_piece_leaves_a_record_of_how_it_went(acceptance: dict[str, Any], tmp_path: Path) -> None:
    good, bad = (acceptance["Piece"](name, (sys.executable, "-c", f"raise SystemExit({code})")) for name, code in (("good", 0), ("bad", 3)))
    assert acceptance["run"](good, tmp_path)
    assert not acceptance["run"](bad, tmp_path)
    assert [acceptance["passed"](name, tmp_path) for name in ("good", "bad", "never")] == [True, False, False]
    record = acceptance["recorded"]("bad", tmp_path)
    assert (record["result"], record["seconds"], len(record["date"]), record["commit"][:2].strip() != "") == ("exit 3", 0, 10, True)
    assert record["command"].startswith("python")
    assert str(tmp_path) not in json.dumps(record)


def test_what_was_not_run_is_in_the_summary_as_not_run(acceptance: dict[str, Any], tmp_path: Path) -> None:
    known = [acceptance["Piece"](name, (sys.executable, "-c", "")) for name in ("first", "second")]
    acceptance["run"](known[1], tmp_path)
    told = acceptance["summary"](known, tmp_path)
    assert [(piece["name"], piece["result"]) for piece in told["pieces"]] == [("first", "not run"), ("second", "passed")]


def test_a_record_that_was_cut_off_is_run_again(acceptance: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "torn.json").write_text('{"name": "to')
    assert not acceptance["passed"]("torn", tmp_path)
