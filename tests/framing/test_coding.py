from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.errors import Undecodable
from streamgauge.framing import coding
from streamgauge.framing.coding import ContentDecoder, content_decoder, is_plain


def bare_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "deflate ": bare_deflate,
    "br": brotli.compress,
    "zstd": zstd.compress,
}
codings = pytest.mark.parametrize("name", PACK)


def opened(name: str) -> ContentDecoder:
    decoder = content_decoder(name)
    assert decoder is not None
    return decoder


@codings
@given(plain=st.binary(max_size=3000), data=st.data())
@settings(max_examples=30)
def test_any_slicing_gives_the_plain_bytes(name: str, plain: bytes, data: st.DataObject) -> None:
    packed = PACK[name](plain)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(packed)), max_size=5)))
    decoder = opened(name)
    pieces = [packed[a:b] for a, b in zip([0, *cuts], [*cuts, len(packed)], strict=True)]
    assert b"".join(out for piece in pieces for out in decoder.feed(piece)) == plain


@codings
def test_much_plain_text_comes_in_pieces(name: str) -> None:
    plain = b"".join(b"%d of many numbers " % number for number in range(40_000))
    pieces = list(opened(name).feed(PACK[name](plain)))
    assert b"".join(pieces) == plain
    assert max(map(len, pieces)) <= 2 * coding.PIECE


def flushed_gzip(events: list[bytes]) -> list[bytes]:
    packer = zlib.compressobj(wbits=31)
    return [packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH) for event in events]


def flushed_deflate(events: list[bytes]) -> list[bytes]:
    packer = zlib.compressobj()
    return [packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH) for event in events]


def flushed_br(events: list[bytes]) -> list[bytes]:
    packer = brotli.Compressor()
    return [packer.process(event) + packer.flush() for event in events]


def flushed_zstd(events: list[bytes]) -> list[bytes]:
    packer = zstd.ZstdCompressor()
    return [packer.compress(event) + packer.flush(packer.FLUSH_BLOCK) for event in events]


@pytest.mark.parametrize(
    ("name", "flushed"), [("gzip", flushed_gzip), ("deflate", flushed_deflate), ("br", flushed_br), ("zstd", flushed_zstd)]
)
def test_what_the_sender_flushed_is_there_at_once(name: str, flushed: Callable[[list[bytes]], list[bytes]]) -> None:
    events = [b"data: {%d}\n\n" % number for number in range(50)]
    decoder = opened(name)
    assert [b"".join(decoder.feed(piece)) for piece in flushed(events)] == events


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_a_body_of_several_members_is_one_body(name: str) -> None:
    assert b"".join(opened(name).feed(PACK[name](b"one") + PACK[name](b"two"))) == b"onetwo"


@codings
def test_bytes_of_no_meaning_are_damaged(name: str) -> None:
    with pytest.raises(Undecodable, match="content_encoding"):
        list(opened(name).feed(b"\xff" * 100))


@codings
def test_a_bomb_is_given_up_within_bounded_memory(name: str) -> None:
    bomb = PACK[name](b"\0" * 16 * 1024 * 1024)
    decoder, out = opened(name), 0

    def inflate() -> None:
        nonlocal out
        for at in range(0, len(bomb), 4096):
            for piece in decoder.feed(bomb[at : at + 4096]):
                out += len(piece)

    tracemalloc.start()
    try:
        with pytest.raises(Undecodable, match="decompression_bomb"):
            inflate()
        assert tracemalloc.get_traced_memory()[1] < 2 * 1024 * 1024
    finally:
        tracemalloc.stop()
    assert out <= coding.FREE + coding.RATIO * len(bomb)


def test_a_zstd_stream_that_wants_more_memory_than_http_allows_is_damaged() -> None:
    packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.compression_level: 1})
    packed = packer.compress(b"x" * 100) + packer.flush()
    with pytest.raises(Undecodable, match="content_encoding"):
        list(opened("zstd").feed(packed))


@pytest.mark.parametrize("name", ["gzip, br", "compress", "aws-chunked"])
def test_what_is_not_known_has_no_decoder(name: str) -> None:
    assert content_decoder(name) is None
    assert not is_plain(name)


@pytest.mark.parametrize("name", [None, "", "identity", " Identity "])
def test_an_encoding_that_is_none_is_plain(name: str | None) -> None:
    assert is_plain(name)


def test_names_are_known_in_any_case() -> None:
    assert b"".join(opened(" GZIP ").feed(gzip.compress(b"a"))) == b"a"
