"""What hops do to the pace of a stream, read off the moments at which its pieces arrive. Pure: moments in, a pattern out.

Knows: the marks that Nagle's algorithm, a cork and a buffer leave.
Must not know: sockets, and whose hop it is.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Pattern = Literal["smooth", "nagle", "cork", "buffered", "uneven"]
"""``nagle``: pieces wait for the acknowledgement of the one before, which the other side delays by 40 ms. ``cork``: pieces wait for a full segment,
200 ms at most. ``buffered``: pieces wait for a full buffer or for the end. ``uneven``: they come in bunches of no known cause."""

ALONE_SHARE = 0.7
"""A stream is smooth if that share of its pieces came by itself: a busy machine bunches some."""

NAGLE_SECONDS = (0.030, 0.070)
"""Linux delays an acknowledgement by 40 ms, other systems by up to 50; a piece that just missed one adds its own gap."""

CORK_SECONDS = (0.150, 0.300)
"""The kernel lets go of a corked segment after 200 ms."""

BY_SIZE = 1.5
"""At half the pace a buffer takes twice as long to fill; what waits for time does not."""

STALL_PIECES = 3
"""A single stall at the beginning is Nagle's if what it held back came together: that many pieces of a 10 ms pace fit into 40 ms."""

FIRST_PIECES = 4
"""Where that stall is looked for: on a connection that has been used, it is the second piece that waits."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How pieces arrived. ``bunches``: groups that came together; ``period``: median seconds from one to the next, ``None`` for a single one."""

    pattern: Pattern
    pieces: int
    bunches: int
    period: float | None


def settle(paces: Sequence[tuple[float, Pace]]) -> tuple[Pattern, int]:
    """The pattern that several calls show together, and how many show it; each with the gap at which its pieces were sent.

    A hop that waits for time waits as long at any pace; one that waits for bytes waits longer at a slower one: that tells a cork from a buffer.
    """
    bunched = [(gap, pace) for gap, pace in paces if pace.bunches < ALONE_SHARE * pace.pieces]
    if len(bunched) < 2:
        stalled = sum(pace.pattern == "nagle" for _, pace in paces)
        return ("nagle", stalled) if stalled >= 2 else ("smooth", len(paces) - stalled)
    periods = {gap: [pace.period for other, pace in bunched if other == gap and pace.period is not None] for gap, _ in bunched}
    if not all(periods.values()):
        return "buffered", len(bunched)
    fast, slow = min(periods), max(periods)
    quick = statistics.median(periods[fast])
    if statistics.median(periods[slow]) > BY_SIZE * quick:
        return "buffered", len(bunched)
    return _by_period(quick), len(bunched)


def read_pace(arrivals: Sequence[float], gap: float) -> Pace:
    """``arrivals`` of pieces that were sent ``gap`` seconds apart, in seconds and in order."""
    starts = [at for number, at in enumerate(arrivals) if number == 0 or at - arrivals[number - 1] >= gap / 2]
    intervals = [later - earlier for earlier, later in itertools.pairwise(starts)]
    period = statistics.median(intervals) if intervals else None
    return Pace(_pattern(arrivals, gap, starts, period), len(arrivals), len(starts), period)


def _pattern(arrivals: Sequence[float], gap: float, starts: Sequence[float], period: float | None) -> Pattern:
    if len(arrivals) < 2 or len(starts) >= ALONE_SHARE * len(arrivals):
        return "nagle" if _stalled_once(arrivals, gap) else "smooth"
    return "buffered" if period is None else _by_period(period)


def _by_period(period: float) -> Pattern:
    if period > CORK_SECONDS[1]:
        return "buffered"
    if NAGLE_SECONDS[0] <= period <= NAGLE_SECONDS[1]:
        return "nagle"
    return "cork" if period >= CORK_SECONDS[0] else "uneven"


def _stalled_once(arrivals: Sequence[float], gap: float) -> bool:
    """One wait of 40 ms among the first pieces, after which those that waited came together."""
    for number in range(1, min(FIRST_PIECES, len(arrivals) - STALL_PIECES)):
        together = arrivals[number + STALL_PIECES - 1] - arrivals[number] < gap / 2
        if together and NAGLE_SECONDS[0] <= arrivals[number] - arrivals[number - 1] <= NAGLE_SECONDS[1]:
            return True
    return False
