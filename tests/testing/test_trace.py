from __future__ import annotations

from itertools import pairwise

from streamgauge.testing.trace import sample


def test_the_sample_is_four_hundred_requests_in_order_of_arrival() -> None:
    rows = sample()
    assert len(rows) == 400
    assert rows[0].at == 0.0
    assert all(before.at <= after.at for before, after in pairwise(rows))


def test_sizes_are_as_published() -> None:
    first = sample()[0]
    assert (first.input_tokens, first.output_tokens) == (374, 44)
    assert all(row.input_tokens > 0 and row.output_tokens > 0 for row in sample())
