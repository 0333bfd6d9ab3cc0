from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import pytest
from botocore.eventstream import EventStreamBuffer, ParserError
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.errors import Undecodable
from streamgauge.framing import eventstream
from streamgauge.framing.eventstream import EventStreamDecoder, Frame, Head
from tests.dialects import shapes
from tests.framing import encode

Seen = tuple[str | None, str | None, bytes]

_letters = "ab-é☃"
_values = {
    0: st.just(b""),
    1: st.just(b""),
    2: st.binary(min_size=1, max_size=1),
    3: st.binary(min_size=2, max_size=2),
    4: st.binary(min_size=4, max_size=4),
    5: st.binary(min_size=8, max_size=8),
    6: st.binary(max_size=20).map(lambda value: struct.pack(">H", len(value)) + value),
    7: st.text(_letters, max_size=10).map(lambda value: struct.pack(">H", len(value.encode())) + value.encode()),
    8: st.binary(min_size=8, max_size=8),
    9: st.binary(min_size=16, max_size=16),
}
_other_header = st.sampled_from(sorted(_values)).flatmap(
    lambda kind: st.tuples(st.text(_letters, min_size=1, max_size=8), st.just(kind), _values[kind])
)
_other_headers = st.lists(_other_header, max_size=3, unique_by=lambda item: item[0])
_known_headers = st.dictionaries(
    st.sampled_from([":event-type", ":message-type", ":content-type"]), st.sampled_from(["event", "chunk", "exception", "application/json"])
)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    known = b"".join(encode.text_header(name, value) for name, value in draw(_known_headers).items())
    others = b"".join(encode.header(*parts) for parts in draw(_other_headers))
    return encode.raw_frame(known + others, draw(st.binary(max_size=60)))


@st.composite
def sliced(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> list[bytes]:
    body = draw(bodies)
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=8)))
    return [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]


bodies = st.lists(frames(), max_size=5).map(b"".join)


def by_botocore(body: bytes) -> list[Seen | str]:
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    seen: list[Seen | str] = []
    try:
        for message in buffer:
            headers = message.headers
            seen.append((headers.get(":message-type"), headers.get(":event-type"), message.payload))
    except ParserError:
        seen.append("refused")
    return seen


def by_us(pieces: Sequence[bytes]) -> list[Seen | str]:
    decoder = EventStreamDecoder()
    seen: list[Seen | str] = []
    try:
        for piece in pieces:
            seen += [(head.kind, head.name, payload) for head, payload in decoder.feed(piece)]
        decoder.close()
    except Undecodable:
        seen.append("refused")
    return seen


def decode(*pieces: bytes) -> list[Frame]:
    decoder = EventStreamDecoder()
    return [frame for piece in pieces for frame in decoder.feed(piece)]


@given(sliced(bodies))
def test_any_frames_in_any_slicing_decode_as_botocore_decodes_them(pieces: list[bytes]) -> None:
    assert by_us(pieces) == by_botocore(b"".join(pieces))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    body = bytearray(draw(bodies.filter(bool)))
    at = draw(st.integers(0, len(body) - 1))
    body[at] ^= draw(st.integers(1, 255))
    return bytes(body)


@given(sliced(damaged()))
def test_a_damaged_byte_is_refused_behind_the_same_frames_as_by_botocore(pieces: list[bytes]) -> None:
    assert by_us(pieces) == by_botocore(b"".join(pieces))


@given(sliced(st.binary(max_size=200)))
def test_random_bytes_raise_nothing_but_undecodable(pieces: list[bytes]) -> None:
    assert by_us(pieces) in ([], ["refused"])


def test_a_frame_has_its_headers_and_payload() -> None:
    assert decode(encode.event("chunk", b"{}")) == [(Head("event", "chunk", "application/json"), b"{}")]


def test_exception_and_error_frames_are_named_by_their_own_headers() -> None:
    heads = [head for head, _ in decode(shapes.exception("throttlingException") + shapes.error("InternalFailure"))]
    assert heads == [Head("exception", "throttlingException", "application/json"), Head("error", "InternalFailure", None)]


def test_a_damaged_length_is_refused_with_the_twelfth_byte() -> None:
    body = bytearray(encode.event("chunk", b"{}"))
    body[1] ^= 0xFF
    decoder = EventStreamDecoder()
    assert not decoder.feed(bytes(body[:11]))
    with pytest.raises(Undecodable, match="prelude_crc"):
        decoder.feed(bytes(body[11:12]))


def prelude(total: int, headers: int) -> bytes:
    lengths = struct.pack(">II", total, headers)
    return lengths + struct.pack(">I", zlib.crc32(lengths))


@pytest.mark.parametrize(
    ("total", "headers"),
    [
        (15, 0),
        (20, 5),
        (16 + eventstream.MAX_PAYLOAD + 1, 0),
        (16 + eventstream.MAX_HEADERS + 1, eventstream.MAX_HEADERS + 1),
    ],
)
def test_lengths_that_cannot_be_are_refused_before_anything_is_held(total: int, headers: int) -> None:
    with pytest.raises(Undecodable, match="frame_size"):
        EventStreamDecoder().feed(prelude(total, headers))


@pytest.mark.parametrize("headers", [0, eventstream.MAX_HEADERS])
def test_the_largest_lengths_botocore_takes_are_taken(headers: int) -> None:
    decoder = EventStreamDecoder()
    assert decoder.feed(prelude(16 + headers + eventstream.MAX_PAYLOAD, headers)) == []
    assert not decoder.close()


@pytest.mark.parametrize(
    "block",
    [
        encode.text_header(":event-type", "a") + encode.text_header(":event-type", "a"),
        encode.header("x", 10, b""),
        encode.header("x", 7, b"\x00\x05ab"),
        encode.header("x", 7, b"\x00"),
        encode.header("x", 4, b"\x00"),
        encode.header("x", 7, b"\x00\x01\xff"),
        b"\x01\xff\x00",
        b"\x05ab",
    ],
)
def test_headers_that_make_no_sense_are_refused(block: bytes) -> None:
    with pytest.raises(Undecodable, match="header"):
        decode(encode.raw_frame(block, b""))


def test_frames_before_the_damage_are_returned_and_the_error_comes_with_the_next_call() -> None:
    good = encode.event("chunk", b"{}")
    bad = good[:-1] + bytes([good[-1] ^ 1])
    decoder = EventStreamDecoder()
    assert len(decoder.feed(good + bad)) == 1
    with pytest.raises(Undecodable, match="message_crc"):
        decoder.close()
    with pytest.raises(Undecodable, match="message_crc"):
        decoder.feed(good)


def test_close_says_whether_the_bytes_ended_at_a_frame_border() -> None:
    decoder = EventStreamDecoder()
    body = encode.event("chunk", b"{}")
    assert decoder.close()
    decoder.feed(body[:5])
    assert not decoder.close()
    decoder.feed(body[5:])
    assert decoder.close()


def test_invented_headers_do_not_fill_the_memory() -> None:
    for n in range(eventstream.KNOWN_HEADERS_LIMIT + 50):
        name = f"invented{n}"
        assert decode(encode.event(name, b""))[0][0].name == name
    long = "x" * (eventstream.KNOWN_HEADER_BYTES + 1)
    assert decode(encode.event(long, b""))[0][0].name == long
    assert len(eventstream._known) <= eventstream.KNOWN_HEADERS_LIMIT


def test_a_large_frame_in_small_pieces_costs_no_more_than_its_bytes() -> None:
    payload = bytes(1_000_000)
    body = encode.event("chunk", payload)
    pieces = [body[at : at + 100] for at in range(0, len(body), 100)]
    assert decode(*pieces)[0][1] == payload
