"""Patterns are recognised by their marks alone, and a busy machine's jitter is none."""

from __future__ import annotations

import random

import pytest

from streamgauge.doctor.pacing import Pace, Pattern, read_pace, settle

GAP = 0.01


def held(pieces: int, gap: float, every: float) -> list[float]:
    """Pieces that leave only at multiples of ``every``."""
    return [-(-(number * gap) // every) * every for number in range(pieces)]


@pytest.mark.parametrize(
    ("arrivals", "pattern", "bunches"),
    [
        ([number * GAP for number in range(100)], "smooth", 100),
        (held(100, GAP, 0.04), "nagle", 26),
        (held(100, GAP, 0.2), "cork", 6),
        (held(100, GAP, 0.1), "uneven", 11),
        (held(100, GAP, 0.5), "buffered", 3),
        ([1.0] * 100, "buffered", 1),
        ([0.0, 0.04, 0.04, 0.04, 0.04, *(0.05 + number * GAP for number in range(95))], "nagle", 97),
        ([0.0, 0.04, *(0.05 + number * GAP for number in range(98))], "smooth", 100),
        ([0.0], "smooth", 1),
        ([], "smooth", 0),
    ],
)
def test_each_pattern_has_its_mark(arrivals: list[float], pattern: Pattern, bunches: int) -> None:
    pace = read_pace(arrivals, GAP)
    assert (pace.pattern, pace.bunches) == (pattern, bunches)


@pytest.mark.parametrize("seed", range(20))
def test_jitter_of_a_busy_machine_is_smooth(seed: int) -> None:
    chance = random.Random(seed)
    arrivals, now = [], 0.0
    for number in range(100):
        now = max(now, number * GAP + chance.expovariate(1 / 0.002))
        arrivals.append(now)
    assert read_pace(arrivals, GAP).pattern == "smooth"


def pace(gap: float, every: float) -> tuple[float, Pace]:
    return gap, read_pace(held(100, gap, every), gap)


@pytest.mark.parametrize(
    ("paces", "expected"),
    [
        ([pace(0.01, 0.2), pace(0.01, 0.2), pace(0.02, 0.2)], ("cork", 3)),
        ([pace(0.01, 0.22), pace(0.01, 0.22), pace(0.02, 0.44)], ("buffered", 3)),
        ([pace(0.01, 0.04), pace(0.01, 0.04), pace(0.02, 0.08)], ("buffered", 3)),
        ([pace(0.01, 0.04), pace(0.01, 0.04), pace(0.02, 0.04)], ("nagle", 3)),
        ([pace(0.01, 0.1), pace(0.01, 0.1), pace(0.02, 0.1)], ("uneven", 3)),
        ([pace(0.01, 9.0), pace(0.01, 9.0), pace(0.02, 9.0)], ("buffered", 3)),
        ([pace(0.01, 0.01), pace(0.01, 0.2), pace(0.02, 0.02)], ("smooth", 3)),
    ],
)
def test_a_slower_call_tells_what_waits_for_time_from_what_waits_for_bytes(
    paces: list[tuple[float, Pace]], expected: tuple[Pattern, int]
) -> None:
    assert settle(paces) == expected


def test_one_call_of_three_is_no_pattern() -> None:
    stalled = (GAP, Pace("nagle", 100, 97, GAP))
    even = (GAP, Pace("smooth", 100, 100, GAP))
    assert settle([stalled, even, even])[0] == "smooth"
    assert settle([even, stalled, stalled]) == ("nagle", 2)
