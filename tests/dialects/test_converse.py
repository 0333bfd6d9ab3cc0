from __future__ import annotations

import pytest

from streamgauge.dialects.converse import Converse, ConverseStream
from streamgauge.errors import Undecodable
from streamgauge.records import TOOL, VISIBLE, Fault, Finished, Served, Usage, UsageReported
from tests.dialects import shapes
from tests.dialects.watch import final_usage, trace
from tests.framing import encode


@pytest.mark.parametrize(
    "name",
    ["internalServerException", "modelStreamErrorException", "validationException", "throttlingException", "serviceUnavailableException"],
)
def test_an_exception_frame_is_a_fault_named_like_its_shape(name: str) -> None:
    said = trace(ConverseStream(), [shapes.exception(name)])
    assert said == [Fault(name[0].upper() + name[1:])]


def test_an_error_frame_is_a_fault_with_its_code() -> None:
    assert trace(ConverseStream(), [shapes.error("InternalFailure")]) == [Fault("InternalFailure")]


def test_an_exception_whose_name_is_no_code_does_not_get_into_the_records() -> None:
    assert trace(ConverseStream(), [shapes.exception("the prompt was: x")]) == [Fault("_OTHER")]


def test_a_fault_in_mid_stream_comes_behind_what_was_generated() -> None:
    delta = shapes.converse_event("contentBlockDelta", {"delta": {"text": "a"}})
    assert trace(ConverseStream(), [delta, shapes.exception("throttlingException")]) == [*VISIBLE, Fault("ThrottlingException")]


def test_a_stream_without_metadata_is_complete_and_its_usage_unknown() -> None:
    said = trace(ConverseStream(), [shapes.converse_event("messageStop", {"stopReason": "end_turn"})])
    assert said == [Finished("end_turn")]
    assert final_usage(said) is None


def test_a_stop_by_a_guardrail_keeps_the_provider_s_reason() -> None:
    said = trace(ConverseStream(), [shapes.converse_event("messageStop", {"stopReason": "guardrail_intervened"})])
    assert said == [Finished("guardrail_intervened")]


def test_events_nobody_here_knows_say_nothing() -> None:
    unknown = [shapes.converse_event("newEvent", {"a": 1}), encode.frame({"x": "y"}, b""), encode.event("initial-response", b"")]
    assert trace(ConverseStream(), unknown) == [Fault("stream_truncated")]


def test_a_tool_s_name_is_output_and_an_image_s_start_is_not() -> None:
    start = shapes.converse_event("contentBlockStart", {"start": {"toolUse": {"name": "find"}}})
    assert ConverseStream().feed(start) == TOOL
    for other in ({"start": {"image": {"format": "png"}}}, {"start": {"toolUse": {"name": ""}}}, {}):
        assert ConverseStream().feed(shapes.converse_event("contentBlockStart", other)) == ()


def test_metadata_tells_usage_and_how_it_was_served() -> None:
    said = trace(ConverseStream(), [shapes.converse_stream().chunks[-1]])
    assert said[:2] == [UsageReported(Usage(1104, 30, 1000, 100, 40)), Served("made.up-v1:0", "priority", "optimized", 0.522)]


def test_a_delta_of_another_shape_makes_no_sense() -> None:
    with pytest.raises(Undecodable, match="json"):
        ConverseStream().feed(encode.event("contentBlockDelta", b'{"delta":{"text":1}}'))


def test_an_answer_tells_usage_latency_and_reason() -> None:
    said = trace(Converse(), [shapes.dumps(shapes.CONVERSE_BODY)])
    assert said == [UsageReported(Usage(4, 30)), Served(provider_latency=0.522), Finished("end_turn")]


def test_an_answer_cut_short_makes_no_sense() -> None:
    assert trace(Converse(), [shapes.dumps(shapes.CONVERSE_BODY)[:-5]]) == ["json"]
    assert trace(Converse(), []) == ["json"]
