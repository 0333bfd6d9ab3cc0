"""The distribution of the gaps between output chunks, in bounded memory.

Log-linear buckets (as in HdrHistogram): 16 to an octave, so a percentile is within 3.2 % of the true gap; exact below 32 microseconds.
A stream uses about ten buckets, a hostile one at most ``MAX_BUCKETS``.
"""

from __future__ import annotations

import math

MAX_BUCKETS = 32 + 16 * 40
"""40 octaves above 32 us: more than a year. Nothing longer is told apart."""


def bucket_of(gap_us: int) -> int:
    """The bucket of a gap in microseconds."""
    if gap_us < 32:
        return gap_us
    shift = gap_us.bit_length() - 5
    return min(shift * 16 + (gap_us >> shift), MAX_BUCKETS - 1)


def middle_of(bucket: int) -> float:
    """The middle of a bucket, in seconds."""
    if bucket < 32:
        return bucket / 1e6
    shift = (bucket - 16) >> 4
    low = (bucket - shift * 16) << shift
    return (low + (1 << shift) / 2) / 1e6


class Gaps:
    """Counts gaps; gives percentiles, each with the count behind it in ``count``."""

    __slots__ = ("_buckets", "count", "longest_ns")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self.count = 0
        self.longest_ns = 0

    def add(self, gap_ns: int, times: int = 1) -> None:
        """``times`` gaps of ``gap_ns`` nanoseconds."""
        gap_us = gap_ns // 1000
        # bucket_of, written out: this runs once per chunk.
        if gap_us < 32:
            bucket = gap_us
        else:
            shift = gap_us.bit_length() - 5
            bucket = shift * 16 + (gap_us >> shift)
            if bucket >= MAX_BUCKETS:
                bucket = MAX_BUCKETS - 1
        buckets = self._buckets
        buckets[bucket] = buckets.get(bucket, 0) + times
        self.count += times
        if gap_ns > self.longest_ns:
            self.longest_ns = gap_ns

    def percentile(self, share: float) -> float | None:
        """Nearest-rank percentile in seconds, ``share`` in (0, 1]; ``None`` without gaps. Never above the longest gap."""
        if not self.count:
            return None
        rank = max(1, math.ceil(share * self.count))
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= rank:
                return min(middle_of(bucket), self.longest_ns / 1e9)
        raise AssertionError("counts do not add up")  # pragma: no cover - count is their sum
