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
        report = ["perf", "report", "-i", out.name, "--stdio", "--no-children", "-q", "-F", "overhead,dso,sym", "-t", "|"]
        lines = subprocess.run(report, capture_output=True, text=True, timeout=120).stdout.splitlines()
    rows = [
        (float(share.strip().rstrip("%")) / 100, dso.strip(), symbol.strip())
        for share, dso, symbol in (line.split("|") for line in lines if "|" in line)
    ]
    return f"{_places(rows, cost)}\n\n{_symbols(rows, cost)}"


def _places(rows: Iterable[tuple[float, str, str]], cost: float) -> str:
    shares: dict[str, float] = collections.defaultdict(float)
    for share, dso, _ in rows:
        shares[place_of(dso)] += share
    return _shares("place", shares, cost)


def place_of(dso: str) -> str:
    """What a shared object is to us; its own name when it is nothing in particular."""
    return next((place for beginning, place in PLACES if dso.startswith(beginning)), dso)


def _symbols(rows: Iterable[tuple[float, str, str]], cost: float) -> str:
    return _shares("symbol", {f"{place_of(dso)}: {symbol}": share for share, dso, symbol in sorted(rows, reverse=True)[:SHOWN]}, cost)


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
    total = sum(stacks.values()) or 1
    own, below = by_function(stacks)
    own_share = {name: count / total for name, count in own.most_common(SHOWN)}
    below_share = {name: count / total for name, count in below.most_common(SHOWN)}
    return f"{_shares('Python function, itself', own_share, cost)}\n\n{_shares('with all it calls', below_share, cost)}"


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


def _shares(heading: str, shares: Mapping[str, float], cost: float) -> str:
    rows = [[name, "", f"{share:.1%}", f"{share * cost:.2f}"] for name, share in sorted(shares.items(), key=lambda one: -one[1])]
    return table([[heading, "", "share", "us"], *rows])
