"""However the demo ends, and whatever the user's AWS set-up is: nothing is left behind, and nothing of it gets into the table."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest


def _start(ledger: Path, seconds: str = "20", **environ: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "streamgauge", "demo", "--seconds", seconds, "--ledger", str(ledger)]
    # A session of its own, as a terminal gives one: its processes can be told from all others, and Ctrl-C reaches its whole group.
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ, **environ}
    )


def _rows(ledger: Path) -> int:
    try:
        with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as connection:
            return int(connection.execute("select count(*) from exchanges").fetchone()[0])
    except sqlite3.Error:
        return 0


def _until(true: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, what
        time.sleep(0.02)


def _family(of: int) -> set[int]:
    """The live processes below this one."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state != "Z":
                parents[int(entry.name)] = int(parent)
    found: set[int] = set()
    while more := {pid for pid, parent in parents.items() if parent in found | {of}} - found:
        found |= more
    return found


def _gone(pids: set[int]) -> Callable[[], bool]:
    return lambda: not any(_alive(pid) for pid in pids)


def _alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_demo_that_is_ended_leaves_no_process_behind(number: signal.Signals, tmp_path: Path) -> None:
    with _start(tmp_path / "l.db") as demo:
        _until(lambda: _rows(tmp_path / "l.db") > 5, "no row came")
        family = _family(demo.pid)
        assert len(family) >= 3  # upstream, recorder, worker
        demo.send_signal(number)
        _, told = demo.communicate(timeout=30)
    assert demo.returncode == (-number if number is signal.SIGKILL else 128 + number), told
    _until(_gone(family), "a process was left behind")
    assert "Traceback" not in told


def test_after_ctrl_c_the_open_calls_end_as_they_would_have_and_the_report_comes(tmp_path: Path) -> None:
    with _start(tmp_path / "l.db") as demo:
        _until(lambda: _rows(tmp_path / "l.db") > 5, "no row came")
        os.killpg(demo.pid, signal.SIGINT)  # as a terminal does: to every process of the group
        shown, told = demo.communicate(timeout=60)
    assert demo.returncode == 0, told
    assert "What the application felt" in shown
    with sqlite3.connect(tmp_path / "l.db") as ledger:
        outcomes = {outcome for (outcome,) in ledger.execute("select distinct outcome from exchanges")}
    assert outcomes <= {"completed", "throttled", "stream_error"}  # what the script does on purpose


def test_the_user_s_own_aws_set_up_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("[profile\nnot = an ini file")
    nonsense = {
        "AWS_CONFIG_FILE": str(tmp_path / "broken"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "broken"),
        "AWS_PROFILE": "nobody",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://127.0.0.1:1",
        "AWS_CA_BUNDLE": str(tmp_path / "none.pem"),
        "REQUESTS_CA_BUNDLE": str(tmp_path / "none.pem"),
        "HTTP_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
        "HTTPS_PROXY": "http://127.0.0.1:1",
        "AWS_MAX_ATTEMPTS": "many",
        "AWS_RETRY_MODE": "sometimes",
        "AWS_DEFAULTS_MODE": "odd",
        "AWS_USE_FIPS_ENDPOINT": "perhaps",
        "AWS_BEARER_TOKEN_BEDROCK": "key",
    }
    with _start(tmp_path / "l.db", "1", **nonsense) as demo:
        shown, told = demo.communicate(timeout=60)
    assert (demo.returncode, told) == (0, "")
    assert "completed" in shown
