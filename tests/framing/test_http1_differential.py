"""The scanner against aiohttp's own response parser (llhttp) on the same bytes, sound, odd and damaged.

Whatever ours accepts, aiohttp reads in the same way: status, headers, body, and the byte at which the response ends. The reverse does not
hold and is not meant to: aiohttp as a client is lenient, and ours refuses what another reader could frame in another way (``LENIENT``).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Sequence

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpResponseParser, HttpResponseParserPy, RawResponseMessage
from aiohttp.streams import StreamReader
from hypothesis import event, example, given
from hypothesis import strategies as st

from streamgauge.errors import BadResponse
from streamgauge.framing.http1 import ResponseScanner

ENDLESS = 1 << 30
"""A limit that no example reaches: the two may differ in how much they take, not in how they read it."""

Reading = tuple[int, tuple[tuple[bytes, bytes], ...], bytes, bool]
"""(status, headers, body, complete)."""


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def by_aiohttp(loop: asyncio.AbstractEventLoop, slices: Sequence[bytes], *, expects_body: bool) -> Reading | None:
    """What aiohttp reads; ``None`` while there is no final head. Raises what aiohttp raises."""
    parser = HttpResponseParser(
        BaseProtocol(loop),
        loop,
        ENDLESS,
        max_line_size=ENDLESS,
        max_headers=ENDLESS,
        max_field_size=ENDLESS,
        response_with_body=expects_body,
        read_until_eof=True,
        auto_decompress=False,
    )
    found: list[tuple[RawResponseMessage, StreamReader]] = []
    for data in slices:
        messages, upgraded, _ = parser.feed_data(data)
        assert not upgraded
        found += [(message, payload) for message, payload in messages if message.code >= 200]
    if not found:
        return None
    ((message, payload),) = found
    # aiohttp's client reads no body of these either, one layer above the parser.
    return message.code, message.raw_headers, payload.read_nowait(-1), payload.is_eof() or message.code in (204, 304)


def by_ours(slices: Sequence[bytes], *, expects_body: bool) -> tuple[Reading | None, int]:
    """What the scanner reads, and how many bytes it has decided on: no line that is incomplete. Raises ``BadResponse``."""
    scanner = ResponseScanner(expects_body=expects_body)
    body, consumed = b"", 0
    for data in slices:
        if not scanner.done:
            body += b"".join(scanner.feed(data))
            consumed += scanner.consumed
    head = scanner.head
    return None if head is None else (head.status, head.headers, body, scanner.done), consumed - len(scanner._buffer)


def compare(loop: asyncio.AbstractEventLoop, raw: bytes, cuts: Sequence[int], *, expects_body: bool) -> str:
    """Fail where the two read differently; say how it went."""
    edges = [0, *sorted(cut for cut in cuts if cut < len(raw)), len(raw)]
    try:
        ours, consumed = by_ours([raw[a:b] for a, b in itertools.pairwise(edges)], expects_body=expects_body)
    except BadResponse:
        return "refused"
    belonging = raw[:consumed]
    assert ours == by_aiohttp(loop, [belonging], expects_body=expects_body)
    if ours is None or not ours[3]:
        return "incomplete"
    if expects_body and ours[0] not in (204, 304):
        shorter = by_aiohttp(loop, [belonging[:-1]], expects_body=expects_body)
        assert shorter is None or not shorter[3]
    return "complete"


token = st.sampled_from([b"a", b"x-b", b"Date", b"!#$%&'*+-.^_`|~", b"Connection", b"Upgrade", b"keep-alive", b"close", b"upgrade"])
value = st.lists(st.sampled_from([b"", b" ", b"\t", b"v", b'"q"', b"close", b"upgrade", b"\xe4\xff", b":", b",", b";"]), max_size=4).map(
    b"".join
)
extension = st.sampled_from(
    [b"", b"", b"", b" ", b"\t", b";a", b";a=b", b';a="b c"', b';a="\\"";b', b" ;a", b";", b"; a", b";a=", b";a=\xff"]
)


@st.composite
def chunked(draw: st.DrawFn) -> bytes:
    parts = []
    for data in draw(st.lists(st.binary(min_size=1, max_size=20), max_size=4)):
        size = draw(st.sampled_from([b"%x", b"%X", b"0%x", b"%04x"])) % len(data)
        parts.append(size + draw(extension) + b"\r\n" + data + b"\r\n")
    trailers = draw(st.lists(st.tuples(token, value), max_size=2))
    last = draw(st.sampled_from([b"0", b"00"])) + draw(extension) + b"\r\n"
    return b"".join([*parts, last, *(b"%b: %b\r\n" % pair for pair in trailers), b"\r\n"])


@st.composite
def response(draw: st.DrawFn) -> bytes:
    """One response, mostly sound, with what comes before and behind it."""
    interim = draw(st.sampled_from([b"", b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"]))
    status = draw(st.sampled_from([b"200 OK", b"200 OK", b"204 No Content", b"304 Not Modified", b"404 ", b"500", b"299 a b\xe4"]))
    headers = [b"%b:%b\r\n" % pair for pair in draw(st.lists(st.tuples(token, value), max_size=3))]
    kind = draw(st.sampled_from(["length", "length", "chunked", "chunked", "close", "both"]))
    body = draw(chunked()) if kind in ("chunked", "both") else draw(st.binary(max_size=30))
    if kind in ("length", "both"):
        headers.append(draw(st.sampled_from([b"Content-Length: %d\r\n", b"content-length:%03d \r\n"])) % len(body))
    if kind in ("chunked", "both"):
        headers.append(draw(st.sampled_from([b"Transfer-Encoding: chunked\r\n", b"transfer-encoding:\tCHUNKED \r\n"])))
    version = draw(st.sampled_from([b"HTTP/1.1 ", b"HTTP/1.1 ", b"HTTP/1.1 ", b"HTTP/1.0 "]))
    behind = draw(st.sampled_from([b"", b"", b"x", b"\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]))
    return interim + version + status + b"\r\n" + b"".join(draw(st.permutations(headers))) + b"\r\n" + body + behind


DAMAGE = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\x00",
    b" ",
    b"\t",
    b"0",
    b"5",
    b"-",
    b"+",
    b"_",
    b"x",
    b":",
    b";",
    b'"',
    b"\xff",
    b"\x7f",
    b"\x0b",
    b",",
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A response with a few bytes put in, taken out or replaced."""
    raw = draw(response())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(st.sampled_from([b"", *DAMAGE])) + raw[at + draw(st.integers(0, 2)) :]
    return raw


def test_the_fuzzed_parser_is_the_one_in_c() -> None:
    assert HttpResponseParser is not HttpResponseParserPy


@given(raw=response(), cuts=st.lists(st.integers(0, 200), max_size=4), expects_body=st.booleans())
@example(raw=b"HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\nabc", cuts=[], expects_body=True)
@example(raw=b"HTTP/1.1 200 OK\r\nConnection: upgrade\r\nUpgrade: h2c\r\ncontent-length: 1\r\n\r\na", cuts=[], expects_body=True)
def test_sound_responses_are_read_as_aiohttp_reads_them(
    loop: asyncio.AbstractEventLoop, raw: bytes, cuts: list[int], expects_body: bool
) -> None:
    event(compare(loop, raw, cuts, expects_body=expects_body))


@given(raw=damaged(), cuts=st.lists(st.integers(0, 200), max_size=2), expects_body=st.booleans())
def test_damaged_responses_are_refused_or_read_as_aiohttp_reads_them(
    loop: asyncio.AbstractEventLoop, raw: bytes, cuts: list[int], expects_body: bool
) -> None:
    event(compare(loop, raw, cuts, expects_body=expects_body))


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
LENIENT = {
    "bare LF in a head": b"HTTP/1.1 200 OK\ncontent-length: 1\n\na",
    "obs-fold": HEAD + b"a: b\r\n c\r\ncontent-length: 1\r\n\r\na",
    "control characters in a value": HEAD + b"a: \x01\r\ncontent-length: 1\r\n\r\na",
    "bare LF in chunked framing": CHUNKED + b"1\r\na\n0\r\n\n",
    "an extension with an empty value": CHUNKED + b"1;a=\r\na\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("raw", LENIENT.values(), ids=LENIENT)
def test_ours_is_stricter_where_aiohttp_is_lenient(loop: asyncio.AbstractEventLoop, raw: bytes) -> None:
    reading = by_aiohttp(loop, [raw], expects_body=True)
    assert reading is not None
    assert reading[2:] == (b"a", True)
    with pytest.raises(BadResponse):
        by_ours([raw], expects_body=True)
