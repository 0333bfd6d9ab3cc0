from __future__ import annotations

from typing import Any

import pytest

from streamgauge.dialects.meaning.generated_text import GeneratedTextStream, read_answer
from streamgauge.errors import Undecodable
from streamgauge.records import TOOL, VISIBLE, Finished, StreamEvent, Usage, UsageReported
from tests.dialects import shapes


@pytest.mark.parametrize(
    ("chunk", "expected"),
    [
        ({"generation": "a"}, VISIBLE),
        ({"outputText": "a"}, VISIBLE),
        ({"completion": "a"}, VISIBLE),
        ({"text": "a"}, VISIBLE),
        ({"outputs": [{"text": ""}, {"text": "a"}]}, VISIBLE),
        ({"choices": [{"text": ""}, {"text": "a"}]}, VISIBLE),
        ({"choices": [{"delta": {"tool_calls": [{"function": {"name": "find"}}]}}]}, TOOL),
        ({"generation": ""}, ()),
        ({"generation": 7}, ()),
        ({"images": ["YQ=="]}, ()),
        ("text", ()),
    ],
)
def test_text_is_seen_where_a_family_puts_it_and_nowhere_else(chunk: Any, expected: tuple[StreamEvent, ...]) -> None:
    stream = GeneratedTextStream()
    assert list(stream.read(shapes.dumps(chunk))) == list(expected)
    assert stream.known or not expected


@pytest.mark.parametrize(("chunk", "known"), [({"generation": ""}, True), ({"event_type": "stream-start"}, True), ({"frames": 3}, False)])
def test_a_family_is_known_by_its_members_not_by_its_first_text(chunk: Any, known: bool) -> None:
    stream = GeneratedTextStream()
    stream.read(shapes.dumps(chunk))
    assert stream.known is known


def test_the_first_reason_to_stop_is_the_end_and_a_token_number_is_none() -> None:
    stream = GeneratedTextStream()
    assert stream.read(shapes.dumps({"choices": [{"text": "a", "stop_reason": 128001}]})) is VISIBLE
    assert not stream.over
    assert stream.read(shapes.dumps({"finish_reason": "COMPLETE"})) == [Finished("COMPLETE")]
    assert stream.read(shapes.dumps({"finish_reason": "AGAIN"})) == []
    assert stream.over


def test_usage_of_an_unknown_shape_is_not_told() -> None:
    assert list(read_answer(shapes.dumps({"usage": {"tokens": 4}}))) == []
    assert read_answer(shapes.dumps({"usage": {"prompt_tokens": 4}, "stop_reason": "stop"})) == [UsageReported(Usage(4)), Finished("stop")]


def test_what_is_no_json_makes_no_sense() -> None:
    for read in (GeneratedTextStream().read, read_answer):
        with pytest.raises(Undecodable):
            read(b"{")
