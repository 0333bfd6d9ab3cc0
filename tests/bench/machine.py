"""The machine under the figures: what it is, how fast it is just now, and what else ran on it meanwhile."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LAB_CORE = 0
TARGET_CORE = 1
CALIBRATION_STEPS = 200_000

PYTHON_FACTS = """
import json, platform, sysconfig, time
from importlib.metadata import version
began, total = time.thread_time_ns(), 0
for step in range(2_000_000): total += step & 3
said = {name: str(sysconfig.get_config_var(name) or "") for name in ("CONFIG_ARGS", "PGO_PROF_GEN_FLAG", "PGO_PROF_USE_FLAG")}
print(json.dumps({"version": platform.python_version(), "compiler": platform.python_compiler(), "said": said,
                  "loop_ns": (time.thread_time_ns() - began) / 2_000_000,
                  "packages": {name: version(name) for name in ("streamgauge", "aiohttp", "uvloop", "msgspec", "sqlalchemy")}}))
"""
"""Run by the interpreter that runs streamgauge, which need not be the one that runs the benchmark. The time of a plain loop is told as
well: it does not depend on what the interpreter says of itself."""


def profile_guided(said: Mapping[str, str]) -> bool:
    """Whether an interpreter was built with profile-guided optimisation, by what ``sysconfig`` says of its build.

    ``--enable-optimizations`` says it. Debian and Ubuntu do not pass it: they run the profiled build themselves and then take the flag it was
    compiled with out of the record. ``configure`` always writes that flag beside the one for collecting the profile, so where only the
    second is left, the first was used. A plain build has both, an interpreter of another compiler may have neither.
    """
    if "--enable-optimizations" in said.get("CONFIG_ARGS", ""):
        return True
    return bool(said.get("PGO_PROF_GEN_FLAG", "").strip()) and not said.get("PGO_PROF_USE_FLAG", "").strip()


def facts(python: str) -> dict[str, Any]:
    """CPU, kernel, and versions of everything that has a part in the figures. ``python``: the interpreter streamgauge runs on."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "system": _pretty_name(),
        "nginx": _output(["nginx", "-v"]).removeprefix("nginx version: "),
        "openssl": _output(["openssl", "version"]),
        "python": _python_facts(python),
        "load_average": os.getloadavg(),
    }


def _python_facts(python: str) -> dict[str, Any]:
    out = _output([python, "-c", PYTHON_FACTS])
    try:
        found: dict[str, Any] = json.loads(out)
    except ValueError:
        return {"error": out[-300:]}
    # What it says of its build names folders of this machine: a result that is published has no use for them.
    return {"profile_guided": profile_guided(found.pop("said"))} | found


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except OSError as error:
        return f"unknown: {error}"
    return (done.stdout + done.stderr).strip()


def _cpu_model() -> str:
    names = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _pretty_name() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())


def calibrate(core: int = TARGET_CORE) -> float:
    """Nanoseconds one step of fixed work takes on ``core`` now, median of five: shows a frequency or a neighbour that changed."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        return statistics.median(_timed_work() for _ in range(5))
    finally:
        os.sched_setaffinity(0, before)


def _timed_work() -> float:
    # CPU time, not wall time: work of others on the core is seen by Watch, this is about the core's own speed.
    begin = time.thread_time_ns()
    total = 0
    for step in range(CALIBRATION_STEPS):
        total += step & 3
    return (time.thread_time_ns() - begin) / CALIBRATION_STEPS


@dataclass(frozen=True)
class CoreTime:
    """Seconds one core has spent busy (interrupts included) and lost to the hypervisor."""

    busy: float
    stolen: float


def core_time(core: int) -> CoreTime:
    """Since the machine started; in steps of the kernel's tick (10 ms)."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _wait, interrupt, soft, stolen = (int(t) / os.sysconf("SC_CLK_TCK") for t in ticks[:8])
            return CoreTime(user + nice + system + interrupt + soft, stolen)
    raise LookupError(f"no core {core}: this benchmark needs two cores")


def wake_ups(interrupts: str) -> int:
    """From the text of ``/proc/interrupts``: how often a core has interrupted another one to wake a process there, all cores together.

    The waking side pays for it, and on a virtual machine dearly. Zero where the kernel does not name them as x86 and ARM do.
    """
    lines = [line.split() for line in interrupts.splitlines() if "escheduling interrupts" in line]
    return sum(int(word) for line in lines for word in line[1:] if word.isdigit())


class Watch:
    """What a core did between two moments, as shares of the time between them."""

    def __init__(self, core: int) -> None:
        self._core = core
        self._began = time.monotonic()
        self._before = core_time(core)

    def shares(self) -> dict[str, float]:
        """``busy`` and ``stolen`` since this watch was made, and ``seconds``."""
        passed, now = time.monotonic() - self._began, core_time(self._core)
        return {
            "seconds": passed,
            "busy": (now.busy - self._before.busy) / passed,
            "stolen": (now.stolen - self._before.stolen) / passed,
        }
