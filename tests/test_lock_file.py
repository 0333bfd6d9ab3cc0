"""One holder at a time, which says who it is; whoever dies lets go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamgauge.lock_file import Held, take


def test_a_second_taker_learns_which_process_has_it_until_that_one_lets_go(tmp_path: Path) -> None:
    first = take(tmp_path / "lock")
    with pytest.raises(Held, match=f"^process {os.getpid()}, started by process {os.getppid()}$"):
        take(tmp_path / "lock")
    os.close(first)
    os.close(take(tmp_path / "lock"))
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_a_process_that_was_killed_has_let_go(tmp_path: Path) -> None:
    code = "import os, pathlib, sys; from streamgauge.lock_file import take; take(pathlib.Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "lock")], timeout=30, check=False).returncode == -9
    os.close(take(tmp_path / "lock"))
