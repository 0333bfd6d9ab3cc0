"""Names, sizes and settings of the spool's files; everything writer and reader must agree on."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from streamgauge import lock_file
from streamgauge.errors import CouldNotRun

REASONS = ("spool_full", "writer_behind", "disk_full", "encode_failed", "measuring_failed", "other")
"""Why a worker counts an exchange instead of describing it. The order is the order of the counters in the page: only append.

``spool_full``: the recorder is behind and the spool has reached ``max_bytes``. ``writer_behind``: the disk is too slow.
``disk_full``: writing fails. ``encode_failed``: a value cannot be written. ``measuring_failed``: the relay's own measuring gave up.
"""

LOCK_NAME = "lock"
RECORDER_LOCK_NAME = "recorder.lock"
COUNTERS_NAME = "counters"
SEGMENT_SUFFIX = ".seg"
BEING_MADE = ".new-"
"""Prefix of a worker's directory until its lock is held, so that no reader takes a half-made one for that of a dead worker."""

_WORKER_NAME = re.compile(r".+-[0-9a-f]{16}", re.ASCII)
"""The token is the time in nanoseconds, in hexadecimal: 16 digits from 2006 on."""

_SEGMENT_NAME = re.compile(r"([0-9]{8}|[1-9][0-9]{8,})\.seg", re.ASCII)
"""Just what ``segment_path`` makes: ``1.seg`` is somebody else's."""


@dataclass(frozen=True)
class SpoolSettings:
    """How a worker writes its spool. Sizes in bytes, times in seconds.

    ``max_bytes`` bounds the segments in the spool's directory, of all workers together, those that died unread included; beyond it new
    exchanges are only counted, those already begun are still finished. Each worker looks once a second what the others have written.
    ``max_backlog_bytes`` bounds what waits in memory for a slow or full disk; beyond it the same happens.
    ``batch_seconds`` is the pause between two writes, in which records gather: what a killed worker loses where a core is free for the writer.
    """

    max_bytes: int = 1 << 30
    segment_bytes: int = 16 << 20
    batch_seconds: float = 0.02
    max_backlog_bytes: int = 16 << 20


def segment_path(directory: Path, number: int) -> Path:
    """The file of segment ``number`` (from 1) of a worker's ``directory``."""
    return directory / f"{number:08d}{SEGMENT_SUFFIX}"


def is_worker_name(name: str) -> bool:
    """Whether ``name`` has the form of a worker's directory, ``<worker id>-<token>``. That alone does not make it one."""
    return not name.startswith(BEING_MADE) and _WORKER_NAME.fullmatch(name) is not None


def is_own_file(name: str) -> bool:
    """Whether ``name`` is one a writer gives to a file in a worker's directory. Nothing else there is ours to read or to delete."""
    return name in {LOCK_NAME, COUNTERS_NAME} or _SEGMENT_NAME.fullmatch(name) is not None


def segment_numbers(directory: Path) -> list[int]:
    """Numbers of the segments in a worker's ``directory``, lowest first. Empty when there is no such directory. Raises ``OSError``."""
    try:
        names = [entry.name for entry in directory.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(int(found[1]) for name in names if (found := _SEGMENT_NAME.fullmatch(name)))


def bytes_in(directory: Path) -> int:
    """What the segments of all workers under the spool's ``directory`` take, of living and of dead ones. Raises ``OSError``."""
    total = 0
    with os.scandir(directory) as entries:
        workers = [Path(entry.path) for entry in entries if is_worker_name(entry.name) and entry.is_dir(follow_symlinks=False)]
    for worker in workers:
        for number in segment_numbers(worker):
            try:
                total += segment_path(worker, number).stat().st_size
            except FileNotFoundError:
                continue  # the recorder has just deleted it
    return total


def prepare_directory(directory: str | Path) -> Path:
    """Make the spool's directory (mode 0700) and see that it can be written. Raises ``CouldNotRun`` naming it where it cannot."""
    directory = Path(directory)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CouldNotRun(
            f"the spool directory {directory} cannot be made ({error.strerror}): name a directory this user may write to"
        ) from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise CouldNotRun(f"the spool directory {directory} cannot be written: give this user write permission, or name another directory")
    return directory


def claim_directory(directory: Path) -> int:
    """Become the one recorder that reads the spool in ``directory``, until the descriptor is closed. Raises ``CouldNotRun`` naming who is it."""
    try:
        return lock_file.take(directory / RECORDER_LOCK_NAME)
    except lock_file.Held as holder:
        raise CouldNotRun(
            f"the spool {directory} is read by another streamgauge ({holder}): stop that one, or name another directory as spool_dir"
        ) from holder
    except OSError as error:
        raise CouldNotRun(f"the spool {directory} cannot be locked ({error.strerror}): name another directory as spool_dir") from error
