from __future__ import annotations

from typing import Any

import pytest

from streamgauge.dialects.openai_responses import OpenAiResponses, OpenAiResponsesStream
from streamgauge.records import REASONING, TOOL, VISIBLE, Fault, Finished, Served, UsageReported
from tests.dialects import shapes
from tests.dialects.shapes_responses import COMPLETED, USAGE, USAGE_MEMBERS, response, responses_events
from tests.dialects.watch import Said, trace


def said_of(*events: Any) -> Said:
    return trace(OpenAiResponsesStream(), [shapes.sse(event) for event in events])


@pytest.mark.parametrize(
    ("kind", "output"),
    [
        ("response.refusal.delta", VISIBLE),
        ("response.reasoning_summary_text.delta", REASONING),
        ("response.custom_tool_call_input.delta", TOOL),
        ("response.mcp_call_arguments.delta", TOOL),
        ("response.code_interpreter_call_code.delta", TOOL),
        ("response.shell_call_output_content.delta", ()),
        ("response.output_text.annotation.added", ()),
        ("response.something_new.delta", ()),
    ],
)
def test_deltas_of_generated_output_count_and_no_others(kind: str, output: Any) -> None:
    assert said_of({"type": kind, "delta": "a"})[:-1] == [*output]
    assert said_of({"type": kind, "delta": ""})[:-1] == []


def test_a_delta_of_another_shape_is_no_damage() -> None:
    assert said_of({"type": "response.shell_call_output_content.delta", "delta": {"stdout": "a"}}) == [Fault("stream_truncated")]


@pytest.mark.parametrize(("item", "output"), [({"type": "mcp_call", "name": "find"}, TOOL), ({"type": "function_call"}, ()), (None, ())])
def test_the_name_of_a_call_is_generated_output(item: Any, output: Any) -> None:
    assert said_of({"type": "response.output_item.added", "item": item})[:-1] == [*output]


@pytest.mark.parametrize("kind", ["response.completed", "response.incomplete", "response.cancelled"])
def test_the_last_event_tells_usage_the_tier_that_served_and_the_reason(kind: str) -> None:
    said = said_of({"type": kind, "response": COMPLETED})
    assert said == [UsageReported(USAGE), Served("gpt-made-up", "default"), Finished("completed")]


def test_why_a_response_is_incomplete_is_its_reason() -> None:
    cut_short = response(status="incomplete", incomplete_details={"reason": "max_output_tokens"}, usage=USAGE_MEMBERS)
    assert said_of({"type": "response.incomplete", "response": cut_short})[-1] == Finished("max_output_tokens")


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"type": "error", "code": "server_error", "message": "made up", "param": None}, "server_error"),
        ({"type": "error", "code": None, "message": "made up"}, "_OTHER"),
        ({"type": "error", "error": {"type": "invalid_request_error", "code": None}}, "invalid_request_error"),
        ({"error": {"type": "BadRequestError", "code": 400}}, "BadRequestError"),
        ({"error": "text for people"}, "_OTHER"),
        ({"type": "response.failed", "response": {"status": "failed", "error": {"code": "rate_limit_exceeded"}}}, "rate_limit_exceeded"),
        ({"type": "response.failed", "response": {"status": "failed"}}, "_OTHER"),
    ],
)
def test_an_error_is_a_fault_with_its_code_and_no_cut_besides(event: Any, code: str) -> None:
    assert said_of(event) == [Fault(code)]


@pytest.mark.parametrize("data", [b"not even JSON", {"sequence_number": 1}])
def test_an_error_event_is_a_fault_whatever_its_data_are(data: Any) -> None:
    assert trace(OpenAiResponsesStream(), [shapes.sse(data, "error")]) == [Fault("_OTHER")]


def test_a_done_that_does_not_belong_says_nothing() -> None:
    events = responses_events(1)
    assert said_of(*events, b"[DONE]") == said_of(*events)
    assert said_of(*events[:-1], b"[DONE]")[-1] == Fault("stream_truncated")


def test_a_whole_response_tells_usage_model_tier_and_reason() -> None:
    said = trace(OpenAiResponses(), [shapes.dumps(COMPLETED)])
    assert said == [UsageReported(USAGE), Served("gpt-made-up", "default"), Finished("completed")]


def test_a_response_that_goes_on_in_the_background_says_so() -> None:
    assert trace(OpenAiResponses(), [shapes.dumps(response(status="queued"))])[-1] == Finished("queued")


@pytest.mark.parametrize(
    ("body", "code"),
    [(response(status="failed", error={"code": "server_error", "message": "made up"}), "server_error"), ({"error": {"type": "x"}}, "x")],
)
def test_a_failed_response_under_status_200_is_a_fault(body: Any, code: str) -> None:
    assert trace(OpenAiResponses(), [shapes.dumps(body)])[-1] == Fault(code)
