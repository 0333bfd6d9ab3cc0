"""The shape of the sources: what a reader may rely on when opening any file."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "proxy" / "streamgauge"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
SOURCES = [*MODULES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "docs").rglob("*.py"))]

LONGEST_MODULE = 400
"""Lines. Beyond it a file has two subjects."""
LONGEST_FUNCTION = 60
"""Lines without the docstring: one screen."""

TESTED_ELSEWHERE = {
    "records.py": "declarations only; the spool's and the ledger's tests hold every field to its round trip",
    "errors.py": "declarations only; each error is asserted where it is raised",
    "relay/settings.py": "declarations only; tests/test_config.py reads every one of them",
}
"""Modules without a test file of their name, each with the reason."""


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = function.body[0]
    documented = ast.get_docstring(function, clean=False) is not None
    docstring = (first.end_lineno or first.lineno) - first.lineno + 1 if documented else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - docstring


def _test_of(module: Path) -> Path:
    relative = module.relative_to(PACKAGE)
    return ROOT / "tests" / relative.parent / f"test_{relative.name}"


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_a_module_is_short_enough_to_have_one_subject(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


def test_a_function_fits_on_a_screen() -> None:
    lengths = {f"{_name(path)}:{function.lineno} {function.name}": _lines(function) for path in SOURCES for function in _functions(path)}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_a_module_has_a_test_file_of_its_name(module: Path) -> None:
    if module.relative_to(PACKAGE).as_posix() not in TESTED_ELSEWHERE:
        assert _test_of(module).is_file(), f"write {_name(_test_of(module))}"


def test_no_exception_outlives_its_reason() -> None:
    # An entry that waits for its test file may get it at any time; the others must go when they are no longer true.
    stale = [
        name
        for name, reason in TESTED_ELSEWHERE.items()
        if not (PACKAGE / name).is_file() or (_test_of(PACKAGE / name).is_file() and "still to be written" not in reason)
    ]
    assert stale == []


def test_test_files_have_names_of_their_own() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1} - SAME_NAME_AS_MODULE) == []


SAME_NAME_AS_MODULE = {f"test_{path.name}" for path in MODULES if [module.name for module in MODULES].count(path.name) > 1}


def test_whatever_is_below_the_edge_is_held_to_purity() -> None:
    contracts = {
        c["id"]: c for c in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    }
    layers = contracts["layers"]["layers"]
    below = layers[layers.index("measure") :]
    modules = {name.strip("() ") for layer in below for name in layer.split("|")}
    assert {f"streamgauge.{name}" for name in modules} == set(contracts["pure"]["source_modules"])


def test_packages_are_named_for_what_they_know() -> None:
    empty_words = {"utils", "util", "helpers", "helper", "manager", "misc", "common", "core"}
    assert [_name(path) for path in SOURCES if {path.stem, path.parent.name} & empty_words] == []
