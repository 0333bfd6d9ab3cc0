"""What a stranger's clone must not miss, and the documents that must stay true of the tree."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "proxy" / "streamgauge"

ELSEWHERE = re.compile(r"\.\./shared|/w[o]rk/|/o[p]t/py|/o[p]t/wheels|--(extra-)?i[n]dex-url[ =]|--f[i]nd-links[ =]|/root/\.")
"""Places that only the machine has on which something was made."""

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def _tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    # The environment may name another repository (a hook's does): this one is meant.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, env=environ, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def _pages() -> list[Path]:
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):.*##", _read("Makefile"), re.MULTILINE))


def test_nothing_refers_to_a_place_a_clone_does_not_have() -> None:
    found = []
    for path in _tracked():
        text = path.read_bytes().decode("utf-8", "replace")
        found += [f"{_name(path)}: {hit[0]}" for hit in ELSEWHERE.finditer(text)]
    assert found == []


def test_the_lock_pins_packages_and_names_no_place() -> None:
    lines = [line for line in _read("requirements.lock").splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9._-]+==[\w.+!]+( ;.*)?", line)] == []


@pytest.mark.parametrize("page", _pages(), ids=_name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        place, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", place):
            continue
        aim = (page.parent / place).resolve() if place else page
        if not aim.exists() or (anchor and aim.suffix == ".md" and anchor not in _anchors(aim)):
            broken.append(link)
    assert broken == []


def test_every_page_is_reached_from_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    linked = {(ROOT / "docs" / link.partition("#")[0]).resolve() for link in LINK.findall(index)}
    pages = {path for path in (ROOT / "docs").rglob("*.md") if path.name != "README.md"}
    assert sorted(map(_name, pages - linked)) == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_make_commands_of_a_page_exist(page: str) -> None:
    asked = set(re.findall(r"(?:^|`)make ([a-z]+)", _read(page), re.MULTILINE))
    assert asked
    assert asked - _targets() == set()


def test_the_first_screen_of_the_readme_lets_a_stranger_start() -> None:
    lines = _read("README.md").splitlines()
    screen = "\n".join(lines[:60])
    assert next(n for n, line in enumerate(lines, 1) if line.startswith("```")) <= 25
    assert "make demo" in screen
    assert "make test" in screen


def test_the_module_map_names_every_package_and_nothing_else() -> None:
    table = _read("CONTRIBUTING.md").partition("## Module map")[2].partition("\n## ")[0]
    named = {name.rstrip("/") for cell in re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE) for name in re.findall(r"`([\w/.]+)`", cell)}
    packages = {path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("__init__.py")} - {"."}
    modules = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py"}
    top = {name for name in packages if "/" not in name}
    assert named == top | modules | {"data"}


def test_settings_of_ruff_are_excepted_with_a_reason() -> None:
    lint = _read("pyproject.toml").partition("[tool.ruff.lint]")[2].partition("[tool.ruff.lint.flake8-tidy-imports]")[0]
    codes = re.findall(r'^    "[A-Z]+\d*",(.*)$', lint, re.MULTILINE)
    assert codes
    assert [rest for rest in codes if "#" not in rest] == []


def test_continuous_integration_runs_what_a_developer_runs() -> None:
    assert "make test" in _read(".ci/run")
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_changelog_has_a_place_for_the_next_change() -> None:
    assert "## [Unreleased]" in _read("CHANGELOG.md")
