"""The recorder's end of the spool: reads a worker's records in order from a known position, and tells whether the worker lives."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from streamgauge.records import SpoolRecord
from streamgauge.spool.counters import MAGIC, PAGE_BYTES, Counters, read_counters
from streamgauge.spool.frame import resynchronise, split
from streamgauge.spool.layout import BEING_MADE, COUNTERS_NAME, LOCK_NAME, is_own_file, is_worker_name, segment_numbers, segment_path

READ_BYTES = 1 << 20
"""Most that is read at once: about 2,000 exchanges, decoded in a few milliseconds."""

UNLOCKED_SECONDS = 600.0
"""How long nothing may have changed in a directory without its lock until its worker counts as dead.

A worker writes its status every few seconds, so that minutes of silence are no living worker with a working disk; what it wrote before is
read all the same. Shorter would risk records of one whose lock was deleted by hand; longer only keeps a directory and an open account.
"""

_decode = msgspec.msgpack.Decoder(SpoolRecord).decode


def find_workers(directory: Path) -> list[str]:
    """Names of the workers' directories under ``directory``, dead or alive, oldest name first. Raises ``OSError``."""
    return [name for name in find_directories(directory) if is_worker(directory / name)]


def is_worker(path: Path) -> bool:
    """Whether the directory at ``path`` is a worker's: it has our page of counters, or its name and all names in it are ours.

    The latter is what a power loss leaves, where the page never reached the disk. Whatever else lies in the spool's directory is somebody
    else's. Raises ``OSError`` when that cannot be seen now.
    """
    return _has_our_page(path / COUNTERS_NAME) or (is_worker_name(path.name) and _holds_only_ours(path))


def _has_our_page(path: Path) -> bool:
    try:
        # Not a pipe to wait on for ever, nor a link to somewhere else: the file may be anybody's.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EINTR, errno.ESTALE}:
            raise  # says nothing about the file
        return False
    try:
        about = os.fstat(descriptor)
        regular = stat.S_ISREG(about.st_mode) and about.st_size >= PAGE_BYTES
        return regular and int.from_bytes(os.pread(descriptor, 8, 0), sys.byteorder) == MAGIC
    finally:
        os.close(descriptor)


def _holds_only_ours(path: Path) -> bool:
    with os.scandir(path) as found:
        entries = list(found)
    return bool(entries) and all(is_own_file(entry.name) and entry.is_file(follow_symlinks=False) for entry in entries)


def find_directories(directory: Path) -> list[str]:
    """Names of all finished directories under ``directory``, whosever they are, sorted. Raises ``OSError``."""
    try:
        with os.scandir(directory) as entries:
            return sorted(entry.name for entry in entries if not entry.name.startswith(BEING_MADE) and entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []


class WorkerSpool:
    """One worker's spool, read from ``segment`` and ``offset`` on. Not for use by two threads at once."""

    def __init__(self, path: Path, segment: int = 0, offset: int = 0) -> None:
        """``segment`` 0 means from the first that is there."""
        self.path = path
        self.segment = segment
        self.offset = offset
        self.damaged = 0
        """Places where bytes had to be skipped that were no torn end. (What was torn off was written again, or its worker was killed.)"""
        self.unknown = 0
        """Whole records that are none this version knows."""
        self.deleted = False
        """Whether somebody deleted segments that were not read to their end."""
        self.caught_up = False
        """Whether the last read saw everything that was there."""
        self._file = -1
        self._file_segment = 0
        self._lock = -1
        self._dead = False
        self._hopeless = (0, 0, 0)

    def read(self, final: bool = False) -> list[SpoolRecord]:
        """The next records, at most ``READ_BYTES`` of them; empty when there is nothing new. ``final``: the worker is dead, nothing will be added.

        Raises ``OSError`` when a segment cannot be read; the position stays.
        """
        while True:
            if not self._open():
                return []
            # Asked before the read: whatever is in the file then is all that will ever be in it.
            succeeded = segment_path(self.path, self.segment + 1).exists()
            followed = final or succeeded
            data = os.pread(self._file, READ_BYTES, self.offset)
            self.caught_up = len(data) < READ_BYTES and not succeeded
            payloads, size, damage = split(data)
            self.offset += size
            if payloads:
                records = self._decoded(payloads)
                if records:
                    return records
                continue
            if damage and self._skip_damage(data, followed):
                continue
            if not followed or not self._next():
                return []

    def first_segment(self) -> int:
        """The lowest segment that is there; above 1 when others were read and deleted before. 1 when there is none yet."""
        return min(segment_numbers(self.path), default=1)

    def bytes_behind(self) -> int:
        """Bytes in the segments that were not read yet."""
        total = 0
        for number in segment_numbers(self.path):
            if number >= self.segment:
                try:
                    total += segment_path(self.path, number).stat().st_size
                except FileNotFoundError:
                    continue
        return max(0, total - self.offset)

    def counters(self) -> Counters | None:
        """What the worker counted until now; ``None`` when its page is missing or unreadable."""
        return read_counters(self.path / COUNTERS_NAME)

    def worker_is_dead(self) -> bool:
        """Whether the worker has ended. Stays so: the lock is kept until ``close``.

        The lock is kept open from the first time on: also when it is deleted, it tells whether its worker lives.
        """
        while not self._dead:
            if self._lock < 0:
                try:
                    self._lock = os.open(self.path / LOCK_NAME, os.O_RDWR | os.O_CLOEXEC)
                except FileNotFoundError:
                    return self._ended_without_lock()
                except OSError:
                    return False  # not known now (no descriptor left, say); asked again soon
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            if self._lock_was_replaced():
                os.close(self._lock)
                self._lock = -1
            else:
                self._dead = True
        return True

    def worker_lives(self) -> bool:
        """Whether somebody holds the lock. Neither this nor dead is one whose lock was deleted before it was ever seen."""
        return not self.worker_is_dead() and self._lock >= 0

    def _lock_was_replaced(self) -> bool:
        """Whether the worker has made its deleted lock anew."""
        try:
            there = (self.path / LOCK_NAME).stat()
        except OSError:
            return False
        return not os.path.samestat(there, os.fstat(self._lock))

    def delete_before(self, segment: int) -> None:
        """Delete the segments below ``segment``; what they held must be in the ledger."""
        with suppress(OSError):  # what stays takes room and nothing else; the next time may have more luck
            for number in segment_numbers(self.path):
                if number < segment:
                    segment_path(self.path, number).unlink()

    def remove(self) -> bool:
        """Delete a dead worker's files and its directory. Whether it is gone: what is not ours stays, and the directory with it."""
        self.close()
        with suppress(OSError):
            # The lock last: as long as it is there, whoever finds the rest of a removal cut short knows that the worker is dead.
            for file in sorted(self.path.iterdir(), key=lambda file: file.name == LOCK_NAME):
                if is_own_file(file.name):
                    with suppress(OSError):
                        file.unlink()
        with suppress(OSError):
            self.path.rmdir()
        return not os.path.lexists(self.path)

    def close(self) -> None:
        """Close what is open; the position stays."""
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._lock = -1

    def _ended_without_lock(self) -> bool:
        """Without a lock: whether the directory is gone, or its worker said that all is written, or nothing has changed for too long."""
        try:
            changed = self.path.stat().st_mtime
            with os.scandir(self.path) as entries:
                changed = max([changed, *(entry.stat(follow_symlinks=False).st_mtime for entry in entries)])
        except OSError:
            return not os.path.lexists(self.path)
        counters = self.counters()
        return (counters is not None and counters.closed is True) or datetime.now(UTC).timestamp() - changed > UNLOCKED_SECONDS

    def _open(self) -> bool:
        if self._file >= 0 and self._file_segment == self.segment:
            return True
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        try:
            self._file = os.open(segment_path(self.path, self.segment), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            missing = self.segment > 0
            if not self._next():
                return False
            self.deleted = self.deleted or missing
            return self._open()
        self._file_segment = self.segment
        return True

    def _next(self) -> bool:
        later = [number for number in segment_numbers(self.path) if number > self.segment]
        if not later:
            return False
        self.deleted = self.deleted or 0 < self.segment < later[0] - 1
        self.segment, self.offset = later[0], 0
        return True

    def _skip_damage(self, data: bytes, followed: bool) -> bool:
        seen = (self.segment, self.offset, len(data))
        if seen == self._hopeless:
            return False
        at = resynchronise(data, 0)
        if at is None:
            self._hopeless = seen
            if not followed or len(data) < READ_BYTES:
                return False
            at = len(data) // 2  # nothing whole in a full read: the longest record is far shorter than half of it
        self.damaged += 1
        self.offset += at
        return True

    def _decoded(self, payloads: list[memoryview]) -> list[SpoolRecord]:
        records: list[SpoolRecord] = []
        for payload in payloads:
            try:
                records.append(_decode(payload))
            except msgspec.MsgspecError:
                self.unknown += 1
        return records
