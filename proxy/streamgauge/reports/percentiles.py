"""Exact percentiles of many groups in bounded memory. Pure."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

MAX_VALUES = 8_000_000
"""Values kept over all groups and figures: 64 MB of doubles, exact up to about 1,300,000 exchanges in ``report latency``."""


def nearest_rank(ascending: Sequence[float], share: float) -> float | None:
    """The value at rank ceil(share x n) of values in ascending order, ``share`` in (0, 1]; ``None`` without values."""
    if not ascending:
        return None
    # 0.95 x 20 is 19.000000000000004 in floating point or 18.999...: a rank must not depend on that.
    return ascending[max(1, math.ceil(round(share * len(ascending), 9))) - 1]


class Samples:
    """The values of one figure in one group. ``count`` is how many came, ``stride`` 1 while all of them are kept.

    With ``stride`` k every k-th value is kept in the order in which they came, evenly over time where rows come by time.
    """

    __slots__ = ("count", "stride", "values")

    def __init__(self) -> None:
        self.values = array("d")
        self.count = 0
        self.stride = 1

    def add(self, value: float) -> bool:
        """Take a value; true when it was kept."""
        kept = self.count % self.stride == 0
        if kept:
            self.values.append(value)
        self.count += 1
        return kept

    def thin(self) -> None:
        """Keep every second of the values kept so far and of those to come."""
        self.values = self.values[::2]
        self.stride *= 2

    def percentiles(self, shares: Sequence[float]) -> list[float | None]:
        """Nearest-rank percentiles, in the order of ``shares``."""
        ascending = sorted(self.values)
        return [nearest_rank(ascending, share) for share in shares]


class Pool:
    """All ``Samples`` of a report, together never more than ``limit`` values: beyond it the largest are thinned."""

    def __init__(self, limit: int = MAX_VALUES) -> None:
        self._limit = limit
        self._kept = 0
        self._all: list[Samples] = []

    def samples(self) -> Samples:
        """A new, empty ``Samples`` of this pool."""
        fresh = Samples()
        self._all.append(fresh)
        return fresh

    def add(self, samples: Samples, value: float) -> None:
        """Add a value to one of this pool's samples."""
        if samples.add(value):
            self._kept += 1
            if self._kept > self._limit:
                self._thin()

    def _thin(self) -> None:
        # A quarter is freed at once, so that thinning does not run again for the next value.
        while self._kept > self._limit * 3 // 4:
            largest = max(len(s.values) for s in self._all)
            if largest < 2:
                return
            for samples in self._all:
                if len(samples.values) > largest // 2:
                    samples.thin()
            self._kept = sum(len(s.values) for s in self._all)

    @property
    def coarsest(self) -> int:
        """The largest stride of all: 1 means that every percentile is exact."""
        return max((s.stride for s in self._all), default=1)
