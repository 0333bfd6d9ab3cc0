from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from streamgauge.cli.output import patient, watched, write
from tests.docs.terminals import on_a_terminal
from tests.reports.ledgers import day
from tests.reports.ledgers import write as write_ledger


def test_a_quick_reading_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(watched(range(10), every=1)) == list(range(10))
    assert capsys.readouterr().err == ""


def test_a_long_reading_says_how_far_it_is_every_ten_seconds_in_a_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = itertools.count()
    monkeypatch.setattr("streamgauge.cli.output.time.monotonic", lambda: float(next(seconds)))
    assert len(list(watched(range(60), every=2))) == 60
    assert capsys.readouterr().err.splitlines() == [f"streamgauge: read {n} exchanges" for n in (6, 28, 50)]


def test_a_statement_that_takes_long_is_announced_and_a_quick_one_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    with patient("counting"):
        pass
    assert capsys.readouterr().err == ""
    told = ""
    with patient("counting", patience=0.0, again=0.01):
        deadline = time.monotonic() + 10
        while told.count("\n") < 2 and time.monotonic() < deadline:
            told += capsys.readouterr().err
    assert told.startswith("streamgauge: counting\nstreamgauge: counting (0 s)\n")


def test_lines_are_written_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    write(["a", "b"])
    assert capsys.readouterr().out == "a\nb\n"


def test_a_terminal_gets_colours_and_its_own_width(tmp_path: Path) -> None:
    write_ledger(tmp_path / "ledger.db", day(200))
    shown = on_a_terminal(["report", "latency", "--by", "team,model", "--ledger", "ledger.db"], tmp_path, term="xterm-256color")
    assert "\x1b[" in shown
    plain = on_a_terminal(["report", "latency", "--by", "team,model", "--ledger", "ledger.db"], tmp_path)
    assert "\x1b" not in plain
    assert max(len(line) for line in plain.splitlines()) <= 80
    assert "TTFT of" in plain, "the picture is there by default"


def test_a_reader_that_leaves_is_not_an_error(tmp_path: Path) -> None:
    write_ledger(tmp_path / "ledger.db", day(1_000))
    command = [sys.executable, "-m", "streamgauge", "exchanges", "--format", "jsonl", "--ledger", str(tmp_path / "ledger.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        told = process.stderr.read()
        process.wait(timeout=30)
    assert told == b""
    assert process.returncode == 141


def test_a_screen_that_knows_no_blocks_gets_plain_signs(tmp_path: Path) -> None:
    write_ledger(tmp_path / "ledger.db", day(200))
    command = [sys.executable, "-m", "streamgauge", "report", "latency", "--plot", "--ledger", "ledger.db"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, env={"PYTHONIOENCODING": "ascii", "PYTHONPATH": ":".join(sys.path)}, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert b"|###" in done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize(
    "command",
    [
        ["exchanges"],
        ["exchanges", "show", "ID"],
        ["report", "latency", "--plot"],
        ["report", "latency", "--format", "md", "--plot"],
        ["report", "errors"],
        ["exchanges", "--where", "team=\u6771"],
        ["report", "latency", "--help"],
        ["demo", "--seconds", "1"],
    ],
    ids=" ".join,
)
def test_an_output_that_cannot_show_a_character_shows_another(encoding: str, command: list[str], tmp_path: Path) -> None:
    rows = [replace(m, model=f"{m.model}-\u6771") for m in day(200)]
    write_ledger(tmp_path / "ledger.db", rows)
    command = [rows[7].exchange_id if word == "ID" else word for word in command]
    environ = {**os.environ, "PYTHONIOENCODING": encoding, "STREAMGAUGE_LEDGER": str(tmp_path / "ledger.db")}
    done = subprocess.run([sys.executable, "-m", "streamgauge", *command], capture_output=True, timeout=60, check=False, env=environ)
    assert done.returncode in (0, 3), done.stderr
    assert b"internal error" not in done.stderr
    assert (done.stdout + done.stderr).decode("utf-8" if "md" in command else encoding)
    assert "\u2588" not in done.stdout.decode("utf-8", "replace")


def test_what_programs_read_is_utf_8_whatever_the_terminal_can_show(tmp_path: Path) -> None:
    write_ledger(tmp_path / "ledger.db", [replace(m, model="\u6771") for m in day(3)])
    command = [sys.executable, "-m", "streamgauge", "exchanges", "--format", "jsonl", "--ledger", str(tmp_path / "ledger.db")]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert {json.loads(line)["model"] for line in done.stdout.decode().splitlines()} == {"\u6771"}
