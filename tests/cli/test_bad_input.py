"""Whatever stands on the command line or behind the output: one sentence, a known exit code, and never a traceback or an internal error."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reports.ledgers import day, write

PROGRAM = [sys.executable, "-m", "streamgauge"]
READERS = [["exchanges"], ["exchanges", "--format", "csv"], ["exchanges", "show", "01"], ["report", "latency"], ["report", "errors"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger, and much that is none."""
    place = tmp_path_factory.mktemp("odd")
    write(place / "ledger.db", day(300))
    (place / "folder").mkdir()
    (place / "text").write_text("not a database, and long enough to have a head of its own " * 40)
    (place / "empty.db").touch()
    (place / "cut.db").write_bytes((place / "ledger.db").read_bytes()[:30_000])
    for name, table in (("other.db", "other"), ("strange.db", "exchanges")):
        with sqlite3.connect(place / name) as database:
            database.execute(f"create table {table} (x)")
    return place


def _run(arguments: list[str], folder: Path, **more: object) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "STREAMGAUGE_LEDGER": "ledger.db"}
    environ.pop("STREAMGAUGE_TRACEBACK", None)
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [*PROGRAM, *arguments],
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},  # type: ignore[call-overload] # as it comes
        text=True,
        cwd=folder,
        env=environ,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in (done.stderr or "")
    assert "internal error" not in (done.stderr or "")
    assert "Exception ignored" not in (done.stderr or "")
    return done


@pytest.mark.parametrize(
    "ledger", ["none/x.db", "folder", "text", "empty.db", "other.db", "strange.db", "cut.db", "", "/dev/null", "/proc/self/mem"]
)
def test_what_is_no_ledger_is_said_to_be_none(ledger: str, folder: Path) -> None:
    for reader in READERS[::2]:
        done = _run([*reader, "--ledger", ledger], folder)
        assert done.returncode in (2, 4)
        assert done.stderr.startswith("streamgauge: ")
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["exchanges", "--limit", "-1"],
        ["exchanges", "--limit", "9" * 30, "--format", "csv"],
        ["exchanges", "--where", "input_tokens>" + "9" * 30],
        ["exchanges", "--where", "model=\udcff"],
        ["exchanges", "--where", "\udcff"],
        ["exchanges", "--since", "99999999999d"],
        ["exchanges", "--since", "0001-01-01T00:00:00+23:00"],
        ["exchanges", "show", "\udcff"],
        ["exchanges", "show", ""],
        ["report", "latency", "--objective", "ttft=-1s"],
        ["report", "latency", "--by", "\udcff"],
        ["report", "errors", "--format", "nope"],
        ["demo", "--seconds", "nan"],
        ["run"],
        ["run", "--", ""],
        ["run", "--config", "folder", "--", "true"],
        ["run", "--region", "nope", "--", "true"],
    ],
    ids=ascii,
)
def test_a_value_that_cannot_be_meant_is_one_sentence_and_exit_code_2(arguments: list[str], folder: Path) -> None:
    done = _run(arguments, folder)
    assert done.returncode == 2
    assert done.stderr.startswith("streamgauge: ")
    assert done.stdout == ""


@pytest.mark.parametrize(
    "reader", [*READERS[:2], ["report", "latency", "--plot"], ["--help"], ["report", "latency", "--help"]], ids=" ".join
)
def test_a_full_disk_is_one_sentence_and_exit_code_4(reader: list[str], folder: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = _run(reader, folder, stdout=full)
    assert (done.returncode, done.stderr) == (4, "streamgauge: the output cannot be written (No space left on device)\n")


@pytest.mark.parametrize("reader", [*READERS[:2], ["report", "errors"], ["--help"], ["demo", "--seconds", "1"]], ids=" ".join)
def test_a_reader_that_has_left_is_no_finding(reader: list[str], folder: Path) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    done = _run(reader, folder, stdout=theirs)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("reader", ["exchanges", "report latency --format csv", "run -q -- true"])
def test_a_stream_that_was_closed_before_hurts_nobody(reader: str, closed: str, folder: Path) -> None:
    environ = {**os.environ, "STREAMGAUGE_LEDGER": "ledger.db"}
    command = ["sh", "-c", f'exec "$0" -m streamgauge {reader} {closed}', sys.executable]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert all(line.startswith("streamgauge: the rows are in ") for line in done.stderr.splitlines())
