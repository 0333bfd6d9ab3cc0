from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from streamgauge.testing import Received, Script
from streamgauge.testing.profiles import DEMO_MODELS, Demo, asked_tokens, directed, in_turn, plain, ramp
from tests.testing.asked import asked

LARGE, MIDDLE, SMALL = DEMO_MODELS


def _request(model: str = LARGE, text: str = "hello", limit: int = 40, operation: str = "converse-stream") -> Received:
    body: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": text}]}], "inferenceConfig": {"maxTokens": limit}}
    return asked(f"/model/{model.replace(':', '%3A')}/{operation}", body)


def test_models_differ_in_speed_and_a_longer_prompt_takes_longer() -> None:
    large, small = Demo()(_request(LARGE)), Demo()(_request(SMALL))
    assert large.ttft > small.ttft
    assert large.gap / large.tokens_per_frame > small.gap / small.tokens_per_frame
    assert Demo()(_request(text="word " * 4000)).ttft > large.ttft + 0.3


def test_counts_follow_from_the_request() -> None:
    script = Demo()(_request(text="x" * 400, limit=33))
    assert (script.usage().input_tokens, script.usage().output_tokens) == (100, 33)


def test_a_few_are_throttled_and_exactly_one_stream_breaks() -> None:
    demo = Demo(throttle_every=10, break_at=15)
    scripts = [demo(_request(operation="converse" if number == 14 else "converse-stream")) for number in range(40)]
    assert [number for number, script in enumerate(scripts) if script.status == 429] == [9, 19, 29, 39]
    assert [number for number, script in enumerate(scripts) if script.fault] == [15]


def test_equal_seeds_give_equal_answers() -> None:
    one, two, other = Demo(seed=3), Demo(seed=3), Demo(seed=4)
    requests = [_request(), _request(SMALL), _request(MIDDLE)]
    assert [one(request) for request in requests] == [two(request) for request in requests]
    assert [Demo(seed=3)(request) for request in requests] != [other(request) for request in requests]


def test_one_model_can_degrade_while_the_others_stay() -> None:
    demo, healthy = Demo(slow_model=SMALL, slow_from=3, slow_factor=6), Demo()
    for number in range(1, 7):
        model = SMALL if number % 2 else LARGE
        slow, usual = demo(_request(model)), healthy(_request(model))
        assert slow.ttft == pytest.approx(usual.ttft * (6 if model == SMALL and number >= 3 else 1))


def test_a_ramp_grows_from_the_first_request_on_and_stays_at_its_factor() -> None:
    script_for = ramp(Script(ttft=0.1), over=10, factor=5)
    moments = (1_000_000_000, 6_000_000_000, 11_000_000_000, 99_000_000_000)
    assert [round(script_for(asked(at=at)).ttft, 6) for at in moments] == [0.1, 0.3, 0.5, 0.5]


def test_scripts_in_turn_end_with_the_last_one() -> None:
    script_for = in_turn(Script(status=429), Script(status=503), Script())
    assert [script_for(asked()).status for _ in range(4)] == [429, 503, 200, 200]


def test_a_prompt_may_wish_for_any_knob() -> None:
    assert plain(_request(text='a @@{"ttft": 1, "gaps": [1, 2], "tool": ["f", "{}"]}@@ b')) == Script(ttft=1, gaps=(1, 2), tool=("f", "{}"))
    assert plain(_request()) == Script()


@pytest.mark.parametrize("wish", ['@@{"ttft": }@@', '@@{"no_such": 1}@@'])
def test_a_wish_that_cannot_be_met_is_refused(wish: str) -> None:
    script = plain(_request(text=wish))
    assert script.status == 400
    assert script.error_message.startswith("directive: ")


def test_every_knob_can_be_said_in_json() -> None:
    knobs = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(Script(gaps=(0.1,))).items()}
    assert directed(knobs) == Script(gaps=(0.1,))


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({"inferenceConfig": {"maxTokens": 7}}, 7),
        ({"inferenceConfig": {"max_new_tokens": 8}}, 8),
        ({"max_tokens": 9}, 9),
        ({"max_tokens": 10_000_000}, 4096),
        ({"max_tokens": "many", "inferenceConfig": []}, 60),
    ],
)
def test_the_limit_on_output_is_found_in_each_protocol_and_bounded(body: dict[str, Any], tokens: int) -> None:
    assert asked_tokens(asked(body=body), 60) == tokens
