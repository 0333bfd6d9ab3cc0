"""The folders of ``streamgauge run`` in the directory for temporary files.

That of a run's ledger is kept for a while, that of its keys ends with the run; what is left of either is removed by a later run.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from streamgauge import lock_file

PREFIX = "streamgauge-run-"

PRIVATE_PREFIX = "streamgauge-tls-"

LOCK = "lock"

YOUNG_SECONDS = 60.0
"""A folder that is younger may be one whose run has not locked it yet."""

KEEP_DAYS = 7.0
"""Long enough to come back to a run of last week; not everybody's directory for temporary files is emptied by the system."""


def new_folder() -> Path:
    """A folder for this run; those of earlier runs that are old and not in use are removed."""
    made = Path(tempfile.mkdtemp(prefix=PREFIX))
    with suppress(OSError):  # tidying up is no reason not to run
        remove_old(made.parent, (datetime.now(UTC) - timedelta(days=KEEP_DAYS)).timestamp())
    return made


def remove_old(directory: Path, before: float) -> None:
    """Remove our folders in ``directory`` in which nothing has changed since ``before`` (seconds since 1970). Raises ``OSError``.

    Only what this user's runs made, with nothing else in it, and with no proxy that still writes there.
    """
    for folder in directory.glob(f"{PREFIX}*"):
        with suppress(OSError, lock_file.Held):
            if _is_ours(folder, "ledger.db*") and _changed(folder) < before:
                os.close(lock_file.take(folder / "ledger.db.lock"))
                shutil.rmtree(folder)


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder for the keys of this run, which only this user can enter and which is gone afterwards.

    Those of runs that were killed are removed now.
    """
    folder = Path(tempfile.mkdtemp(prefix=PRIVATE_PREFIX))
    lock = None
    try:
        lock = lock_file.take(folder / LOCK)
        with suppress(OSError):
            remove_left(folder.parent, (datetime.now(UTC) - timedelta(seconds=YOUNG_SECONDS)).timestamp())
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def remove_left(directory: Path, before: float) -> None:
    """Remove this user's private folders in ``directory`` that no run holds and that are from before that (seconds since 1970). Raises ``OSError``."""
    for folder in directory.glob(f"{PRIVATE_PREFIX}*"):
        with suppress(OSError, lock_file.Held):
            if _is_ours(folder, LOCK, "*.pem") and _changed(folder) < before:
                os.close(lock_file.take(folder / LOCK))
                shutil.rmtree(folder)


def _is_ours(folder: Path, *patterns: str) -> bool:
    about = folder.lstat()
    if folder.is_symlink() or not folder.is_dir() or about.st_uid != os.getuid():
        return False
    return all(any(entry.match(pattern) for pattern in patterns) for entry in folder.iterdir())


def _changed(folder: Path) -> float:
    return max(path.lstat().st_mtime for path in (folder, *folder.iterdir()))
