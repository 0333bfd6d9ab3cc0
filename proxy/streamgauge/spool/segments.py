"""A worker's directory and the segments in it, from the writing side: plain blocking file I/O, for the writer thread only."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from streamgauge.spool.counters import CounterPage
from streamgauge.spool.layout import BEING_MADE, COUNTERS_NAME, LOCK_NAME, segment_path

BLOCK_BYTES = 1 << 20
"""Largest single write: a backlog goes out in steps, so that a full disk keeps what went before."""


class Segments:
    """Appends framed records to numbered files.

    After a failed write the next one goes to a new file, so that a torn record is only ever the last of its file.
    """

    def __init__(self, directory: Path, worker_id: str, segment_bytes: int) -> None:
        """Make the worker's directory under ``directory`` and lock it. Raises ``OSError`` and leaves nothing behind."""
        self.name = f"{worker_id}-{time.time_ns():x}"
        self.path = directory / self.name
        self._segment_bytes = segment_bytes
        self._number = 0
        self._size = 0
        self._file = -1
        self._lock, self.page = self._made()

    def is_deleted(self) -> bool:
        """Whether somebody deleted the directory, its lock or the segment being written: what is written to those, nobody finds."""
        return any(file >= 0 and os.fstat(file).st_nlink == 0 for file in (self._lock, self._file))

    def make_anew(self) -> None:
        """Put lock and page back where they were deleted, with the directory if need be, and go on in the next segment. Raises ``OSError``.

        The old lock is let go last: a recorder that has it open sees no moment in which the worker seems dead.
        """
        lock, self.page = self._made()
        os.close(self._lock)
        self._lock = lock
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _made(self) -> tuple[int, CounterPage]:
        made = self.path.parent / (BEING_MADE + self.name)
        made.mkdir(mode=0o700, parents=True)
        lock = -1
        try:
            lock = os.open(made / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            page = CounterPage.create(made / COUNTERS_NAME)
            if self.path.exists():
                for name in (LOCK_NAME, COUNTERS_NAME):
                    (made / name).rename(self.path / name)
                made.rmdir()
            else:
                made.rename(self.path)
        except OSError:
            if lock >= 0:
                os.close(lock)
            shutil.rmtree(made, ignore_errors=True)
            raise
        return lock, page

    def write(self, records: Sequence[bytes]) -> tuple[int, OSError | None]:
        """Append framed ``records`` in order. Returns how many are whole in the file, and the error that stopped it before the last."""
        written = 0
        while written < len(records):
            count, size = _block(records, written)
            try:
                self._make_room(size)
                done, error = self._write_block(b"".join(records[written : written + count]))
            except OSError as failed:
                return written, failed
            if error is not None:
                whole = _whole(records, written, done)
                self._abandon(sum(len(record) for record in records[written : written + whole]))
                return written + whole, error
            written += count
        return written, None

    def go_on_in_another(self) -> None:
        """Have the recorder done with the present file once it has read it, however short it is. Raises ``OSError``."""
        if self._size:
            self._open_next()

    def close(self) -> None:
        """Close the files and let go of the lock: from now on the worker counts as dead."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        os.close(self._lock)

    def _make_room(self, size: int) -> None:
        if self._file >= 0 and (self._size == 0 or self._size + size <= self._segment_bytes):
            return
        self._open_next()

    def _open_next(self) -> None:
        path = segment_path(self.path, self._number + 1)
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if self._file >= 0:
            os.close(self._file)
        self._file, self._number, self._size = file, self._number + 1, 0

    def _write_block(self, block: bytes) -> tuple[int, OSError | None]:
        view, done = memoryview(block), 0
        while done < len(block):
            try:
                done += os.write(self._file, view[done:])
            except OSError as error:
                return done, error
        self._size += done
        return done, None

    def _abandon(self, kept: int) -> None:
        """After a failed write: cut the torn record off if the disk lets us, and go on in a new file if this one has anything in it."""
        self._size += kept
        try:
            os.ftruncate(self._file, self._size)
        except OSError:
            self._size += 1  # something torn is left: never append to it
        if self._size:
            os.close(self._file)
            self._file = -1


def _block(records: Sequence[bytes], start: int) -> tuple[int, int]:
    count = size = 0
    for index in range(start, len(records)):
        if count and size + len(records[index]) > BLOCK_BYTES:
            break
        size += len(records[index])
        count += 1
    return count, size


def _whole(records: Sequence[bytes], start: int, written_bytes: int) -> int:
    count, at = 0, 0
    while at + len(records[start + count]) <= written_bytes:
        at += len(records[start + count])
        count += 1
    return count
