"""What is said of the machine under the figures."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

import streamgauge
from tests.bench.machine import facts, profile_guided, wake_ups

DEBIANS = Path("/usr/bin/python3")
DEBIAN = {
    "CONFIG_ARGS": "'--enable-shared' '--prefix=/usr' 'CC=x86_64-linux-gnu-gcc'",
    "PGO_PROF_GEN_FLAG": "-fprofile-generate",
    "PGO_PROF_USE_FLAG": "",
}
PLAIN = {
    "CONFIG_ARGS": "'--prefix=/home/me'",
    "PGO_PROF_GEN_FLAG": "-fprofile-generate",
    "PGO_PROF_USE_FLAG": "-fprofile-use -fprofile-correction",
}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (PLAIN, False),
        (DEBIAN, True),
        (PLAIN | {"CONFIG_ARGS": "'--prefix=/usr/local' '--enable-optimizations' '--with-lto'"}, True),
        ({}, False),
    ],
)
def test_an_interpreter_built_with_a_profile_is_told_from_a_plain_build(said: dict[str, str], *, expected: bool) -> None:
    assert profile_guided(said) is expected


def test_the_result_names_the_interpreter_that_runs_streamgauge() -> None:
    python = facts(sys.executable)["python"]
    assert python["version"] == platform.python_version()
    assert python["packages"]["streamgauge"] == streamgauge.__version__


def test_the_result_names_no_folder_of_the_machine() -> None:
    python = facts(sys.executable)["python"]
    assert [name for name, value in python.items() if sys.prefix in str(value)] == []


@pytest.mark.skipif(not DEBIANS.exists() or platform.freedesktop_os_release().get("ID") != "debian", reason="no Debian's interpreter here")
def test_debians_own_interpreter_counts_as_built_with_a_profile() -> None:
    names = ("CONFIG_ARGS", "PGO_PROF_GEN_FLAG", "PGO_PROF_USE_FLAG")
    ask = f"import json, sysconfig; print(json.dumps({{name: str(sysconfig.get_config_var(name)) for name in {names}}}))"
    said = json.loads(subprocess.run([DEBIANS, "-c", ask], capture_output=True, text=True, check=True).stdout)
    assert profile_guided(said)


INTERRUPTS = """\
           CPU0       CPU1
  24:          5          0   PCI-MSI 1-edge      virtio0-config
 LOC:     900000     800000   Local timer interrupts
 RES:       1200        345   Rescheduling interrupts
IPI0:          1          2       Rescheduling interrupts
"""


def test_wake_ups_of_all_cores_are_added_up() -> None:
    assert wake_ups(INTERRUPTS) == 1200 + 345 + 1 + 2
    assert wake_ups("") == 0
