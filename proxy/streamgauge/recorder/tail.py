"""The spools of all workers as one source of records, by polling: a look at an idle worker costs a few microseconds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from streamgauge.records import SpoolRecord
from streamgauge.spool import WorkerSpool
from streamgauge.spool.layout import is_worker_name
from streamgauge.spool.reader import find_directories, is_worker

_log = logging.getLogger("streamgauge.recorder")

Position = tuple[int, int]
"""Segment and offset up to which a worker's records are in the ledger."""


class Tail:
    """Finds workers, reads them in turn, and knows which are dead. For one thread."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.spools: dict[str, WorkerSpool] = {}
        self.dead: set[str] = set()
        self.present: set[str] = set()
        """Names of all directories the last look found, taken up or not."""
        self._unreadable: set[str] = set()
        self._left: set[str] = set()

    def discover(self, position: Callable[[str], Position | None]) -> None:
        """Take up new workers and notice deaths. ``position`` tells where to begin with a worker, ``None`` that it is done with.

        A worker that is done with is removed: its recorder was killed before it could do so. Directories of others are left alone.
        """
        self.present = set(names := find_directories(self.directory))
        self._left &= self.present
        for name in names:
            if name not in self.spools and name not in self._left:
                try:
                    self._take_up(name, position)
                except OSError as error:
                    self._complain(name, error)
        # A worker whose directory somebody deleted makes it anew: only its death ends it.
        self.dead.update(name for name, spool in self.spools.items() if name not in self.dead and spool.worker_is_dead())

    def _take_up(self, name: str, position: Callable[[str], Position | None]) -> None:
        ours = is_worker(self.directory / name)
        if not ours and not is_worker_name(name):
            return
        begin = position(name)
        if not ours and begin == (0, 0):
            return  # nobody knows it
        spool = WorkerSpool(self.directory / name, *(begin or (0, 0)))
        spool.first_segment()
        if begin is not None:
            self.spools[name] = spool
        elif not spool.worker_lives():
            self._remove(name, spool)
        else:
            spool.close()

    def _remove(self, name: str, spool: WorkerSpool) -> None:
        if not spool.remove():
            self._left.add(name)
            _log.warning("the spool %s is done with but could not be deleted: see what else is in it, then delete it", spool.path)

    def read(self) -> Iterator[tuple[str, WorkerSpool, list[SpoolRecord]]]:
        """One turn: for each worker its next records. None from a dead worker means that there will never be more.

        A worker whose spool cannot be read now is left out of the turn; the others do not wait for it.
        """
        for name, spool in list(self.spools.items()):
            try:
                records = spool.read(final=name in self.dead)
            except OSError as error:
                self._complain(name, error)
                continue
            self._unreadable.discard(name)
            yield name, spool, records

    def remove(self, name: str) -> None:
        """Delete the spool of a dead worker; all of it is in the ledger."""
        spool = self.spools.pop(name, None)
        if spool is not None:
            self._remove(name, spool)
        self.dead.discard(name)
        self._unreadable.discard(name)

    def bytes_behind(self) -> int:
        """Bytes in all spools that were not read yet."""
        total = 0
        for spool in self.spools.values():
            with suppress(OSError):  # what cannot be looked at now is told by its error
                total += spool.bytes_behind()
        return total

    def _complain(self, name: str, error: OSError) -> None:
        if name not in self._unreadable:
            _log.error("the spool %s cannot be read: %s", self.directory / name, error.strerror)
            self._unreadable.add(name)

    def close(self) -> None:
        """Let go of every file and lock."""
        for spool in self.spools.values():
            spool.close()
