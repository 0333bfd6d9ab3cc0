from __future__ import annotations

import gzip
import zlib

import brotli
import pytest
from backports import zstd

from streamgauge.dialects import open_dialect
from streamgauge.dialects.compressed import Compressed
from streamgauge.records import VISIBLE, Fault, Finished, Served
from tests.dialects import shapes
from tests.dialects.watch import each_byte, final_usage, trace

TIER = {"x-amzn-bedrock-service-tier": "flex"}
PACK = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstd.compress}
codings = pytest.mark.parametrize("coding", PACK)


def opened(coding: str, content_type: str = shapes.SSE, **head: str) -> Compressed:
    dialect = open_dialect(shapes.OPENAI_CHAT, 200, content_type, {"content-encoding": coding} | head)
    assert isinstance(dialect, Compressed)
    return dialect


@codings
def test_a_compressed_stream_says_what_the_plain_one_says(coding: str) -> None:
    stream = shapes.openai_sse()
    packed = PACK[coding](stream.body)
    expected = trace(stream.open(), [stream.body])
    assert trace(opened(coding), [packed]) == expected
    assert trace(opened(coding), each_byte(packed)) == expected


@codings
def test_a_compressed_answer_says_what_the_plain_one_says(coding: str) -> None:
    body = shapes.dumps(shapes.OPENAI_BODY)
    assert final_usage(trace(opened(coding, shapes.JSON), each_byte(PACK[coding](body)))) is not None


def test_a_text_delta_is_answered_when_its_flush_arrives_and_by_the_same_object_as_ever() -> None:
    packer = zlib.compressobj(wbits=31)
    dialect = opened("gzip")
    trace_of_head = dialect.feed(packer.compress(shapes.sse(shapes.completion_chunks(1)[0])) + packer.flush(zlib.Z_SYNC_FLUSH))
    assert [event for event in trace_of_head if not isinstance(event, Served)] == []
    delta = shapes.sse({"choices": [{"delta": {"content": "a"}}], "model": "gpt-made-up"})
    assert dialect.feed(packer.compress(delta) + packer.flush(zlib.Z_SYNC_FLUSH)) is VISIBLE
    assert dialect.frames == 2


@codings
def test_a_compressed_stream_that_stops_is_cut(coding: str) -> None:
    packed = PACK[coding](b"".join(shapes.openai_sse().chunks[:4]))
    assert trace(opened(coding), [packed])[-1] == Fault("stream_truncated")
    assert trace(opened(coding), [packed[: len(packed) // 2]])[-1] == Fault("stream_truncated")


def test_a_missing_trailer_behind_the_streams_own_end_is_nobodys_loss() -> None:
    packed = gzip.compress(shapes.openai_sse().body)
    assert isinstance(trace(opened("gzip"), [packed[:-8]])[-1], Finished)


@codings
def test_a_bomb_is_undecodable_and_says_first_what_the_head_said(coding: str) -> None:
    bomb = PACK[coding](b"data: {}\n\n" * 1_000_000)
    assert trace(opened(coding, **TIER), [bomb]) == [Served(service_tier="flex"), "decompression_bomb"]


def test_damage_is_undecodable_now_and_ever_after() -> None:
    dialect = opened("gzip", **TIER)
    assert dialect.feed(b"not gzip at all") == [Served(service_tier="flex")]
    assert trace(dialect, [b"a"]) == ["content_encoding"]
    assert trace(dialect, []) == ["content_encoding"]


def test_what_is_understood_before_the_inner_damage_is_told() -> None:
    inner = shapes.sse({"choices": [{"delta": {"content": "a"}}]}) + shapes.sse(b"{oops")
    assert trace(opened("gzip"), [gzip.compress(inner)]) == [*VISIBLE, "json"]


def test_an_unknown_coding_is_not_read_and_says_why() -> None:
    dialect = open_dialect(shapes.OPENAI_CHAT, 200, shapes.SSE, {"content-encoding": "gzip, br"})
    assert trace(dialect, [b"\x1f\x8b"]) == ["content_encoding"]
