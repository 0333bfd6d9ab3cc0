"""Looks at processes from outside: who is whose child, who holds a connection, CPU, memory; and puts them on a core. Linux's /proc."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")
ESTABLISHED = "01"
REALTIME_PRIORITY = 10
"""Any value in the round-robin class is above all ordinary work."""


def descendants(root: int) -> list[int]:
    """Every living process below ``root``, without it."""
    parent = {int(entry.name): _parent(int(entry.name)) for entry in PROC.iterdir() if entry.name.isdigit()}
    found, frontier = [], {root}
    while frontier:
        frontier = {pid for pid, above in parent.items() if above in frontier}
        found += sorted(frontier)
    return found


def alive(pid: int) -> bool:
    """Whether a process of that number runs; one that has ended and waits for its parent to notice does not."""
    try:
        return (PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _parent(pid: int) -> int:
    try:
        return int((PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def holders(port: int, pids: Iterable[int]) -> list[int]:
    """Those of ``pids`` that hold an accepted connection to their local ``port``: the ones that serve traffic."""
    inodes = _accepted(port)
    return [pid for pid in pids if inodes & _sockets(pid)]


def _accepted(port: int) -> set[str]:
    rows = [line.split() for line in (PROC / "net" / "tcp").read_text().splitlines()[1:]]
    return {f"socket:[{row[9]}]" for row in rows if row[3] == ESTABLISHED and int(row[1].rsplit(":", 1)[1], 16) == port}


def _sockets(pid: int) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):  # the process may end, and its files close, while we look
        for entry in (PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(entry.readlink()))
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time these processes have used so far, user and system, to the nanosecond. Raises ``ProcessLookupError`` when one is gone."""
    return sum(_cpu_seconds(pid) for pid in pids)


def _cpu_seconds(pid: int) -> float:
    # The kernel's encoding of another process's CPU clock, as clock_getcpuclockid() computes it.
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError as error:
        raise ProcessLookupError(f"process {pid} is gone") from error


def rss_bytes(pid: int) -> int:
    """Resident memory, shared pages counted in full."""
    return int((PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def pss_bytes(pid: int) -> int:
    """Resident memory with each shared page divided by its sharers: what a sum over processes may add up."""
    for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def place(pids: Iterable[int], core: int, realtime: bool) -> None:
    """Pins every thread of these processes to ``core``; ``realtime`` also keeps other work on the machine from delaying them (root)."""
    for pid in pids:
        for thread in [int(entry.name) for entry in (PROC / str(pid) / "task").iterdir()]:
            os.sched_setaffinity(thread, {core})
            if realtime:
                # Equals in this class wait 100 ms for each other: a busy event loop would starve its process's own spool writer,
                # which ordinary scheduling never does. One step above, a helper thread runs when it has work, at the loop's cost.
                priority = REALTIME_PRIORITY if thread == pid else REALTIME_PRIORITY + 1
                os.sched_setscheduler(thread, os.SCHED_RR, os.sched_param(priority))


def realtime_allowed() -> bool:
    """Whether this process may use the real-time class; tried, not guessed."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(REALTIME_PRIORITY))
    except PermissionError:
        return False
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return True
