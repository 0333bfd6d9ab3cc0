"""The folders that ``streamgauge run`` leaves in the directory for temporary files: kept for a while, then removed by a later run."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from streamgauge import lock_file

PREFIX = "streamgauge-run-"

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
            if _is_ours(folder) and _changed(folder) < before:
                os.close(lock_file.take(folder / "ledger.db.lock"))
                shutil.rmtree(folder)


def _is_ours(folder: Path) -> bool:
    about = folder.lstat()
    if folder.is_symlink() or not folder.is_dir() or about.st_uid != os.getuid():
        return False
    return all(entry.name.startswith("ledger.db") for entry in folder.iterdir())


def _changed(folder: Path) -> float:
    return max(path.lstat().st_mtime for path in (folder, *folder.iterdir()))
