"""A scripted upstream in a process of its own, for tests that must not share an interpreter with it."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from streamgauge.testing.received import SendLog

START_SECONDS = 20.0
"""A real model loads in one to two seconds; a busy machine takes several times that."""


class UpstreamProcess:
    """``python -m streamgauge.testing`` with these arguments; a context manager. It ends with its parent, however that ends.

    ``log`` is where the process writes its send log; without it ``sends()`` is not available.
    """

    def __init__(self, *arguments: str, log: Path | None = None) -> None:
        self.url = ""
        self._log = log
        self._command = [sys.executable, "-P", "-m", "streamgauge.testing", "--leash", *arguments, *(("--log", str(log)) if log else ())]
        self._process: subprocess.Popen[str]

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def wait(self, timeout: float) -> int:
        """Its exit code. Raises ``subprocess.TimeoutExpired`` if it is still running then."""
        return self._process.wait(timeout)

    def sends(self) -> list[SendLog]:
        """The send log so far, oldest first."""
        if self._log is None:
            raise ValueError("UpstreamProcess was started without log=PATH, so it keeps no send log")
        if not self._log.exists():
            return []
        return [as_send_log(line) for line in self._log.read_text(encoding="utf-8").splitlines()]

    def __enter__(self) -> Self:
        """Start it and wait for its address. Raises ``RuntimeError`` when it does not come up."""
        # A session of its own: Ctrl-C at the terminal is for the parent, which may want open answers to end first.
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START_SECONDS)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self._stop()
            raise RuntimeError(f"{' '.join(self._command[1:])} did not say its address within {START_SECONDS} s; its own message is above")
        self.url = str(json.loads(line)["url"])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop it; killed if it does not go within five seconds."""
        self._stop()

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def as_send_log(line: str) -> SendLog:
    """A send log from its JSON line."""
    members = json.loads(line)
    members["frames"] = [(at, kind) for at, kind in members["frames"]]
    return SendLog(**members)
