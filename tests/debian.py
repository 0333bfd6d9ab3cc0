"""Packages of Debian whose programs tests and benchmarks start: installed when they are missing and we are root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable

import pytest


class NotInstalled(Exception):
    """What is missing, and the command that brings it."""


def install(packages: Iterable[str]) -> None:
    """Install them. Raises ``NotInstalled`` where we may not, or where that fails."""
    wanted = list(packages)
    if not wanted:
        return
    if os.geteuid() or not shutil.which("apt-get"):
        raise NotInstalled(f"missing: {', '.join(wanted)}; install them (Debian: apt-get install {' '.join(wanted)})")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-q", "-y", "--no-install-recommends", *wanted]):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise NotInstalled(f"`{' '.join(command)}` failed:\n{done.stderr[-1000:]}")


def need(program: str, package: str) -> None:
    """Have ``program``, or skip the test that asks; where ``CI`` is set nothing is skipped: the test fails instead."""
    if shutil.which(program):
        return
    try:
        install([package])
    except NotInstalled as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
