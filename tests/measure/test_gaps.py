"""The gap histogram: how far its percentiles may be from the true ones, and that it stays small."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamgauge.measure.gaps import MAX_BUCKETS, Gaps, bucket_of, middle_of

RELATIVE = 1 / 32
"""Half of a bucket that is a sixteenth of its octave's start."""
ABSOLUTE = 1e-6
"""Gaps are counted in whole microseconds."""

gap = st.integers(0, 10**12) | st.integers(0, 10**8) | st.integers(0, 64_000)


def exact(gaps: list[int], share: float) -> float:
    """Nearest rank over all gaps, in seconds."""
    return sorted(gaps)[max(1, math.ceil(share * len(gaps))) - 1] / 1e9


@given(gaps=st.lists(gap, min_size=1, max_size=200), share=st.sampled_from([0.001, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0]))
@example(gaps=[31_999, 32_000, 32_001], share=0.5)
@example(gaps=[1 << 50], share=1.0)
def test_a_percentile_is_within_the_stated_error_of_the_exact_one(gaps: list[int], share: float) -> None:
    sketch = Gaps()
    for one in gaps:
        sketch.add(one)
    found = sketch.percentile(share)
    assert found is not None
    truth = exact(gaps, share)
    assert abs(found - truth) <= truth * RELATIVE + ABSOLUTE
    assert found <= max(gaps) / 1e9


@given(gaps=st.lists(st.tuples(gap, st.integers(1, 5)), min_size=1, max_size=30))
def test_adding_many_at_once_is_adding_each(gaps: list[tuple[int, int]]) -> None:
    at_once, each = Gaps(), Gaps()
    for one, times in gaps:
        at_once.add(one, times)
        for _ in range(times):
            each.add(one)
    assert (at_once.count, at_once.longest_ns, at_once._buckets) == (each.count, each.longest_ns, each._buckets)


@given(st.integers(0, 10**17))
def test_a_gap_lies_in_its_own_bucket(gap_us: int) -> None:
    bucket = bucket_of(gap_us)
    assert 0 <= bucket < MAX_BUCKETS
    sketch = Gaps()
    sketch.add(gap_us * 1000)
    assert list(sketch._buckets) == [bucket]
    if bucket < MAX_BUCKETS - 1:
        assert abs(middle_of(bucket) - gap_us / 1e6) <= gap_us / 1e6 * RELATIVE * 1.000_000_1  # floats


def test_buckets_follow_each_other_without_a_hole() -> None:
    assert [bucket_of(us) for us in range(34)] == [*range(33), 32]
    middles = [middle_of(bucket) for bucket in range(MAX_BUCKETS)]
    assert middles == sorted(set(middles))


def test_gaps_below_32_microseconds_are_exact() -> None:
    sketch = Gaps()
    for us in (3, 17, 31):
        sketch.add(us * 1000)
    assert [sketch.percentile(share) for share in (0.1, 0.5, 1.0)] == [3e-6, 17e-6, 31e-6]


def test_the_longest_gap_is_exact_and_no_percentile_is_above_it() -> None:
    sketch = Gaps()
    sketch.add(1_000_000_001)
    assert sketch.longest_ns == 1_000_000_001
    sketch.add(32_000)
    assert sketch.percentile(0.5) == pytest.approx(33e-6)
    again = Gaps()
    again.add(1_048_577_000)
    assert again.percentile(1.0) == 1.048577


def test_without_gaps_there_is_no_percentile() -> None:
    assert Gaps().percentile(0.5) is None


@pytest.mark.parametrize("beyond", [1 << 60, 10**30])
def test_a_gap_of_years_lands_in_the_last_bucket(beyond: int) -> None:
    sketch = Gaps()
    sketch.add(beyond)
    assert list(sketch._buckets) == [MAX_BUCKETS - 1]


def test_a_hostile_stream_cannot_make_it_grow_without_end() -> None:
    sketch = Gaps()
    for exponent in range(80):
        for part in range(40):
            sketch.add((1 << exponent) + (part << max(0, exponent - 5)))
    assert len(sketch._buckets) <= MAX_BUCKETS
