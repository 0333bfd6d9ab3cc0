"""``workers: auto``: as many as the cores that may be used, whoever limits them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamgauge.supervisor.cores import MOST_WORKERS, usable_cores, workers_for

ALL = float(len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(
    ("workers", "cores", "number"),
    [(3, 1.0, 3), ("auto", 4.0, 4), ("auto", 2.9, 2), ("auto", 0.5, 1), ("auto", 1000.0, MOST_WORKERS), (256, 1.0, 256)],
)
def test_auto_is_one_for_each_whole_core_within_bounds(workers: int | str, cores: float, number: int) -> None:
    assert workers_for(workers, cores) == number


def cores(tmp_path: Path, groups: str, **files: str) -> float:
    """With ``files`` under the mount of control groups, their names with ``__`` for ``/`` and ``_`` for ``.``."""
    (tmp_path / "cgroup").write_text(groups)
    for name, content in files.items():
        path = tmp_path / "fs" / name.replace("__", "/").replace("_max", ".max").replace("cpu_cfs", "cpu.cfs")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return usable_cores(tmp_path, tmp_path / "fs")


def test_without_control_groups_the_affinity_decides(tmp_path: Path) -> None:
    assert usable_cores(tmp_path / "none", tmp_path / "none") == ALL


@pytest.mark.parametrize("content", ["max 100000\n", "", "nonsense", "50000 0\n", "-1 100000"])
def test_no_quota_does_not_limit(tmp_path: Path, content: str) -> None:
    assert cores(tmp_path, "0::/\n", cpu_max=content) == ALL


def test_version_2_limits_in_a_container(tmp_path: Path) -> None:
    assert cores(tmp_path, "0::/\n", cpu_max="50000 100000\n") == 0.5


def test_version_2_limits_by_the_least_of_our_group_and_all_above(tmp_path: Path) -> None:
    files = {"a__b__cpu_max": "max 100000\n", "a__cpu_max": "25000 100000\n", "cpu_max": "50000 100000\n"}
    assert cores(tmp_path, "0::/a/b\n", **files) == 0.25


def test_where_the_path_is_the_hosts_the_root_is_read(tmp_path: Path) -> None:
    assert cores(tmp_path, "0::/kubepods/burstable/pod1\n", cpu_max="75000 100000\n") == 0.75
    assert cores(tmp_path, "0::/../../other\n", cpu_max="75000 100000\n") == 0.75


@pytest.mark.parametrize("mount", ["cpu,cpuacct", "cpu"])
def test_version_1_limits(tmp_path: Path, mount: str) -> None:
    files = {f"{mount}__a__cpu_cfs_quota_us": "50000\n", f"{mount}__a__cpu_cfs_period_us": "100000\n"}
    assert cores(tmp_path, "12:memory:/a\n4:cpu,cpuacct:/a\n", **files) == 0.5


def test_version_1_without_a_limit(tmp_path: Path) -> None:
    files = {"cpu__cpu_cfs_quota_us": "-1\n", "cpu__cpu_cfs_period_us": "100000\n"}
    assert cores(tmp_path, "4:cpu:/\n", **files) == ALL


def test_the_machine_it_runs_on_has_some() -> None:
    assert 0 < usable_cores() <= ALL
