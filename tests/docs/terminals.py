"""A terminal of 80 columns that a command believes in."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path


def on_a_terminal(arguments: list[str], where: Path, *, width: int = 80, term: str = "dumb") -> str:
    """What ``streamgauge ARGUMENTS`` writes to a terminal, run in the folder ``where``."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")}
    environment |= {"TERM": term, "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "streamgauge", *arguments]
    with subprocess.Popen(command, cwd=where, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        written = _read_all(ours)
        process.wait(timeout=30)
    return written.decode().replace("\r\n", "\n")


def _read_all(terminal: int) -> bytes:
    parts = []
    try:
        while part := os.read(terminal, 65_536):
            parts.append(part)
    except OSError:  # how Linux says that the other side of a terminal was closed
        pass
    finally:
        os.close(terminal)
    return b"".join(parts)
