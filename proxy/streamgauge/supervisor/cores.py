"""How many cores this process may use: its affinity, and the CPU quota of its control groups, whichever is less.

Knows: /proc and /sys/fs/cgroup of version 1 and 2, inside and outside of a container. Must not know: what the cores are for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

MOST_WORKERS = 32
"""Of ``workers: auto``. Each carries some tens of thousands of chunks a second and has some tens of megabytes: who has more cores and needs more
workers than that writes the number."""


def workers_for(workers: int | str, cores: float) -> int:
    """The number of workers: as set, or for ``auto`` one for each whole core, at least 1 and at most ``MOST_WORKERS``.

    Rounded down: one process more than the quota feeds makes all of them wait for the rest of each period (100 ms), streams included.
    """
    return workers if isinstance(workers, int) else max(1, min(int(cores), MOST_WORKERS))


def usable_cores(proc: Path = Path("/proc/self"), groups: Path = Path("/sys/fs/cgroup")) -> float:
    """Cores that may be used; with a quota it need not be a whole number. What cannot be read does not limit."""
    return min([float(len(os.sched_getaffinity(0))), *_quotas(proc, groups)])


def _quotas(proc: Path, groups: Path) -> Iterator[float]:
    """Of our group and all above it, for each one's quota holds."""
    for line in _text(proc / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            roots, read = [groups], _version_2
        elif "cpu" in controllers.split(","):
            roots, read = [groups / controllers, groups / "cpu", groups / "cpu,cpuacct"], _version_1
        else:
            continue
        # In a container the path may be the host's, and then only the root is there to be read.
        below = PurePosixPath(path.lstrip("/"))
        for part in (below, *below.parents):
            for root in roots:
                if ".." not in part.parts and (quota := read(root / part)) is not None:
                    yield quota


def _version_2(group: Path) -> float | None:
    quota, _, period = _text(group / "cpu.max").strip().partition(" ")
    return _cores(quota, period)


def _version_1(group: Path) -> float | None:
    return _cores(_text(group / "cpu.cfs_quota_us").strip(), _text(group / "cpu.cfs_period_us").strip())


def _cores(quota: str, period: str) -> float | None:
    """``None`` for ``max``, -1, and what is no number: no limit."""
    if not quota.isdecimal() or not period.isdecimal() or not int(period):
        return None
    return int(quota) / int(period)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
