from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.testing.requests import MAX_HEAD, BadRequest, Request, RequestReader

LENGTH = b"POST /model/a%3Ab/converse?x=1 HTTP/1.1\r\nhOsT:  h \r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nhel\r\n2\r\nlo\r\n0\r\nX-Sum: 7\r\nY: z\r\n\r\n"
BARE = b"GET / HTTP/1.0\r\n\r\n"


def _read(*pieces: bytes) -> list[Request]:
    reader = RequestReader()
    return [request for piece in pieces for request in reader.feed(piece)]


@given(st.lists(st.integers(0, len(LENGTH + CHUNKED + BARE)), max_size=8))
def test_requests_do_not_depend_on_how_the_bytes_are_sliced(cuts: list[int]) -> None:
    whole = LENGTH + CHUNKED + BARE
    marks = [0, *sorted(cuts), len(whole)]
    pieces = [whole[start:end] for start, end in pairwise(marks)]
    assert _read(*pieces) == _read(whole)


def test_target_names_case_and_order_are_kept_as_sent() -> None:
    (request,) = _read(LENGTH)
    assert request.target == "/model/a%3Ab/converse?x=1"
    assert request.headers == ((b"hOsT", b"h"), (b"X-A", b"1"), (b"x-a", b"2"), (b"Content-Length", b"5"))
    assert request.head == LENGTH[:-5]
    assert request.body == b"hello"


def test_a_chunked_body_is_joined_and_its_trailers_kept() -> None:
    (request,) = _read(CHUNKED)
    assert request.body == b"hello"
    assert request.trailers == ((b"X-Sum", b"7"), (b"Y", b"z"))


def test_it_waits_for_a_100_once_and_only_if_asked() -> None:
    reader = RequestReader()
    reader.feed(b"POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n")
    assert [reader.expects(), reader.expects()] == [True, False]
    assert len(reader.feed(b"x")) == 1
    reader.feed(b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n")
    assert not reader.expects()


def test_it_knows_whether_a_request_is_half_there() -> None:
    reader, seen = RequestReader(), []
    for piece in (b"", BARE[:5], BARE[5:]):
        reader.feed(piece)
        seen.append(reader.started)
    assert seen == [False, True, False]


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"x" * (MAX_HEAD + 1),
    ],
)
def test_what_cannot_be_framed_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequest):
        RequestReader().feed(data)
