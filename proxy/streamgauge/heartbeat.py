"""How a worker says that it can serve, to whoever is asked: a word in memory that supervisor, workers and recorder share.

It depends on no disk and on nobody who reads: a worker can serve while its spool is full or its recorder stands still.
"""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import dataclass

SLOT_BYTES = 512
"""One worker's word: when, ready or not, and a sentence."""

OVERDUE_SECONDS = 5.0
"""A worker says its word once a second; after five it hangs or is gone."""

_HEAD = struct.Struct("=QHH")
_READY, _NOT_READY = 1, 2


@dataclass(frozen=True)
class Health:
    """Whether traffic can be served, and a sentence for each thing that is not as it should be."""

    ready: bool
    reasons: list[str]


class Heartbeats:
    """One slot for each worker's place. What a worker wrote last stays until its successor writes."""

    def __init__(self, descriptor: int) -> None:
        """The shared memory that ``create`` made, in this process. Raises ``OSError``."""
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, os.fstat(descriptor).st_size)

    @classmethod
    def create(cls, places: int) -> Heartbeats:
        """Memory for so many places; children inherit its ``descriptor``. Raises ``OSError``."""
        descriptor = os.memfd_create("streamgauge-heartbeats", os.MFD_CLOEXEC)
        try:
            os.truncate(descriptor, places * SLOT_BYTES)
            return cls(descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def beat(self, place: int, now: float, ready: bool, reason: str | None) -> None:
        """The worker of ``place`` can serve or cannot, at ``now`` (monotonic seconds, on the clock that all processes share)."""
        text = (reason or "").encode()[: SLOT_BYTES - _HEAD.size]
        head = _HEAD.pack(int(now * 1e9), _READY if ready else _NOT_READY, len(text))
        at = place * SLOT_BYTES
        self._memory[at : at + len(head) + len(text)] = head + text

    def health(self, now: float) -> Health:
        """What all of them say together, at ``now`` (monotonic seconds): ready when one of them is."""
        ready, silent, reasons = False, 0, []
        for place in range(len(self._memory) // SLOT_BYTES):
            at, state, length = _HEAD.unpack_from(self._memory, place * SLOT_BYTES)
            start = place * SLOT_BYTES + _HEAD.size
            age = now - at / 1e9
            if not state:
                silent += 1
            elif age > OVERDUE_SECONDS:
                reasons.append(f"worker {place} was last heard of {age:.0f} s ago")
            else:
                ready = ready or state == _READY
                # Read while it is written anew, a sentence may be torn, and the next answer has it whole.
                text = self._memory[start : start + length].decode("utf-8", "replace")
                if text or state == _NOT_READY:
                    reasons.append(text or f"worker {place} is not ready")
        if silent and not ready:
            reasons.append("no worker serves yet" if not reasons else f"{silent} of the workers do not serve yet")
        return Health(ready, list(dict.fromkeys(reasons)))

    def close(self) -> None:
        """Let go of it in this process."""
        self._memory.close()
        os.close(self.descriptor)
