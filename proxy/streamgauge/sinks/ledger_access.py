"""Whether this version and this process may write a ledger: its lock and its version.

Knows files and the bare driver, so that a process which only asks loads nothing else.
"""

from __future__ import annotations

import os
import sqlite3
import urllib.parse
from contextlib import closing
from pathlib import Path

from streamgauge import lock_file
from streamgauge.errors import CouldNotRun

SCHEMA_VERSION = 1
"""Kept in ``PRAGMA user_version`` and in ``meta``. A new column of ``exchanges`` needs no new version, the writer adds it on opening;
a change of meaning does."""


SQLITE_HEADER = b"SQLite format 3\0"
"""How every database of SQLite begins (https://www.sqlite.org/fileformat.html, 1.3)."""


def refuse_unusable(path: Path) -> None:
    """See, before anything is started, that the ledger at ``path`` can be written by a process of ours.

    Raises ``CouldNotRun`` naming the path, what or who is in the way, and the fix. A ledger that is damaged or busy is no reason: the
    recorder sets the one aside and waits for the other.
    """
    if not Path(f"{path}.lock").exists():
        _refuse_foreign(path)
    lock = lock_ledger(path)
    try:
        uri = f"file:{urllib.parse.quote(str(path.absolute()))}?mode=ro"
        if path.stat().st_size:
            with closing(sqlite3.connect(uri, uri=True, timeout=0.0)) as connection:
                refuse_newer(connection, path)
    except (sqlite3.Error, OSError):
        return
    finally:
        os.close(lock)


def _refuse_foreign(path: Path) -> None:
    """A file that no process of ours has ever had open: nothing is done to it unless it is a ledger that was put there."""
    try:
        with path.open("rb") as file:
            start = file.read(len(SQLITE_HEADER))
        if not start:
            return
        if start == SQLITE_HEADER:
            with closing(sqlite3.connect(f"file:{urllib.parse.quote(str(path.absolute()))}?mode=ro", uri=True, timeout=0.0)) as connection:
                names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not names or "exchanges" in names:
                return
    except (sqlite3.Error, OSError):
        return  # what is wrong with it is told by those who open it
    raise CouldNotRun(f"{path} is a file of something else and no ledger: name another with --ledger; this one was left as it is")


def refuse_newer(connection: sqlite3.Connection, path: Path) -> int:
    """The schema version of the open ledger. Raises ``CouldNotRun`` when a newer streamgauge wrote it, and ``sqlite3.Error``."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise CouldNotRun(
            f"the ledger {path} was written by a newer streamgauge (schema {version}, this one writes {SCHEMA_VERSION}): "
            "upgrade, or name another with --ledger"
        )
    return version


def lock_ledger(path: Path) -> int:
    """Make the directories (mode 0700) and take the lock, until the descriptor is closed. Raises ``CouldNotRun`` naming the path."""
    try:
        _make_directories(path.absolute().parent)
        lock = lock_file.take(Path(f"{path}.lock"))
        try:
            # Seen now rather than at the first commit: a directory or a file of somebody else's is a mistake in the settings.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError:
            os.close(lock)
            raise
    except lock_file.Held as holder:
        raise CouldNotRun(
            f"the ledger {path} is being written by another streamgauge ({holder}): stop that one, or name another with --ledger"
        ) from holder
    except (PermissionError, FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise CouldNotRun(
            f"the ledger {path} cannot be written ({error.strerror}): name a file this user may write with --ledger"
        ) from error
    except OSError as error:
        raise CouldNotRun(f"the ledger {path} cannot be opened ({error.strerror})") from error
    return lock


def _make_directories(directory: Path) -> None:
    for part in [*reversed(directory.parents), directory]:
        if not part.exists():
            part.mkdir(mode=0o700, exist_ok=True)
