"""Where a worker's microseconds go: the same load three times, once left alone for the figure, once under perf, once under py-spy.

perf tells shares by place (kernel, interpreter, uvloop, ...), py-spy by Python function. Shares times the undisturbed CPU per chunk or call
give microseconds. Both tools are optional; what is missing is said.
"""

from __future__ import annotations

import collections
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.bench.build import CannotRun
from tests.bench.pieces import run_load
from tests.bench.report import table
from tests.bench.scenarios import Scenario
from tests.bench.targets import Bench, Running, fake_upstream, started
from tests.bench.verdict import load_units

PLACES = (
    ("[kernel", "kernel"),
    ("libpython", "Python interpreter"),
    ("python", "Python interpreter"),
    ("uvloop", "uvloop"),
    ("loop.cpython", "uvloop"),
    ("_http_parser", "aiohttp's parser"),
    ("_http_writer", "aiohttp's parser"),
    ("msgspec", "msgspec"),
    ("_core.cpython", "msgspec"),
    ("libcrypto", "TLS"),
    ("libssl", "TLS"),
    ("_ssl", "TLS"),
    ("libz", "zlib (CRC)"),
    ("zlib", "zlib (CRC)"),
    ("libc.so", "libc"),
    ("[vdso]", "clock"),
)
"""The beginning of a shared object's name, and what to call it."""
PERF_RATE = 1999
SPY_RATE = 400
"""Samples a second; odd, so that they do not fall in step with the load's own period."""
OTHER_THREAD = "Thread._bootstrap"
"""The function that every thread but the loop's begins with."""
SHOWN = 40


def profile(scenario: Scenario, bench: Bench) -> str:
    """The tables for streamgauge's worker under that scenario. Raises ``CannotRun``."""
    if not scenario.load:
        raise CannotRun(f"{scenario.name} has no load to profile under")
    with (
        fake_upstream(bench) as upstream,
        started("streamgauge", bench, upstream, tls=scenario.tls, placement=scenario.placement) as running,
    ):
        load = run_load(scenario.load, bench, running)
        units, unit = load_units(load)
        cost = 1e6 * load["groups"]["relay"]["cpu_s"] / units
        parts = [f"{scenario.name}: {cost:.2f} us of the worker's CPU per {unit}"]
        parts.append(_by_place(scenario, bench, running, cost))
        parts.append(_by_function(scenario, bench, running, cost))
    return "\n\n".join(parts)


def _under(tool: list[str], scenario: Scenario, bench: Bench, running: Running) -> None:
    """Runs the load with ``tool`` beside it, from when it is warm to the window's end."""
    assert scenario.load
    warm = ["sh", "-c", f'sleep {scenario.load.warm}; exec "$@"', "sh", *tool]
    watcher = subprocess.Popen(warm, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        run_load(scenario.load, bench, running)
        _, error = watcher.communicate(timeout=60)
    finally:
        watcher.kill()
    if watcher.returncode:
        raise CannotRun(f"{tool[0]} failed: {error[-500:]}")


def _by_place(scenario: Scenario, bench: Bench, running: Running, cost: float) -> str:
    if not shutil.which("perf") or not scenario.load:
        return "perf is not installed: no shares by place"
    with tempfile.NamedTemporaryFile(dir=bench.work) as out:
        pids = ",".join(map(str, running.groups["relay"]))
        record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(PERF_RATE), "-o", out.name, "-p", pids]
        _under([*record, "--", "sleep", str(scenario.load.window)], scenario, bench, running)
        script = ["perf", "script", "-i", out.name, "-F", "tid,ip,sym,dso"]
        samples = read_samples(subprocess.run(script, capture_output=True, text=True, timeout=120).stdout.splitlines())
    tables = (
        _shares("thread", ("event loop" if thread in running.groups["relay"] else "other threads" for thread, _, _ in samples), cost),
        _shares("place", (place for _, place, _ in samples), cost),
        _shares("symbol", (f"{place}: {symbol}" for _, place, symbol in samples), cost),
    )
    return "\n\n".join(tables)


Sample = tuple[int, str, str]
"""Thread, place, symbol."""


def read_samples(lines: Iterable[str]) -> list[Sample]:
    """``perf script -F tid,ip,sym,dso``: one sample a line. The loop's thread has its process's number."""
    found = []
    for line in lines:
        thread, _, rest = line.split(maxsplit=2) if len(line.split()) > 2 else ("", "", "")
        symbol, _, dso = rest.rpartition(" (")
        if thread.isdigit():
            found.append((int(thread), place_of(dso.rstrip(")").rsplit("/", 1)[-1]), symbol.split("+")[0]))
    return found


def place_of(dso: str) -> str:
    """What a shared object is to us; its own name when it is nothing in particular."""
    return next((place for beginning, place in PLACES if dso.startswith(beginning)), dso)


def _by_function(scenario: Scenario, bench: Bench, running: Running, cost: float) -> str:
    spy = shutil.which("py-spy") or str(Path(sys.executable).parent / "py-spy")
    if not Path(spy).exists() or not scenario.load:
        return "py-spy is not installed (pip install py-spy): no shares by function"
    with tempfile.NamedTemporaryFile(dir=bench.work, suffix=".txt") as out:
        command = [
            spy,
            "record",
            "--nonblocking",
            "-f",
            "raw",
            "-r",
            str(SPY_RATE),
            "-d",
            str(max(1, int(scenario.load.window))),
            "-o",
            out.name,
        ]
        _under([*command, "-p", str(running.groups["relay"][0])], scenario, bench, running)
        stacks = read_stacks(Path(out.name).read_text().splitlines())
    own, below = by_function({stack: count for stack, count in stacks.items() if not any(OTHER_THREAD in frame for frame in stack)})
    total = sum(own.values())
    note = "Of the event loop's thread only; a function's own share holds the C code it calls (a write's system call, for one)."
    return "\n\n".join((_counted("Python function, itself", own, total, cost), _counted("with all it calls", below, total, cost), note))


def read_stacks(lines: Iterable[str]) -> dict[tuple[str, ...], int]:
    """py-spy's raw format: frames from the outermost to the innermost, and how often that was seen."""
    found: dict[tuple[str, ...], int] = {}
    for line in lines:
        frames, _, count = line.rpartition(" ")
        stack = tuple(_without_line(frame) for frame in frames.split(";"))
        found[stack] = found.get(stack, 0) + int(count)
    return found


def _without_line(frame: str) -> str:
    """``name (path/file.py:12)`` -> ``name (path/file.py)``: lines of one function belong together."""
    name, _, place = frame.rpartition(":")
    return f"{name})" if place.rstrip(")").isdigit() else frame


def by_function(stacks: Mapping[tuple[str, ...], int]) -> tuple[collections.Counter[str], collections.Counter[str]]:
    """Samples of each function itself, and of it with all it called (once a stack, however often it occurs there)."""
    own: collections.Counter[str] = collections.Counter()
    below: collections.Counter[str] = collections.Counter()
    for stack, count in stacks.items():
        own[stack[-1]] += count
        for frame in set(stack):
            below[frame] += count
    return own, below


def _shares(heading: str, names: Iterable[str], cost: float) -> str:
    counts = collections.Counter(names)
    return _counted(heading, counts, counts.total(), cost)


def _counted(heading: str, counts: collections.Counter[str], total: int, cost: float) -> str:
    rows = [[name, "", f"{count / total:.1%}", f"{count / total * cost:.2f}"] for name, count in counts.most_common(SHOWN)]
    return table([[heading, "", "share", "us"], *rows])
