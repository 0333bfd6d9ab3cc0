from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.reports.bars import ASCII
from streamgauge.reports.histogram import bounds, histogram


def test_ranges_have_round_bounds() -> None:
    assert bounds(0.25, 0.9) == pytest.approx([0.2, 0.3, 0.5, 0.7, 1.0])
    assert bounds(1.999999999998181, 1.999999999998181) == pytest.approx([1.5, 2.0])
    assert bounds(0.00099999999999999, 0.00099999999999999)[-1] == pytest.approx(0.001)
    assert bounds(1.0, 1.0) == pytest.approx([1.0, 1.5])


@given(st.lists(st.floats(1e-5, 1e4), min_size=1, max_size=60))
def test_every_value_is_in_exactly_one_range(values: list[float]) -> None:
    lines = histogram(values, 80)
    assert sum(int(line.split("│")[1].replace("█", " ").strip("▏▎▍▌▋▊▉ ").split()[0].replace(",", "")) for line in lines) == len(values)


def test_two_peaks_are_seen_as_two() -> None:
    lines = histogram([0.25] * 8 + [3.5] * 4, 80, chars=ASCII)
    assert lines[0].startswith("  200 ms to 300 ms  |####")
    assert lines[-1].startswith("     3 s to 5 s     |####")
    assert all(line.split()[-3] == "0" for line in lines[1:-1])


def test_percentiles_are_named_in_the_range_they_fall_into() -> None:
    lines = histogram([0.25, 0.6], 80, marks={"p50": 0.25, "p99": 0.6, "far": 99.0})
    assert lines[0].endswith("p50")
    assert lines[-1].endswith("p99")


def test_lines_keep_to_the_width() -> None:
    assert all(len(line) <= 80 for line in histogram([0.01 * n for n in range(1, 500)], 80, marks={"p50": 2.5}))


def test_without_values_there_is_no_picture() -> None:
    assert histogram([], 80) == []
    assert histogram([0.0], 80) == []
