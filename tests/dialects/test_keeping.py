"""How much text was generated is known of every stream, and a stream that is kept is kept within its bound."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.dialects import open_dialect
from streamgauge.dialects.base import Dialect
from streamgauge.dialects.keeping import Keeping
from streamgauge.estimate.text import answer_text
from streamgauge.framing.eventstream import EventStreamDecoder
from tests.dialects import every_shape, shapes
from tests.dialects.shapes import Stream
from tests.dialects.test_recorded import body_of, recorded
from tests.framing.encode import event

SILENT = {name for name, make in every_shape.STREAMS.items() if not any(make(3).outputs.values())}
"""Shapes without any output."""


def opened(stream: Stream, keep: int = 0) -> Dialect:
    return open_dialect(stream.operation, 200, stream.content_type, stream.headers, keep)


def written(stream: Stream, pieces: list[bytes]) -> int:
    dialect = opened(stream)
    for piece in pieces:
        dialect.feed(piece)
    return dialect.written


@pytest.mark.parametrize("name", sorted(set(every_shape.STREAMS) - SILENT))
def test_more_deltas_are_more_text_in_every_shape(name: str) -> None:
    few, many = every_shape.STREAMS[name](3), every_shape.STREAMS[name](30)
    assert 0 < written(few, few.chunks) < written(many, many.chunks)


@pytest.mark.parametrize("name", sorted(every_shape.STREAMS))
@given(size=st.integers(1, 400))
def test_the_size_of_the_text_does_not_depend_on_the_slicing(name: str, size: int) -> None:
    stream = every_shape.STREAMS[name](3)
    body = b"".join(stream.chunks)
    assert written(stream, [body[at : at + size] for at in range(0, len(body), size)]) == written(stream, stream.chunks)


@pytest.mark.parametrize("name", ["openai_sse", "sagemaker_vllm", "sagemaker_vllm_repartitioned", "sagemaker_lmi", "sagemaker_tgi"])
def test_whoever_reads_what_was_kept_finds_the_text_that_was_counted(name: str) -> None:
    stream = every_shape.STREAMS[name](5)
    dialect = opened(stream, keep=1 << 20)
    for chunk in stream.chunks:
        dialect.feed(chunk)
    assert dialect.kept == b"".join(stream.chunks)
    texts = answer_text(dialect.kept, event_stream=stream.content_type == shapes.EVENT_STREAM)
    assert sum(len(text.encode()) for text in texts) == dialect.written


@recorded
def test_a_recorded_streams_text_is_counted_within_what_json_adds_to_it(entry: dict[str, Any]) -> None:
    dialect, body = open_dialect(shapes.CONVERSE_STREAM, 200, shapes.EVENT_STREAM, {}), body_of(entry)
    dialect.feed(body)
    deltas = [json.loads(payload)["delta"] for head, payload in EventStreamDecoder().feed(body) if head.name == "contentBlockDelta"]
    text = "".join(
        delta.get("text") or delta.get("reasoningContent", {}).get("text") or delta.get("toolUse", {}).get("input") or ""
        for delta in deltas
    )
    assert len(text.encode()) <= dialect.written <= len(json.dumps(text, ensure_ascii=False).encode()) + 64


def test_quotation_marks_in_a_text_do_not_end_it() -> None:
    text = 'She said "no", \\ and left."'
    payload = json.dumps({"contentBlockIndex": 0, "delta": {"text": text}, "p": "abc"}, separators=(",", ":")).encode()
    dialect = open_dialect(shapes.CONVERSE_STREAM, 200, shapes.EVENT_STREAM, {})
    dialect.feed(event("contentBlockDelta", payload))
    assert dialect.written == len(json.dumps(text)) - 2


def test_what_is_kept_never_exceeds_its_limit() -> None:
    stream = every_shape.STREAMS["openai_sse"](40)
    dialect = Keeping(opened(stream), 1000)
    for chunk in stream.chunks:
        dialect.feed(chunk)
    assert dialect.kept == b"".join(stream.chunks)[:1000]


def test_a_stream_nobody_asked_to_keep_keeps_nothing() -> None:
    stream = every_shape.STREAMS["openai_sse"](40)
    dialect = opened(stream)
    for chunk in stream.chunks:
        dialect.feed(chunk)
    assert dialect.kept is None


def test_a_compressed_stream_is_kept_plain() -> None:
    plain, packed = every_shape.STREAMS["openai_sse"](5), every_shape.STREAMS["openai_sse_gzip"](5)
    dialect = opened(packed, keep=1 << 20)
    for chunk in packed.chunks:
        dialect.feed(chunk)
    assert dialect.kept == b"".join(plain.chunks)


@pytest.mark.parametrize("name", sorted(every_shape.WHOLE))
def test_an_answer_in_one_piece_is_kept_until_it_has_been_read(name: str) -> None:
    operation, body = every_shape.WHOLE[name]
    dialect = open_dialect(operation, 200, "application/json", {})
    dialect.feed(body)
    assert dialect.kept is None
    dialect.close()
    assert dialect.kept == body
