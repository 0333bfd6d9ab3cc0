"""The scanner of responses: the same findings in any slicing, and no response that two readers could frame differently.

``test_http1_differential.py`` compares it with aiohttp's parser.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.errors import BadResponse
from streamgauge.framing import http1
from streamgauge.framing.http1 import (
    MAX_HEAD_BYTES,
    MAX_INTERIMS,
    MAX_LINE_BYTES,
    MAX_TRAILER_BYTES,
    ResponseHead,
    ResponseScanner,
    parse_head,
)

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
FIVE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
EARLY = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"


def scan(slices: Sequence[bytes], *, expects_body: bool = True) -> tuple[ResponseScanner, bytes, int]:
    """The scanner after all slices, the body it found, and the bytes that belong to the response."""
    scanner = ResponseScanner(expects_body=expects_body)
    body, consumed = b"", 0
    for data in slices:
        if scanner.done:
            break
        body += b"".join(scanner.feed(data))
        consumed += scanner.consumed
    return scanner, body, consumed


def findings(slices: Sequence[bytes], *, expects_body: bool = True) -> tuple[object, ...]:
    """Everything a slicing must not change; a refusal is one of the findings."""
    try:
        scanner, body, consumed = scan(slices, expects_body=expects_body)
    except BadResponse:
        return ("refused",)
    return scanner.head, body, consumed, scanner.done, scanner.ends_with_connection


def sliced(raw: bytes, cuts: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(cut for cut in cuts if cut < len(raw)), len(raw)]
    return [raw[start:end] for start, end in itertools.pairwise(edges)]


WHOLE: dict[str, tuple[bytes, bytes]] = {
    "length": (FIVE, b"hello"),
    "length of nothing": (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b""),
    "length with leading zeros": (b"HTTP/1.1 200 OK\r\nContent-Length: 005\r\n\r\nhello", b"hello"),
    "one chunk": (CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    "no chunk": (CHUNKED + b"0\r\n\r\n", b""),
    "chunks": (CHUNKED + b"3\r\nabc\r\n00a\r\n0123456789\r\nA\r\nabcdefghij\r\n000\r\n\r\n", b"abc0123456789abcdefghij"),
    "chunks of line ends": (CHUNKED + b"2\r\n\r\n\r\n4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n\r\n"),
    "extensions": (CHUNKED + b'3;a\r\nabc\r\n2 \t;b=c;d="e \\" f"\r\nde\r\n0;last\r\n\r\n', b"abcde"),
    "trailers": (CHUNKED + b"3\r\nabc\r\n0\r\nx-checksum: 1\r\nx-empty:\r\n\r\n", b"abc"),
    "coding in capitals": (b"HTTP/1.1 200 OK\r\nTRANSFER-ENCODING: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", b"a"),
    "interims": (b"HTTP/1.1 100 Continue\r\n\r\n" + EARLY + FIVE, b"hello"),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "no content, with a length of 0": (b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n", b""),
    # A server that gives a bodiless response the head of another one: all readers look at the status first.
    "no content, with a length": (b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n", b""),
    "no content, with a coding": (b"HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n", b""),
    "interim with a length": (b"HTTP/1.1 103 Early Hints\r\ncontent-length: 5\r\n\r\n" + FIVE, b"hello"),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n", b""),
    "no reason": (b"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", b""),
    "empty reason": (b"HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n", b""),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
    "an error": (b"HTTP/1.1 429 Too Many Requests\r\nx-amzn-ErrorType: ThrottlingException\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
}


@pytest.mark.parametrize(("raw", "body"), WHOLE.values(), ids=WHOLE)
def test_head_body_and_end_are_found_in_every_slicing(raw: bytes, body: bytes) -> None:
    whole = findings([raw])
    assert whole[1:] == (body, len(raw), True, False)
    assert findings([raw[i : i + 1] for i in range(len(raw))]) == whole
    for cut in range(1, len(raw)):
        assert findings([raw[:cut], raw[cut:]]) == whole


@pytest.mark.parametrize(("raw", "body"), WHOLE.values(), ids=WHOLE)
def test_bytes_behind_the_end_are_left_alone(raw: bytes, body: bytes) -> None:
    for behind in (b"H", b"\r\n", b"0\r\n\r\n", FIVE):
        scanner, found, consumed = scan([raw + behind])
        assert (found, consumed, scanner.done) == (body, len(raw), True)


@given(st.data())
def test_any_slicing_of_any_bytes_finds_the_same(data: st.DataObject) -> None:
    raw = b"".join(data.draw(st.lists(st.sampled_from(PIECES), max_size=14)))
    cuts = data.draw(st.lists(st.integers(0, max(0, len(raw))), max_size=12))
    expects_body = data.draw(st.booleans())
    assert findings(sliced(raw, cuts), expects_body=expects_body) == findings([raw], expects_body=expects_body)


PIECES = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n",
    b"content-length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"x: y\r\n",
    b"\r\n",
    b"\r",
    b"\n",
    b"abc",
    b"3\r\nabc\r\n",
    b"1;x=y\r\na\r\n",
    b"0\r\n",
    b"0\r\n\r\n",
    b"x-trailer: 1\r\n",
    b" ",
]


def test_a_body_without_a_stated_end_goes_on_until_the_connection_does() -> None:
    scanner = ResponseScanner()
    assert scanner.feed(b"HTTP/1.1 200 OK\r\nserver: x\r\n\r\n") == []
    assert scanner.ends_with_connection
    assert scanner.feed(b"0\r\n\r\n") == [b"0\r\n\r\n"]
    assert scanner.feed(b"") == []
    assert not scanner.done


@pytest.mark.parametrize("framing", [b"content-length: 5\r\n", b"transfer-encoding: chunked\r\n", b""])
def test_an_answer_to_head_ends_with_its_head_whatever_it_states(framing: bytes) -> None:
    raw = b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n"
    scanner, body, consumed = scan([raw + b"hello"], expects_body=False)
    assert (body, consumed, scanner.done) == (b"", len(raw), True)


def test_the_head_comes_with_its_exact_bytes_and_its_headers_as_sent() -> None:
    raw = b"HTTP/1.1 200 \xc3\xa4\r\nSet-Cookie:a=1\r\nset-cookie: \t b=2 \t\r\nX-Empty:\r\nX-Bytes: \xff\xfe\r\ncontent-length: 0\r\n\r\n"
    head = scan([raw])[0].head
    assert head == ResponseHead(
        200,
        raw,
        ((b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"X-Empty", b""), (b"X-Bytes", b"\xff\xfe"), (b"content-length", b"0")),
        http_1_1=True,
        by_name={"set-cookie": "a=1, b=2", "x-empty": "", "x-bytes": "\xff\xfe", "content-length": "0"},
    )


def test_where_the_body_begins_is_told_in_the_data_that_completed_the_head() -> None:
    scanner = ResponseScanner()
    scanner.feed(EARLY + b"HTTP/1.1 200 OK\r\nContent-Len")
    rest = b"gth: 5\r\n\r\nhe"
    assert scanner.feed(rest) == [b"he"]
    assert rest[scanner.body_start :] == b"he"


def test_interim_heads_are_handed_on_as_soon_as_they_are_whole() -> None:
    scanner = ResponseScanner()
    reads = [b"HTTP/1.1 100 Continue\r\n\r\n" + EARLY[:-1], EARLY[-1:], b"HTTP/1.1 200 OK\r\n", b"content-length: 1\r\n\r\n", b"a"]
    found = []
    for data in reads:
        scanner.feed(data)
        found.append(scanner.interims)
    assert found == [(b"HTTP/1.1 100 Continue\r\n\r\n",), (EARLY,), (), (), ()]
    assert scanner.done


def test_a_read_that_is_exactly_one_chunk_is_read_as_any_other() -> None:
    scanner = ResponseScanner()
    scanner.feed(CHUNKED)
    for body in (b"hello", b"again", b"\r\n\r\n\r"):
        assert scanner.feed(b"5\r\n" + body + b"\r\n") == [body]
        assert scanner.consumed == 10
    assert scanner.feed(b"5\r\nhel\r\n") == [b"hel\r\n"]
    assert scanner.feed(b"\r\n") == []
    with pytest.raises(BadResponse, match="longer than its stated size"):
        scanner.feed(b"5\r\nhellox\r\n")


HEADS_REFUSED = {
    "not http": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "HTTP/2": b"HTTP/2 200\r\n\r\n",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\n\r\n",
    "an empty line first": b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    "lower case": b"http/1.1 200 OK\r\n\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "status 0xx": b"HTTP/1.1 099 OK\r\n\r\n",
    "status 6xx": b"HTTP/1.1 600 OK\r\n\r\n",
    "two spaces": b"HTTP/1.1  200 OK\r\n\r\n",
    "status not ASCII": "HTTP/1.1 ٢٠٠ OK\r\n\r\n".encode(),
    "NUL in the reason": b"HTTP/1.1 200 O\x00K\r\n\r\n",
    "bare CR in the reason": b"HTTP/1.1 200 O\rK\r\n\r\n",
    "bare LF after the status line": b"HTTP/1.1 200 OK\ncontent-length: 0\r\n\r\n",
    "bare LF after a header": b"HTTP/1.1 200 OK\r\na: b\ncontent-length: 0\r\n\r\n",
    "bare CR in a header": b"HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n",
    "NUL in a header": b"HTTP/1.1 200 OK\r\na: b\x00\r\n\r\n",
    "DEL in a header": b"HTTP/1.1 200 OK\r\na: b\x7f\r\n\r\n",
    "obs-fold": b"HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
    "obs-fold first": b"HTTP/1.1 200 OK\r\n a: b\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nheader\r\n\r\n",
    "no name": b"HTTP/1.1 200 OK\r\n: b\r\n\r\n",
    "space before the colon": b"HTTP/1.1 200 OK\r\ncontent-length : 5\r\n\r\nhello",
    "space in a name": b"HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
    "name not ASCII": b"HTTP/1.1 200 OK\r\n\xe4: c\r\n\r\n",
    "two lengths that differ": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "two lengths that agree": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello",
    "a list of lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\n\r\nhello",
    "length +5": b"HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nhello",
    "length -5": b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello",
    "length 5_0": b"HTTP/1.1 200 OK\r\ncontent-length: 5_0\r\n\r\nhello",
    "length 0x5": b"HTTP/1.1 200 OK\r\ncontent-length: 0x5\r\n\r\nhello",
    "length 5.0": b"HTTP/1.1 200 OK\r\ncontent-length: 5.0\r\n\r\nhello",
    "length not ASCII": "HTTP/1.1 200 OK\r\ncontent-length: ٥\r\n\r\nhello".encode(),
    "no length in the header": b"HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\nhello",
    "length beyond any": b"HTTP/1.1 200 OK\r\ncontent-length: 9999999999999999999\r\n\r\nhello",
    "length and coding": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding of HTTP/1.0": b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding gzip, chunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "coding identity": b"HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\n",
    "coding xchunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coding twice": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding with a tab inside": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chun\tked\r\n\r\n0\r\n\r\n",
    "switch of protocols": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n",
    "too many interims": (MAX_INTERIMS + 1) * b"HTTP/1.1 100 Continue\r\n\r\n",
    "bare LFs only": b"HTTP/1.1 200 OK\ncontent-length: 1\n\na",
    "a head without end": b"HTTP/1.1 200 OK\r\na: " + MAX_HEAD_BYTES * b"a",
}

BODIES_REFUSED = {
    "size +5": b"+5\r\nhello\r\n0\r\n\r\n",
    "size -5": b"-5\r\nhello\r\n0\r\n\r\n",
    "size 0x5": b"0x5\r\nhello\r\n0\r\n\r\n",
    "size 5_0": b"5_0\r\nhello\r\n0\r\n\r\n",
    "size ' 5'": b" 5\r\nhello\r\n0\r\n\r\n",
    "size '5 5'": b"5 5\r\nhello\r\n0\r\n\r\n",
    "size of nothing": b"\r\nhello\r\n0\r\n\r\n",
    "size g": b"g\r\nhello\r\n0\r\n\r\n",
    "size not ASCII": "٥\r\nhello\r\n0\r\n\r\n".encode(),
    "size beyond any": 16 * b"f" + b"\r\nhello",
    "only an extension": b";a=b\r\nhello\r\n0\r\n\r\n",
    "an extension without a name": b"5;\r\nhello\r\n0\r\n\r\n",
    "an extension behind a space": b"5; a\r\nhello\r\n0\r\n\r\n",
    "an extension's value behind a space": b"5;a= b\r\nhello\r\n0\r\n\r\n",
    "an extension that is no token": b"5;a{b\r\nhello\r\n0\r\n\r\n",
    "an extension's value that is no token": b"5;a={\r\nhello\r\n0\r\n\r\n",
    "an extension's quote without end": b'5;a="b\r\nhello\r\n0\r\n\r\n',
    "NUL in the size": b"5\x00\r\nhello\r\n0\r\n\r\n",
    "NUL in an extension": b"5;a\x00\r\nhello\r\n0\r\n\r\n",
    "bare LF after the size": b"5\nhello\r\n0\r\n\r\n",
    "bare LF in an extension": b"5;a\nhello\r\n0\r\n\r\n",
    "bare CR after the size": b"5\rhello\r\n0\r\n\r\n",
    "a chunk that is longer": b"4\r\nhello\r\n0\r\n\r\n",
    "bare LF after a chunk": b"5\r\nhello\n0\r\n\r\n",
    "CR and something else after a chunk": b"5\r\nhello\ra0\r\n\r\n",
    "a trailer without colon": b"0\r\ntrailer\r\n\r\n",
    "a folded trailer": b"0\r\na: b\r\n c\r\n\r\n",
    "NUL in a trailer": b"0\r\na: \x00\r\n\r\n",
    "bare LF in a trailer": b"0\r\na: b\nc: d\r\n\r\n",
    "a response behind bare LFs": b"0\r\n\nHTTP/1.1 200 OK\r\n\r\n",
    "a size line without end": (MAX_LINE_BYTES + 2) * b"0",
    "a size line that is too long": b"5;" + MAX_LINE_BYTES * b"a" + b"\r\nhello\r\n0\r\n\r\n",
    "a trailer line without end": b"0\r\na: " + MAX_LINE_BYTES * b"a",
    "a trailer line that is too long": b"0\r\na: " + MAX_LINE_BYTES * b"a" + b"\r\n\r\n",
    "too many trailers": b"0\r\n" + (MAX_TRAILER_BYTES // 1000 + 1) * (b"a: " + 995 * b"b" + b"\r\n") + b"\r\n",
}


@pytest.mark.parametrize(
    "raw", [*HEADS_REFUSED.values(), *(CHUNKED + body for body in BODIES_REFUSED.values())], ids=[*HEADS_REFUSED, *BODIES_REFUSED]
)
def test_what_two_readers_could_read_differently_is_refused_in_any_slicing(raw: bytes) -> None:
    refusal = findings([raw])
    assert refusal[0] == "refused"
    step = max(1, len(raw) // 200)
    for cut in range(1, len(raw), step):
        assert findings([raw[:cut], raw[cut:]]) == refusal
    step = 1 if len(raw) < 1000 else 500
    assert findings([raw[i : i + step] for i in range(0, len(raw), step)]) == refusal


@pytest.mark.parametrize(
    ("start", "unit", "end", "room"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\na: ", b"a", b"\r\n\r\n", MAX_HEAD_BYTES + 4),
        (CHUNKED + b"0;", b"a", b"\r\n\r\n", len(CHUNKED) + MAX_LINE_BYTES + 4),
        (CHUNKED + b"0\r\na:", b"a", b"\r\n\r\n", len(CHUNKED) + 3 + MAX_LINE_BYTES + 4),
    ],
    ids=["head", "size line", "trailer line"],
)
def test_a_limit_is_the_same_to_the_byte_in_any_slicing(start: bytes, unit: bytes, end: bytes, room: int) -> None:
    fits = start + (room - len(start) - len(end)) * unit + end
    for raw, accepted in ((fits, True), (start + unit + fits[len(start) :], False)):
        for cuts in ([], [room - 5], [room - 4], [room - 3], [room - 2], [room - 1], [room], [len(start) + 5], [100, 2_000, 9_000]):
            assert (findings(sliced(raw, cuts))[0] != "refused") is accepted, cuts


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\na:" + 60_000 * b" " + b"\x00\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na:" + 30_000 * b"\t a" + b"\x00\r\n\r\n",
        b"HTTP/1.1 200 " + 60_000 * b" " + b"\x00\r\n\r\n",
        CHUNKED + b"0" + 8_000 * b" " + b"\x00\r\n",
        CHUNKED + b"0" + 4_000 * b";a" + b"\x00\r\n",
        CHUNKED + b"0;a=" + 4_000 * b'"' + b"\r\n",
        CHUNKED + b"0\r\na:" + 8_000 * b" " + b"\x00\r\n",
    ],
)
def test_hostile_lines_cost_no_more_than_their_length(raw: bytes) -> None:
    begun = time.process_time()
    assert findings([raw])[0] == "refused"
    assert time.process_time() - begun < 0.5


def test_a_connection_that_cannot_be_http_is_given_up_at_its_first_bytes() -> None:
    for start in (b"\x16\x03\x01", b"H2", b"HTTP/2", b"HTTP/1.1\t"):
        with pytest.raises(BadResponse, match="not an HTTP/1 response"):
            ResponseScanner().feed(start)


@pytest.mark.parametrize("raw", [b"HTTP/1.1 200 OK\ncontent-length: 1\n\na", CHUNKED + b"5\nhello", CHUNKED + b"0\r\na: b\n\n"])
def test_lines_ended_by_a_bare_line_feed_are_refused_at_once_instead_of_waited_for(raw: bytes) -> None:
    with pytest.raises(BadResponse):
        ResponseScanner().feed(raw)


def test_a_stream_of_any_length_is_held_in_a_bounded_state() -> None:
    scanner = ResponseScanner()
    scanner.feed(CHUNKED)
    for size in range(1, 6_000):
        data = b"%x;n=%d\r\n" % (size, size) + size * b"x"
        scanner.feed(data)
        scanner.feed(b"\r")
        scanner.feed(b"\n%08x" % 1)
        assert len(scanner._buffer) <= 8
        scanner.feed(b"\r\nx\r\n")
    assert len(http1._SIZES) <= http1._SIZES_KEPT


def test_remembered_header_lines_have_an_end() -> None:
    for number in range(2 * http1._LINES_KEPT + 10):
        parse_head(b"HTTP/1.1 200 OK\r\ndate: %d\r\nlong: %b\r\n\r\n" % (number, 200 * b"a"))
        assert len(http1._LINES) <= http1._LINES_KEPT
    assert all(len(line) <= http1._LINE_KEPT_BYTES for line in http1._LINES)
