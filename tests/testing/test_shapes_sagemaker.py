from __future__ import annotations

import json

from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.testing import Frame, Script
from streamgauge.testing import shapes_sagemaker as sagemaker

INNER = st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=8)


def _payloads(frames: tuple[Frame, ...]) -> list[bytes]:
    buffer = EventStreamBuffer()
    buffer.add_data(b"".join(frame.data for frame in frames))
    return [frame.payload for frame in buffer]


@given(INNER, st.integers(0, 40))
def test_parts_carry_the_inner_bytes_whatever_their_borders(inner: list[bytes], shift: int) -> None:
    frames = [Frame(data, (str(at),)) for at, data in enumerate(inner)]
    made = sagemaker.parts(frames, shift)
    assert b"".join(_payloads(made)) == b"".join(inner)
    assert [kind for frame in made for kind in frame.kinds] == [str(at) for at in range(len(inner))]


@given(INNER, st.integers(1, 40))
def test_an_event_is_complete_no_earlier_than_its_last_byte_is_sent(inner: list[bytes], shift: int) -> None:
    made = sagemaker.parts([Frame(data, (str(at),)) for at, data in enumerate(inner)], shift)
    sent = 0
    for frame, payload in zip(made, _payloads(made), strict=True):
        sent += len(payload)
        assert all(sum(map(len, inner[: int(kind) + 1])) <= sent for kind in frame.kinds)


def test_the_last_line_of_lmi_has_the_text_and_the_generated_tokens_but_no_input_count() -> None:
    lines = [json.loads(frame.data) for frame in sagemaker.lmi_stream(Script(text="one two three"))]
    assert [line["token"]["text"] for line in lines] == ["one", " two", " three"]
    assert lines[-1]["generated_text"] == "one two three"
    assert lines[-1]["details"] == {"finish_reason": "eos_token", "generated_tokens": 3, "inputs": None}


def test_an_lmi_failure_is_a_line_with_null_counts() -> None:
    details = json.loads(sagemaker.lmi_error_line())["details"]
    assert (details["finish_reason"], details["generated_tokens"]) == ("error", None)


def test_a_limit_that_was_reached_is_said_in_the_containers_word() -> None:
    assert json.loads(sagemaker.lmi_whole(Script(stop_reason="max_tokens")))["details"]["finish_reason"] == "length"
