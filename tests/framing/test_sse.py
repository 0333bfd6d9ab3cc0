from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai._streaming import SSEDecoder

from streamgauge.errors import Undecodable
from streamgauge.framing.sse import SseDecoder, SseFrame
from tests.framing.test_eventstream import sliced

fields = st.sampled_from(
    [
        b"data: 0123456789",
        b"data: one",
        b"data:two",
        b"data:  three",
        b"data",
        b"data:",
        b"event: ping",
        b"event:x",
        b"event",
        b": note",
        b"id: 7",
        b"retry: 1",
        b"dataX: y",
    ]
)
ends = st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b"\r\r"])
texts = st.lists(st.tuples(fields, ends).map(b"".join), max_size=12).map(b"".join)


def events_of(pieces: Sequence[bytes], limit: int = 1000) -> list[SseFrame | str]:
    decoder = SseDecoder(limit)
    seen: list[SseFrame | str] = []
    try:
        for piece in pieces:
            seen += decoder.feed(piece)
        decoder.close()
    except Undecodable as error:
        seen.append(error.reason)
    return seen


def by_openai(body: bytes) -> list[SseFrame]:
    """The openai SDK's own decoder, line by line. It also returns events without data, which the grammar does not know."""
    decoder = SSEDecoder()
    seen: list[SseFrame] = []
    has_data = False
    for line in re.split(r"\r\n|\r|\n", body.decode())[:-1]:
        event = decoder.decode(line)
        if event is not None and has_data:
            seen.append(((event.event or "").encode(), event.data.encode()))
        has_data = bool(line) and (has_data or line == "data" or line.startswith("data:"))
    return seen


@given(sliced(texts))
def test_any_text_in_any_slicing_decodes_as_the_openai_sdk_decodes_it(pieces: list[bytes]) -> None:
    assert events_of(pieces) == by_openai(b"".join(pieces))


@given(sliced(st.binary(max_size=100)))
def test_random_bytes_raise_nothing(pieces: list[bytes]) -> None:
    assert all(isinstance(event, tuple) for event in events_of(pieces))


@given(sliced(texts), st.integers(0, 30))
def test_what_is_over_the_limit_is_refused_alike_in_any_slicing(pieces: list[bytes], limit: int) -> None:
    assert events_of(pieces, limit) == events_of([b"".join(pieces)], limit)


def test_data_may_come_before_the_name() -> None:
    assert events_of([b"data: {}\nevent: response.created\n\n"]) == [(b"response.created", b"{}")]


def test_data_lines_are_joined() -> None:
    assert events_of([b"data: a\ndata\ndata: b\n\n"]) == [(b"", b"a\n\nb")]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_byte_order_mark_is_no_part_of_the_first_line(size: int) -> None:
    body = b"\xef\xbb\xbfdata: a\n\ndata: b\n\n"
    assert events_of([body[at : at + size] for at in range(0, len(body), size)]) == [(b"", b"a"), (b"", b"b")]


def test_an_event_without_its_blank_line_is_none() -> None:
    decoder = SseDecoder()
    assert list(decoder.feed(b"data: a\n")) == []
    assert not decoder.close()


def test_a_line_without_its_end_is_missed_at_the_close() -> None:
    decoder = SseDecoder()
    assert decoder.close()
    decoder.feed(b"dat")
    assert not decoder.close()


def test_many_data_lines_of_one_event_are_bounded_together() -> None:
    decoder = SseDecoder(limit=16)
    decoder.feed(b"data: 0123456789\ndata: 01234\n")
    with pytest.raises(Undecodable, match="line_too_long"):
        decoder.feed(b"data:\n")
    with pytest.raises(Undecodable, match="line_too_long"):
        decoder.feed(b"\n")
    with pytest.raises(Undecodable, match="line_too_long"):
        decoder.close()


def test_events_before_one_that_is_too_long_are_returned_first() -> None:
    assert events_of([b"data: a\n\ndata: 0123456789\ndata: 012345\n\n"], limit=16) == [(b"", b"a"), "line_too_long"]


def test_a_bare_event_line_takes_the_name_away() -> None:
    assert events_of([b"event: ping\nevent\ndata: a\n\n"]) == [(b"", b"a")]
