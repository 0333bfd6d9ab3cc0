from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from streamgauge.reports.percentiles import Pool, Samples, nearest_rank


def test_a_percentile_is_the_value_at_its_rank() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [nearest_rank(values, share) for share in (0.01, 0.50, 0.95, 0.99, 1.0)] == [1, 50, 95, 99, 100]


def test_ranks_do_not_suffer_from_floating_point() -> None:
    # 0.55 x 100 is 55.00000000000001: rounded up naively it would be the 56th.
    assert nearest_rank([float(n) for n in range(1, 101)], 0.55) == 55


def test_there_is_no_percentile_of_nothing() -> None:
    assert nearest_rank([], 0.5) is None
    assert Samples().percentiles((0.5, 0.99)) == [None, None]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_is_a_measured_value_with_enough_values_at_or_below_it(values: list[float], share: float) -> None:
    found = nearest_rank(sorted(values), share)
    assert found in values
    assert sum(value <= found for value in values) >= math.floor(share * len(values))


def test_all_values_are_kept_while_they_fit() -> None:
    pool = Pool(limit=100)
    samples = pool.samples()
    for n in range(100):
        pool.add(samples, float(n))
    assert pool.coarsest == 1
    assert len(samples.values) == 100


def test_memory_stays_bounded_and_counts_stay_exact() -> None:
    pool = Pool(limit=1_000)
    large, small = pool.samples(), pool.samples()
    for n in range(50_000):
        pool.add(large, float(n))
        if n % 1_000 == 0:
            pool.add(small, float(n))
    assert len(large.values) + len(small.values) <= 1_000
    assert (large.count, small.count) == (50_000, 50)
    assert small.stride == 1, "the small group is exact: only the largest are thinned"
    assert pool.coarsest > 1


def test_a_thinned_sample_is_spread_evenly_over_the_rows() -> None:
    pool = Pool(limit=1_000)
    samples = pool.samples()
    for n in range(10_000):
        pool.add(samples, float(n))
    steps = {b - a for a, b in zip(samples.values, samples.values[1:], strict=False)}
    assert steps == {float(samples.stride)}
    (median,) = samples.percentiles((0.5,))
    assert median is not None
    assert abs(median - 5_000) < 2 * samples.stride
