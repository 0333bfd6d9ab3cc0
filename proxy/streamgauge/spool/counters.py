"""The page of counters a worker keeps in a mapped file, so that a kill loses none of them."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamgauge.spool.layout import REASONS

PAGE_BYTES = 4096
MAGIC = int.from_bytes(b"sgspool1", "little")
"""First word of the page; the digit is the version of its layout."""

_MAGIC_AT, _CLOSED_AT, _SEEN_AT, _REASONS_AT = 0, 1, 8, 9
_WORDS = struct.Struct(f"={PAGE_BYTES // 8}Q")
_OPEN, CLOSED_CLEAN, CLOSED_SHORT = 0, 1, 2


@dataclass(frozen=True)
class Counters:
    """What a worker counted: exchanges seen, unmeasured ones by reason (only those above zero), and how it said good-bye.

    ``closed`` is ``True`` after a clean end, ``False`` after an end with records that could not be written, ``None`` when it never came to that.
    """

    seen: int
    unmeasured: dict[str, int]
    closed: bool | None


class CounterPage:
    """Counters written by one thread of the worker. Setting one is a single aligned store, so that no reader sees half a number."""

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory
        self._words = memoryview(memory).cast("Q")
        self._words[_MAGIC_AT] = MAGIC

    @classmethod
    def in_memory(cls) -> CounterPage:
        """A page without a file, for as long as none can be made."""
        return cls(mmap.mmap(-1, PAGE_BYTES))

    @classmethod
    def create(cls, path: Path) -> CounterPage:
        """A page in a new file at ``path``. Raises ``OSError``; a full disk says so here and not later as a bus error."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, PAGE_BYTES)
            return cls(mmap.mmap(descriptor, PAGE_BYTES))
        finally:
            os.close(descriptor)

    def set_seen(self, count: int) -> None:
        """``count`` exchanges were seen."""
        self._words[_SEEN_AT] = count

    def set_unmeasured(self, reason: int, count: int) -> None:
        """``count`` exchanges are unmeasured for ``REASONS[reason]``."""
        self._words[_REASONS_AT + reason] = count

    def agrees(self, seen: int, unmeasured: Sequence[int]) -> bool:
        """Whether the page holds just these counts."""
        return self._words[_SEEN_AT] == seen and list(self._words[_REASONS_AT : _REASONS_AT + len(unmeasured)]) == list(unmeasured)

    def set_closed(self, everything_written: bool) -> None:
        """The worker has ended on its own account."""
        self._words[_CLOSED_AT] = CLOSED_CLEAN if everything_written else CLOSED_SHORT


def read_counters(path: Path) -> Counters | None:
    """The counters in the file at ``path``; ``None`` when it cannot be read or is no page of counters."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if len(data) < PAGE_BYTES:
        return None
    words = _WORDS.unpack_from(data)
    if words[_MAGIC_AT] != MAGIC:
        return None
    counts = {reason: words[_REASONS_AT + index] for index, reason in enumerate(REASONS)}
    closed = {CLOSED_CLEAN: True, CLOSED_SHORT: False}.get(words[_CLOSED_AT])
    return Counters(words[_SEEN_AT], {reason: count for reason, count in counts.items() if count}, closed)
