from __future__ import annotations

import json
from typing import Any

from openai.types.responses import Response

from streamgauge.testing import Script
from streamgauge.testing import shapes_responses as responses

FULL = Script(
    text="one two", reasoning="let me see", tool=("measure", '{"a": 1}'), input_tokens=50, cache_read_tokens=20, reasoning_tokens=2
)


def _events(script: Script) -> list[dict[str, Any]]:
    return [json.loads(frame.data.split(b"\n")[0].removeprefix(b"data: ")) for frame in responses.stream(script)]


def test_a_whole_body_is_a_response_to_the_sdk_with_its_counts() -> None:
    response = Response.model_validate_json(responses.whole(FULL))
    assert response.status == "completed"
    assert response.output_text == "one two"
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.input_tokens_details.cached_tokens) == (50, 6, 20)


def test_the_data_stand_before_the_events_name() -> None:
    for frame in responses.stream(FULL):
        data, name, *end = frame.data.split(b"\n")
        assert json.loads(data.removeprefix(b"data: "))["type"] == name.removeprefix(b"event: ").decode()
        assert end == [b"", b""]


def test_the_counts_and_the_tier_that_served_come_with_the_last_event_alone() -> None:
    *most, last = _events(FULL)
    assert all(event["response"]["usage"] is None for event in most if "response" in event)
    assert last["type"] == "response.completed"
    assert (last["response"]["usage"]["total_tokens"], last["response"]["service_tier"]) == (56, "default")


def test_an_answer_cut_by_its_limit_is_incomplete() -> None:
    last = _events(Script(stop_reason="max_tokens"))[-1]
    assert (last["type"], last["response"]["incomplete_details"]) == ("response.incomplete", {"reason": "max_output_tokens"})
