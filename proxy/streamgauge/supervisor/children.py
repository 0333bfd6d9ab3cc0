"""The processes of one proxy: started with their settings, found dead, put off, ended."""

from __future__ import annotations

import logging
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

BACKOFF_SECONDS = (0.1, 5.0)
"""First and longest wait before a dead process is started again: at once for an accident, not in a tight loop for a lasting fault."""

STEADY_SECONDS = 10.0
"""A process that lived this long was healthy; its next death starts again with the shortest wait."""

_log = logging.getLogger("streamgauge")


@dataclass
class Child:
    """One process: how to start it, and what became of it."""

    name: str
    argv: Sequence[str]
    settings: Callable[[], Any]
    fds: Sequence[int]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    """Monotonic seconds; 0 before the first start."""
    pause: float = BACKOFF_SECONDS[0]
    restart_at: float = 0.0

    def start(self) -> None:
        """Start the process and hand it its settings."""
        # A SIGTERM that comes before the child can act on it waits until it can (see child.stop_on_signal); else a spool would stay unread.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.PIPE, pass_fds=tuple(self.fds), start_new_session=True)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self.started_at = time.monotonic()
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(msgspec.json.encode(self.settings()) + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it died at once; the next look finds it

    def died(self) -> int | None:
        """Its exit code, once, if it is dead; the pipe to it is closed then."""
        if self.process is None or self.process.poll() is None:
            return None
        code = self.process.returncode
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process = None
        lived = time.monotonic() - self.started_at
        self.put_off(after=lived)
        return code

    def put_off(self, after: float = 0.0) -> None:
        """No new start before a pause, which grows unless it had lived for ``after`` long seconds."""
        self.pause = BACKOFF_SECONDS[0] if after > STEADY_SECONDS else min(self.pause * 2, BACKOFF_SECONDS[1])
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
        assert child.process.stdin is not None
        try:
            child.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _log.error("%s did not end within %g s and is killed", child.name, seconds)
            child.process.kill()
            child.process.wait()
        child.process.stdin.close()
        child.process = None
