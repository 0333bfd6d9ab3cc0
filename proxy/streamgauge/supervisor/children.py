"""The processes of one proxy: started with their settings, listened to, found dead, put off, ended."""

from __future__ import annotations

import logging
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from streamgauge.child import DRAINING, RETIRE, SERVING
from streamgauge.errors import CouldNotRun

BACKOFF_SECONDS = (0.1, 5.0)
"""First and longest wait before a dead process is started again: at once for an accident, not in a tight loop for a lasting fault."""

STUCK_SECONDS = 60.0
"""The longest wait where a process says that it cannot run (exit code 4): somebody has to do something first."""

STEADY_SECONDS = 10.0
"""A process that lived this long was healthy; its next death starts again with the shortest wait."""

_log = logging.getLogger("streamgauge")


@dataclass
class Child:
    """One process: how to start it, what it says of itself, and what became of it."""

    name: str
    argv: Sequence[str]
    settings: Callable[[], Any]
    fds: Sequence[int]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    """Monotonic seconds; 0 before the first start."""
    pause: float = BACKOFF_SECONDS[0]
    restart_at: float = 0.0
    serving: bool = False
    """It has said that it does its work."""
    draining: bool = False
    """It has said that it takes nothing new."""
    told_to_go: bool = False
    """It was told that it may end."""
    _line: socket.socket | None = None

    def start(self) -> None:
        """Start the process and hand it its settings. Raises ``OSError`` when no process is to be had."""
        ours, theirs = socket.socketpair()
        # A SIGTERM that comes before the child can act on it waits until it can (see child.stop_on_signal); else a spool would stay unread.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            self.process = subprocess.Popen(self.argv, stdin=theirs.fileno(), pass_fds=tuple(self.fds), start_new_session=True)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._line, self.started_at = ours, time.monotonic()
        self.serving = self.draining = self.told_to_go = False
        self._say(msgspec.json.encode(self.settings()))
        ours.setblocking(False)

    def retire(self) -> None:
        """Its place is taken: it takes nothing new and ends what it has at leisure."""
        self.told_to_go = True
        self._say(RETIRE.encode())

    def _say(self, line: bytes) -> None:
        assert self._line is not None
        try:
            self._line.sendall(line + b"\n")
        except OSError:
            pass  # it died at once; the next look finds it

    def listen(self) -> None:
        """Take note of what it has said meanwhile."""
        try:
            said = self._line.recv(4096) if self._line is not None else b""
        except OSError:  # nothing yet, or never again
            return
        self.serving = self.serving or SERVING.encode() in said
        self.draining = self.draining or DRAINING.encode() in said

    def died(self) -> int | None:
        """Its exit code, once, if it is dead; the line to it is closed then."""
        if self.process is None or self.process.poll() is None:
            return None
        code = self.process.returncode
        self.forget()
        if self.told_to_go and code == 0:
            self.restart_at = 0.0
        else:
            longest = STUCK_SECONDS if code == CouldNotRun.exit_code else BACKOFF_SECONDS[1]
            self.put_off(after=time.monotonic() - self.started_at, longest=longest)
        return code

    def forget(self) -> None:
        """It has ended."""
        if self._line is not None:
            self._line.close()
        self._line = self.process = None
        self.serving = self.draining = False

    def put_off(self, after: float = 0.0, longest: float = BACKOFF_SECONDS[1]) -> None:
        """No new start before a pause, which grows up to ``longest`` unless it had lived for ``after`` long seconds."""
        self.pause = BACKOFF_SECONDS[0] if after > STEADY_SECONDS else min(self.pause * 2, longest)
        self.restart_at = time.monotonic() + self.pause


def end(children: Sequence[Child], seconds: float) -> None:
    """SIGTERM, wait, and SIGKILL for what has not ended by then."""
    running = [child for child in children if child.process is not None]
    for child in running:
        assert child.process is not None
        child.process.terminate()
    deadline = time.monotonic() + seconds
    for child in running:
        assert child.process is not None
        try:
            child.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _log.error("%s did not end within %g s and is killed", child.name, seconds)
            child.process.kill()
            child.process.wait()
        child.forget()
