from __future__ import annotations

import pytest

from streamgauge.testing import SendLog
from streamgauge.testing.process import as_send_log
from tests.testing.asked import asked


@pytest.mark.parametrize(
    ("target", "path", "model"),
    [
        ("/model/us.x-v1%3A0/converse", "/model/us.x-v1%3A0/converse", "us.x-v1:0"),
        ("/t/team-a/model/x/invoke?y=1", "/t/team-a/model/x/invoke", "x"),
        ("http://bedrock-runtime.us-east-1.amazonaws.com/model/x/converse", "/model/x/converse", "x"),
        ("/endpoints/ep/invocations", "/endpoints/ep/invocations", "ep"),
        ("/v1/chat/completions", "/v1/chat/completions", "in-body"),
    ],
)
def test_path_and_model_are_found_in_every_form_of_target(target: str, path: str, model: str) -> None:
    received = asked(target, {"model": "in-body"})
    assert (received.path, received.model) == (path, model)


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user", "content": [{"text": "hello"}]}]},
        {"messages": [{"role": "user", "content": "hello"}]},
        {"inputs": "hello"},
        {"prompt": "hello"},
    ],
)
def test_the_prompt_is_found_wherever_the_protocol_puts_it(body: dict[str, object]) -> None:
    assert asked(body=body).prompt == "hello"


def test_a_body_that_is_no_json_object_is_an_empty_one() -> None:
    assert asked(body=None).json == {}


def test_a_header_is_found_by_name_in_any_case() -> None:
    received = asked(headers=((b"X-Amz-Date", b"1"), (b"x-amz-date", b"2")))
    assert received.header("x-aMZ-date") == "1"
    assert received.header("host") is None


def test_ttft_and_tpot_come_from_outputs_only() -> None:
    frames = [(1_000, "start"), (2_000_000_000, "reasoning"), (2_500_000_000, "output"), (3_000_000_000, "output"), (4_000_000_000, "end")]
    log = SendLog("id", 1_000_000_000, frames=frames, output_tokens=11)
    assert log.ttft == 1.0
    assert log.tpot == pytest.approx(0.1)


def test_a_log_without_output_has_no_ttft_and_no_tpot() -> None:
    log = SendLog("id", 0, frames=[(5, "start")])
    assert (log.ttft, log.tpot) == (None, None)


def test_a_send_log_survives_its_json_line() -> None:
    log = SendLog("id", 1, "ConverseStream", "m", 200, 2, [(3, "start"), (4, "output")], 5, 6, 7, 8, 9, None, "cut_fin", over=True)
    assert as_send_log(log.as_json()) == log
