"""A file that one process holds locked for life, and that says who it is. The kernel lets go of it however that process ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Held(Exception):
    """Another process holds the lock; the text says which, as far as it is known."""


def take(path: Path) -> int:
    """Lock the file at ``path``, making it if need be, until the returned descriptor is closed. Raises ``Held`` and ``OSError``.

    The parent is told too: who wants a recorder to end must end the proxy that would start another.
    """
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(lock, 100, 0).decode("ascii", "replace").strip()
        os.close(lock)
        raise Held(f"process {holder or 'unknown'}") from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}, started by process {os.getppid()}\n".encode(), 0)
    return lock
