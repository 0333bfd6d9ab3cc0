from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.errors import Undecodable
from streamgauge.framing.lines import LineDecoder
from tests.framing.test_eventstream import sliced

LIMIT = 6
texts = st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"a", b"bc", b"\x0b", b"\xc2\x85"]), max_size=20).map(b"".join)


def lines_of(pieces: Sequence[bytes], limit: int = 1000) -> list[bytes | str]:
    decoder = LineDecoder(limit)
    seen: list[bytes | str] = []
    try:
        for piece in pieces:
            seen += decoder.feed(piece)
        seen.append(decoder.close())
    except Undecodable as error:
        seen.append(error.reason)
    return seen


@given(sliced(texts))
def test_lines_are_what_stands_between_line_ends_in_any_slicing(pieces: list[bytes]) -> None:
    assert lines_of(pieces) == re.split(rb"\r\n|\r|\n", b"".join(pieces))


@given(sliced(texts))
def test_a_line_over_the_limit_is_refused_behind_the_same_lines_in_any_slicing(pieces: list[bytes]) -> None:
    expected: list[bytes | str] = []
    for line in re.split(rb"\r\n|\r|\n", b"".join(pieces)):
        expected.append(line if len(line) <= LIMIT else "line_too_long")
        if len(line) > LIMIT:
            break
    assert lines_of(pieces, LIMIT) == expected


def test_the_error_comes_back_with_every_later_call() -> None:
    decoder = LineDecoder(LIMIT)
    with pytest.raises(Undecodable):
        decoder.feed(b"1234567")
    with pytest.raises(Undecodable):
        decoder.feed(b"\n")
    with pytest.raises(Undecodable):
        decoder.close()


def test_a_long_line_in_small_pieces_costs_no_more_than_its_bytes() -> None:
    assert lines_of([b"0123456789"] * 100_000 + [b"\n"], limit=2_000_000) == [b"0123456789" * 100_000, b""]
