"""Settings of the token estimates, with the reason of each default."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EstimateSettings:
    """What may be spent on exchanges whose provider stated no token counts. Bytes and seconds, for each worker.

    ``enabled``: false leaves such counts unknown, holds nothing and starts nothing.
    ``held_bytes``: of the request bodies (up to 1 MiB each) and beginnings of streams (64 KiB each) that are held while their exchanges last; beyond it the
    size alone is noted, and the estimate is from that.
    ``waiting_bytes``: of the texts that wait for the counting process; beyond it the estimate is from the size.
    ``answer_seconds``: how long a row, and nothing else, waits for the counting process. It starts within a second, on a busy machine within some.
    ``idle_seconds``: the counting process (70 MB) ends after this long without work.
    """

    enabled: bool = True
    held_bytes: int = 32 << 20
    waiting_bytes: int = 8 << 20
    answer_seconds: float = 5.0
    idle_seconds: float = 300.0
