from __future__ import annotations

import pytest

from streamgauge.reports.dimensions import BANDS, CONCURRENCY_BANDS, PROMPT_BANDS, has_order, order


@pytest.mark.parametrize(
    ("tokens", "band"), [(0, "<256"), (255, "<256"), (256, "256-1k"), (1024, "1k-4k"), (200_000, ">=200k"), (None, None)]
)
def test_a_prompt_falls_into_the_band_that_begins_at_its_bound(tokens: int | None, band: str | None) -> None:
    assert PROMPT_BANDS.label(tokens) == band


@pytest.mark.parametrize(
    ("open_now", "band"), [(0, "0-1"), (1, "0-1"), (2, "2-4"), (4, "2-4"), (5, "5-16"), (256, "65-256"), (257, ">256")]
)
def test_concurrency_bands_say_what_they_hold(open_now: int, band: str) -> None:
    assert CONCURRENCY_BANDS.label(open_now) == band


@pytest.mark.parametrize("name", BANDS)
def test_bands_have_one_name_more_than_bounds(name: str) -> None:
    assert len(BANDS[name].labels) == len(BANDS[name].bounds) + 1
    assert list(BANDS[name].bounds) == sorted(BANDS[name].bounds)


def test_bands_are_ordered_by_size_and_unknown_comes_last() -> None:
    shuffled = [None, "16k-64k", "<256", "1k-4k"]
    assert sorted(shuffled, key=lambda value: order("prompt_band", value)) == ["<256", "1k-4k", "16k-64k", None]
    assert has_order("hour")
    assert not has_order("model")
