"""Promises every dialect keeps, written once and run for each of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.dialects import Dialect, open_dialect
from streamgauge.dialects.compressed import Compressed
from streamgauge.errors import Undecodable
from streamgauge.framing import eventstream
from streamgauge.records import Fault, Finished
from tests.dialects import every_shape, shapes
from tests.dialects.shapes import Stream
from tests.dialects.watch import count_outputs, each_byte, final_usage, trace
from tests.framing import encode

CUT = Fault("stream_truncated")
FACTS = {"x-amzn-bedrock-input-token-count": "4", "x-amzn-bedrock-invocation-latency": "1200"}

ALL = {name: make(3) for name, make in every_shape.STREAMS.items()}
ENDED = {name: stream for name, stream in ALL.items() if stream.end is not None}
FRAMED = {name: stream for name, stream in ALL.items() if stream.content_type == shapes.EVENT_STREAM and name not in every_shape.COMPRESSED}

streams = pytest.mark.parametrize("stream", list(ALL.values()), ids=list(ALL))
ended_streams = pytest.mark.parametrize("stream", list(ENDED.values()), ids=list(ENDED))
framed_streams = pytest.mark.parametrize("stream", list(FRAMED.values()), ids=list(FRAMED))


def openers() -> dict[str, Callable[[dict[str, str]], Dialect]]:
    """Every dialect, streams and whole bodies and those that understand nothing, as a function of the response's head."""

    def opener(operation: Any, status: int, content_type: str, head: dict[str, str] | None = None) -> Callable[[dict[str, str]], Dialect]:
        return lambda headers: open_dialect(operation, status, content_type, (head or {}) | headers)

    found = {name: opener(stream.operation, 200, stream.content_type, stream.headers) for name, stream in ALL.items()}
    found |= {name: opener(operation, 200, shapes.JSON) for name, (operation, _) in every_shape.WHOLE.items()}
    found["failed"] = opener(shapes.CONVERSE_STREAM, 429, shapes.JSON)
    found["opaque"] = opener(shapes.OPAQUE, 200, shapes.JSON)
    return found


dialects = pytest.mark.parametrize("opened", list(openers().values()), ids=list(openers()))
valid = [make(2).body for make in every_shape.STREAMS.values()] + [body for _, body in every_shape.WHOLE.values()]


@st.composite
def disturbed(draw: st.DrawFn) -> list[bytes]:
    """Bytes of some format, perhaps of another dialect, perhaps damaged, in some slicing."""
    body = bytearray(draw(st.one_of(st.sampled_from(valid), st.binary(max_size=80))))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=6)))
    return [bytes(body[a:b]) for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]


@dialects
@given(pieces=disturbed())
@settings(max_examples=40)
def test_any_bytes_in_any_slicing_say_the_same_and_raise_nothing_but_undecodable(
    opened: Callable[[dict[str, str]], Dialect], pieces: list[bytes]
) -> None:
    sliced, whole = trace(opened({}), pieces), trace(opened({}), [b"".join(pieces)])
    if isinstance(opened({}), Compressed) and isinstance(whole[-1] if whole else None, str):
        # The decompressor tells nothing of a read in which it finds damage.
        assert isinstance(sliced[-1], str)
        assert sliced[: len(whole) - 1] == whole[:-1]
    else:
        assert sliced == whole


@dialects
@given(pieces=disturbed())
@settings(max_examples=10)
def test_what_the_head_says_is_told_first_and_once_whatever_the_body_is(
    opened: Callable[[dict[str, str]], Dialect], pieces: list[bytes]
) -> None:
    told = trace(open_dialect(shapes.OPAQUE, 200, None, FACTS), [])
    assert len(told) == 2
    said, expected = trace(opened(FACTS), pieces), told + trace(opened({}), pieces)
    if isinstance(opened({}), Compressed) and isinstance(expected[-1], str):
        # Frames and compression may both be damaged; which is told depends on whether the head's events went out before.
        assert isinstance(said.pop(), str)
        expected.pop()
    assert said == expected


@streams
def test_a_stream_says_its_outputs_usage_and_end(stream: Stream) -> None:
    said = trace(stream.open(), stream.chunks)
    assert count_outputs(said) == stream.outputs
    assert final_usage(said) == stream.usage
    assert [item.reason for item in said if isinstance(item, Finished)] == ([] if stream.reason is None else [stream.reason])
    assert CUT not in said


@streams
def test_a_stream_says_the_same_whole_and_byte_by_byte_and_cut_at_every_position(stream: Stream) -> None:
    expected = trace(stream.open(), stream.chunks)
    body = stream.body
    assert trace(stream.open(), [body]) == expected
    assert trace(stream.open(), each_byte(body)) == expected
    for at in range(0, len(body), 1 if len(body) < 4000 else 3):
        assert trace(stream.open(), [body[:at], body[at:]]) == expected


@streams
def test_frames_are_counted_alike_in_any_slicing(stream: Stream) -> None:
    whole, bytewise = stream.open(), stream.open()
    trace(whole, [stream.body])
    trace(bytewise, each_byte(stream.body))
    assert whole.frames == bytewise.frames == len(stream.chunks)


@ended_streams
def test_a_frame_arriving_whole_is_answered_at_once(stream: Stream) -> None:
    together = trace(stream.open(), [stream.body])
    dialect = stream.open()
    at_once = [event for chunk in stream.chunks for event in dialect.feed(chunk)]
    assert at_once == together


@ended_streams
def test_a_stream_that_stops_before_its_end_marker_is_a_fault(stream: Stream) -> None:
    assert stream.end is not None
    chunk_starts = [sum(map(len, stream.chunks[:n])) for n in range(stream.end + 1)]
    for at in {*chunk_starts, *range(0, chunk_starts[-1], 7)}:
        said = trace(stream.open(), [stream.body[:at]])
        assert said[-1] == CUT
        assert said.count(CUT) == 1


@ended_streams
def test_a_stream_that_stops_behind_its_end_marker_is_complete(stream: Stream) -> None:
    assert stream.end is not None
    assert CUT not in trace(stream.open(), stream.chunks[: stream.end + 1])


@framed_streams
def test_half_an_event_stream_frame_is_a_cut_even_behind_the_end_marker(stream: Stream) -> None:
    assert trace(stream.open(), [*stream.chunks, stream.chunks[0][:20]])[-1] == CUT


def size_of(thing: object, seen: set[int] | None = None) -> int:
    """Bytes of an object and all it holds; interned records and classes hold nothing of a stream."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, type):
        return 0
    seen.add(id(thing))
    held = [getattr(thing, name, None) for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    held += list(getattr(thing, "__dict__", {}).values())
    if isinstance(thing, (list, tuple)):
        held += thing
    return sys.getsizeof(thing) + sum(size_of(part, seen) for part in held)


@pytest.mark.parametrize("make", list(every_shape.STREAMS.values()), ids=list(every_shape.STREAMS))
def test_a_long_stream_is_remembered_in_no_more_memory_than_a_short_one(make: Callable[[int], Stream]) -> None:
    sizes = []
    for deltas in (5, 500):
        stream = make(deltas)
        dialect = stream.open()
        for chunk in stream.chunks:
            dialect.feed(chunk)
        sizes.append(size_of(dialect))
    assert sizes[1] <= sizes[0] + 64
    assert sizes[1] < 4096


@pytest.mark.parametrize("name", ["anthropic_sse", "openai_sse", "responses_sse"])
def test_a_line_without_an_end_is_given_up(name: str) -> None:
    dialect = every_shape.STREAMS[name](1).open()
    endless = [b"data: ", *[b"x" * 10_000] * 300]
    assert trace(dialect, endless) == ["line_too_long"]
    assert size_of(dialect) < 4096


def test_a_frame_is_held_up_to_the_size_its_own_prelude_states_and_no_more() -> None:
    dialect = shapes.converse_stream().open()
    body = shapes.converse_event("metadata", {"unread": "x" * 100_000})
    dialect.feed(body[:-1])
    assert size_of(dialect) < eventstream.MAX_PAYLOAD // 100
    dialect.feed(body[-1:])
    assert size_of(dialect) < 4096


@pytest.mark.parametrize("name", list(every_shape.WHOLE))
def test_a_whole_body_that_is_too_large_is_given_up(name: str) -> None:
    operation, _ = every_shape.WHOLE[name]
    dialect = open_dialect(operation, 200, shapes.JSON, {})
    assert trace(dialect, [b" " * 10_000] * 200) == ["body_too_large"]
    with pytest.raises(Undecodable, match="body_too_large"):
        dialect.close()
    assert size_of(dialect) < 4096


@pytest.mark.parametrize("name", list(every_shape.WHOLE))
def test_a_whole_body_has_no_output_and_ends_with_its_reason(name: str) -> None:
    operation, body = every_shape.WHOLE[name]
    said = trace(open_dialect(operation, 200, shapes.JSON, {}), each_byte(body))
    assert count_outputs(said) == {}
    assert isinstance(said[-1], Finished)


@dialects
def test_json_nested_beyond_reason_raises_nothing_but_undecodable(opened: Callable[[dict[str, str]], Dialect]) -> None:
    deep = b'{"choices":[{"delta":{"x":' + b"[" * 50_000
    for body in (deep, shapes.sse(deep), encode.event("metadata", deep), shapes.chunk_bytes(deep), shapes.part(deep + b"\n")):
        trace(opened({}), [body])
