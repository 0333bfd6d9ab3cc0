"""Each formula on hand-made moments."""

from __future__ import annotations

import pytest

from streamgauge.measure.timing import Points, overheads, seconds, tpot

S = 1_000_000_000


def streamed(**moments: int) -> Points:
    """Head at 10 s, first output at 12 s, last at 16 s."""
    return Points(**{"head": 10 * S, "first_output": 12 * S, "last_output": 16 * S, **moments})


def test_seconds_between_two_moments_and_unknown_where_one_is_missing() -> None:
    assert seconds(2 * S, 5 * S + 1) == 3.000000001
    assert seconds(2 * S, 2 * S) == 0.0
    assert seconds(None, 2 * S) is None
    assert seconds(2 * S, None) is None


def test_tpot_is_the_time_between_first_and_last_output_over_the_tokens_after_the_first() -> None:
    assert tpot(streamed(), output_tokens=9, hidden_tokens=0, output_chunks=5, reader_ns=0) == 0.5


def test_tpot_leaves_hidden_tokens_out_of_the_divisor() -> None:
    assert tpot(streamed(), output_tokens=109, hidden_tokens=100, output_chunks=5, reader_ns=0) == 0.5


def test_tpot_leaves_out_the_time_in_which_a_slow_reader_held_us() -> None:
    assert tpot(streamed(), output_tokens=5, hidden_tokens=0, output_chunks=5, reader_ns=2 * S) == 0.5


def test_tpot_never_falls_below_zero() -> None:
    assert tpot(streamed(), output_tokens=5, hidden_tokens=0, output_chunks=5, reader_ns=9 * S) == 0.0


@pytest.mark.parametrize(
    ("points", "tokens", "hidden", "chunks"),
    [
        (streamed(), None, 0, 5),
        (streamed(), 0, 0, 5),
        (streamed(), 1, 0, 5),
        (streamed(), 2, 0, 1),
        (streamed(), 9, 8, 5),
        (streamed(), 9, 20, 5),
        (Points(head=0), 9, 0, 5),
        (Points(head=0, first_output=1), 9, 0, 5),
        (Points(head=0, last_output=1), 9, 0, 5),
    ],
    ids=["no count", "no token", "one token", "one chunk", "one shown", "more hidden than all", "no output", "no last", "no first"],
)
def test_tpot_is_undefined_where_it_would_be_a_guess(points: Points, tokens: int | None, hidden: int, chunks: int) -> None:
    assert tpot(points, output_tokens=tokens, hidden_tokens=hidden, output_chunks=chunks, reader_ns=0) is None


def test_overhead_is_what_we_spent_in_each_phase() -> None:
    points = Points(head=0, issued=5 * S, response=9 * S, first_body=20 * S, forwarded=21 * S, last_byte=30 * S, finished=37 * S)
    assert overheads(points, upload_wait_ns=3 * S, tail_wait_ns=4 * S) == (2.0, 1.0, 3.0)


@pytest.mark.parametrize("first_frame", [None, 10 * S, 30 * S])
def test_overhead_of_the_first_chunk_starts_at_the_first_byte_of_the_body_whenever_a_frame_was_complete(first_frame: int | None) -> None:
    points = Points(head=0, issued=5 * S, response=9 * S, first_body=20 * S, first_frame=first_frame, forwarded=22 * S)
    assert overheads(points, upload_wait_ns=0, tail_wait_ns=0) == (5.0, 2.0, None)


def test_an_answer_in_one_read_is_not_counted_twice() -> None:
    points = Points(head=0, issued=S, response=9 * S, first_body=9 * S, forwarded=11 * S, last_byte=9 * S, finished=12 * S)
    assert overheads(points, upload_wait_ns=0, tail_wait_ns=0) == (1.0, 2.0, 1.0)


def test_overhead_is_never_negative() -> None:
    points = Points(head=0, issued=S, first_body=9 * S, forwarded=8 * S, last_byte=9 * S, finished=10 * S)
    assert overheads(points, upload_wait_ns=2 * S, tail_wait_ns=2 * S) == (0.0, 0.0, 0.0)


def test_a_phase_that_did_not_happen_has_no_overhead() -> None:
    assert overheads(Points(head=0), upload_wait_ns=0, tail_wait_ns=0) == (None, None, None)
    assert overheads(Points(head=0, forwarded=S, finished=S), upload_wait_ns=0, tail_wait_ns=0) == (None, None, None)
    assert overheads(Points(head=0, response=S, last_byte=S, finished=S), upload_wait_ns=0, tail_wait_ns=0) == (None, None, 0.0)
