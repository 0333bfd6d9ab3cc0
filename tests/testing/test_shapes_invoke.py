from __future__ import annotations

import base64
import json
from typing import Any

from botocore.eventstream import EventStreamBuffer

from streamgauge.testing import Frame, Script
from streamgauge.testing import shapes_invoke as invoke

SCRIPT = Script(output_tokens=4, input_tokens=30, cache_read_tokens=20, ttft=0.2, gap=0.1, second_output_tokens=3)


def _inner(frames: tuple[Frame, ...]) -> list[dict[str, Any]]:
    buffer = EventStreamBuffer()
    buffer.add_data(b"".join(frame.data for frame in frames))
    return [json.loads(base64.b64decode(json.loads(frame.payload)["bytes"])) for frame in buffer]


def test_bedrocks_metrics_ride_on_the_last_chunk_and_only_there() -> None:
    for frames in (invoke.claude_stream(SCRIPT), invoke.nova_stream(SCRIPT)):
        *most, last = _inner(frames)
        assert not any(invoke.METRICS in chunk for chunk in most)
        assert last[invoke.METRICS] == {
            "inputTokenCount": 10,
            "outputTokenCount": 3,
            "invocationLatency": 500,
            "firstByteLatency": 200,
            "cacheReadInputTokenCount": 20,
            "cacheWriteInputTokenCount": 0,
        }


def test_nova_closes_a_block_after_every_delta() -> None:
    names = [next(iter(chunk)) for chunk in _inner(invoke.nova_stream(SCRIPT))]
    assert names == ["messageStart", *["contentBlockDelta", "contentBlockStop"] * 4, "messageStop", "metadata"]


def test_headers_say_the_counts_without_the_cached_tokens() -> None:
    named = dict(invoke.headers(SCRIPT))
    assert named["X-Amzn-Bedrock-Input-Token-Count"] == "10"
    assert named["X-Amzn-Bedrock-Cache-Read-Input-Token-Count"] == "20"
    assert named["X-Amzn-Bedrock-Invocation-Latency"] == "500"


def test_headers_say_no_counts_where_usage_is_left_out_but_still_how_it_was_served() -> None:
    assert invoke.headers(Script(usage_reported=False, service_tier="flex")) == (("X-Amzn-Bedrock-Service-Tier", "flex"),)
