from __future__ import annotations

import pytest

from streamgauge.dialects.meaning.response_events import ResponseError, ResponseStream, ResponseUsage
from streamgauge.errors import Undecodable
from streamgauge.records import VISIBLE, Fault, Served, Usage
from tests.dialects import shapes
from tests.dialects.shapes_responses import response


def test_usage_without_details_tells_what_it_has() -> None:
    assert ResponseUsage(4, 30).usage() == Usage(4, 30)


def test_a_text_delta_is_answered_by_the_interned_event() -> None:
    assert ResponseStream().read(shapes.dumps({"type": "response.output_text.delta", "delta": "a"})) is VISIBLE


def test_the_tier_asked_for_is_not_the_one_that_served() -> None:
    assert ResponseStream().read(shapes.dumps({"type": "response.created", "response": response()})) == (Served("gpt-made-up"),)


@pytest.mark.parametrize(
    ("error", "code"), [(ResponseError("server_error"), "server_error"), (ResponseError(500, "x"), "x"), (ResponseError(), "_OTHER")]
)
def test_an_errors_word_goes_before_its_number(error: ResponseError, code: str) -> None:
    assert error.fault() == Fault(code)


def test_what_is_no_json_makes_no_sense() -> None:
    with pytest.raises(Undecodable):
        ResponseStream().read(b"{")
