"""Signals of a command that runs something else: what it started is stopped, and whoever is meant gets to know."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence

from streamgauge.errors import CouldNotRun, UsageError

LOOK_SECONDS = 0.2
"""How often something else may be tended while a command runs; its own end is noticed at once."""

_FROM_THE_TERMINAL = 0x80
"""``SI_KERNEL``: Ctrl-C and a terminal that closes reach every process of the foreground group, the command among them."""

_TOLD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def ended_in_order() -> Iterator[None]:
    """SIGTERM and a closed terminal unwind the block, as an error would, and end the process with 128 + n."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # nohup
            signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_to_its_end(command: Sequence[str], environ: Mapping[str, str], tend: Callable[[], None]) -> int:
    """Run the command; its exit code, 128 + n where signal n ended it. ``tend`` is called several times a second.

    SIGINT, SIGTERM and SIGHUP go to the command, which decides what they mean. Raises ``UsageError`` or ``CouldNotRun`` where it cannot be started.
    """
    waited = {*_TOLD, signal.SIGCHLD}
    # Blocked, they wait to be asked for, with their origin; none is lost, and none ends us while the command runs.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    try:
        pid = _start(command, environ, before)
        while True:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
            tend()
            told = signal.sigtimedwait(waited, LOOK_SECONDS)
            if told and told.si_signo in _TOLD and told.si_code != _FROM_THE_TERMINAL:
                os.kill(pid, told.si_signo)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(command: Sequence[str], environ: Mapping[str, str], mask: set[signal.Signals] | set[int]) -> int:
    """The process id. The command starts with the signals that we were started with; Python ignores two of them for itself."""
    try:
        return os.posix_spawnp(command[0], list(command), environ, setsigmask=mask, setsigdef=(signal.SIGPIPE, signal.SIGXFSZ))
    except FileNotFoundError:
        other = f"{command[0]}3"
        meant = f"; did you mean {other}?" if command[0] == "python" and shutil.which(other) else ""
        raise UsageError(f"{command[0]}: no such command{meant}") from None
    except ValueError:
        raise UsageError("the command's name is empty: write it after --") from None
    except OSError as error:
        raise CouldNotRun(f"{command[0]} cannot be started ({error.strerror})") from None
