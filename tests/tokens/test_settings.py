"""The defaults of the estimates fit one another."""

from __future__ import annotations

from streamgauge.relay.estimates import MAX_TEXT, STREAM_BYTES
from streamgauge.tokens.messages import MAX_MESSAGE
from streamgauge.tokens.settings import EstimateSettings

DEFAULTS = EstimateSettings()


def test_the_largest_texts_that_are_held_fit_into_one_message_and_several_into_the_queue() -> None:
    assert 2 * MAX_TEXT + STREAM_BYTES < MAX_MESSAGE
    assert DEFAULTS.waiting_bytes >= 4 * MAX_TEXT


def test_what_is_held_is_room_for_hundreds_of_streams() -> None:
    assert DEFAULTS.held_bytes >= 500 * STREAM_BYTES


def test_a_row_waits_for_less_than_the_process_may_rest() -> None:
    assert 0 < DEFAULTS.answer_seconds < DEFAULTS.idle_seconds
