"""What a command is told, and what its end is called."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys

import pytest

from streamgauge.cli.ending import run_to_its_end
from streamgauge.errors import CouldNotRun, UsageError

CODE = "import os, sys; from streamgauge.cli.ending import run_to_its_end; sys.exit(run_to_its_end(sys.argv[1:], os.environ, lambda: None))"
WAITS = "import time; print('up', flush=True); time.sleep(60)"
COUNTS = """
import signal, time
told = []
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, _: told.append(number))
print('up', flush=True)
until = time.monotonic() + 30
while not told and time.monotonic() < until:
    time.sleep(0.01)
until = time.monotonic() + 0.5
while time.monotonic() < until:
    time.sleep(0.01)
print(*map(int, told), flush=True)
"""


def _running(code: str, **more: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CODE, sys.executable, "-c", code]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **more)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_for_us_is_the_command_s_and_its_death_of_it_is_128_and_the_signal(number: signal.Signals) -> None:
    with _running(WAITS) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "up\n"
        running.send_signal(number)
        assert running.wait(20) == 128 + number


def test_a_command_that_goes_on_after_a_signal_ends_when_it_wants_with_its_own_code() -> None:
    with _running(COUNTS + "raise SystemExit(7)") as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.send_signal(signal.SIGHUP)
        assert running.stdout.readline() == f"{int(signal.SIGHUP)}\n"
        assert running.wait(20) == 7


def test_ctrl_c_at_the_terminal_reaches_the_command_once() -> None:
    ours, theirs = pty.openpty()
    take_it = "import fcntl, termios, os; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    command = [sys.executable, "-c", take_it + CODE, sys.executable, "-c", COUNTS]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "up\n"
        os.write(ours, b"\x03")
        assert running.stdout.readline() == f"{int(signal.SIGINT)}\n"
        assert running.wait(20) == 0
    os.close(theirs)
    os.close(ours)


def test_the_command_starts_with_the_signals_that_we_were_started_with() -> None:
    asked = """
import signal as s
ignored = int(open('/proc/self/status').read().split('SigIgn:')[1].split()[0], 16) & 0x7fffffff  # above: the C library's own
print(s.getsignal(s.SIGINT) is s.default_int_handler, s.pthread_sigmask(0, []), ignored)
"""
    direct = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=30)
    with _running(asked) as running:
        assert running.stdout is not None
        assert running.stdout.read() == direct.stdout


def test_what_is_not_ours_to_close_stays_ours() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert run_to_its_end([sys.executable, "-c", "raise SystemExit(3)"], os.environ, lambda: None) == 3
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_a_command_that_cannot_be_started_is_one_sentence() -> None:
    with pytest.raises(UsageError, match="no such command"):
        run_to_its_end(["no-such-command-here"], os.environ, lambda: None)
    with pytest.raises(CouldNotRun, match="cannot be started"):
        run_to_its_end(["/"], os.environ, lambda: None)
