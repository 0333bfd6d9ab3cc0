from __future__ import annotations

from typing import Any

import pytest

from streamgauge.dialects.meaning.container_lines import ContainerStream, read_container_answer
from streamgauge.errors import Undecodable
from streamgauge.records import VISIBLE, Fault, Finished, Usage, UsageReported
from tests.dialects import shapes


def test_a_line_says_the_same_with_and_without_its_prefix() -> None:
    line = shapes.dumps({"token": {"text": "a"}})
    for form in (line, b"data:" + line, b"data: " + line + b"\r"):
        assert ContainerStream().read(form) is VISIBLE


def test_a_format_with_an_end_marker_is_known_by_its_lines() -> None:
    for line, has_end in (({"token": {"text": ""}}, True), ({"choices": []}, True), ({"outputs": ["a"]}, False), ({"score": 1}, False)):
        stream = ContainerStream()
        stream.read(shapes.dumps(line))
        assert (stream.has_end, stream.over) == (has_end, False)


def test_a_reason_to_stop_is_the_end_where_no_marker_follows() -> None:
    stream = ContainerStream()
    stream.read(shapes.dumps({"choices": [{"delta": {}, "finish_reason": "stop"}]}))
    assert stream.close() == (Finished("stop"),)
    assert ContainerStream().close() == ()


def test_a_fault_is_remembered() -> None:
    stream = ContainerStream()
    assert stream.read(b'{"error":"made up"}') == (Fault("_OTHER"),)
    assert stream.faulted


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"usage": {"prompt_tokens": 4}}, [UsageReported(Usage(4))]),
        ([{"generated_text": "a", "details": {"generated_tokens": 3}}], [UsageReported(Usage(None, 3))]),
        ([[0.1]], []),
        ("text", []),
    ],
)
def test_a_whole_answer_tells_what_is_known_of_it(answer: Any, said: Any) -> None:
    assert list(read_container_answer(shapes.dumps(answer))) == said


def test_what_is_no_json_makes_no_sense() -> None:
    for read in (ContainerStream().read, read_container_answer):
        with pytest.raises(Undecodable):
            read(b"{")
