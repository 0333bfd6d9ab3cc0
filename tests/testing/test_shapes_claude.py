from __future__ import annotations

import json

from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from streamgauge.testing import Script
from streamgauge.testing import shapes_claude as claude

FULL = Script(
    text="one two", reasoning="let me see", tool=("measure", '{"a": 1}'), input_tokens=50, cache_write_tokens=10, cache_write_1h_tokens=4
)


def test_every_event_is_one_that_the_sdk_knows() -> None:
    known: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
    for made in claude.events(FULL):
        assert known.validate_python(made.members).type == made.members["type"]


def test_a_whole_body_is_a_message_to_the_sdk() -> None:
    message = Message.model_validate_json(claude.whole(FULL))
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use"]
    assert message.usage.input_tokens == 40
    assert message.usage.cache_creation is not None
    assert message.usage.cache_creation.ephemeral_1h_input_tokens == 4
    assert message.usage.cache_creation.ephemeral_5m_input_tokens == 6


def test_the_count_of_output_in_the_first_event_is_not_the_answers() -> None:
    first, *_, delta, _ = (made.members for made in claude.events(Script(output_tokens=80)))
    assert json.dumps(first).count('"output_tokens": 1}') == 1
    assert delta["usage"] == {"output_tokens": 80}


def test_blocks_are_numbered_in_order_and_each_is_opened_and_closed_once() -> None:
    made = [made.members for made in claude.events(FULL)]
    opened = [members["index"] for members in made if members["type"] == "content_block_start"]
    closed = [members["index"] for members in made if members["type"] == "content_block_stop"]
    assert opened == closed == [0, 1, 2]


def test_pings_come_only_when_asked_for() -> None:
    kinds = [[made.kind for made in claude.events(Script(pings=pings))].count("ping") for pings in (True, False)]
    assert kinds == [1, 0]


def test_a_server_sent_event_has_its_type_twice() -> None:
    assert claude.sse({"type": "ping"}) == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert claude.sse_error("overloaded_error", "x").startswith(b"event: error\ndata: {")
