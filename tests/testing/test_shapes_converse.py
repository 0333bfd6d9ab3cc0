from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer

from streamgauge.records import Usage
from streamgauge.testing import Script
from streamgauge.testing import shapes_converse as converse

RECORDED = sorted((Path(__file__).parents[1] / "data" / "recorded").glob("*.eventstream.bin"))
ORDER = re.compile(
    r"messageStart( (contentBlockStart )?(contentBlockDelta )*contentBlockDelta contentBlockStop)+ messageStop metadata",
)
FULL = Script(text="one two", reasoning="let me see", tool=("measure", "{}"))


def _events(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return [(frame.headers[":event-type"], json.loads(frame.payload)) for frame in buffer]


def _made(script: Script) -> list[tuple[str, dict[str, Any]]]:
    return _events(b"".join(frame.data for frame in converse.stream(script)))


def test_the_order_of_events_is_that_of_every_recorded_stream() -> None:
    streams = [_events(path.read_bytes()) for path in RECORDED]
    assert all(ORDER.fullmatch(" ".join(name for name, _ in stream)) for stream in (*streams, _made(FULL)))


def test_each_event_has_the_members_of_its_recorded_kind() -> None:
    known = {(name, *sorted(members)) for path in RECORDED for name, members in _events(path.read_bytes())}
    assert {(name, *sorted(members)) for name, members in _made(FULL)} <= known


def test_text_and_reasoning_have_no_block_start_but_tools_do() -> None:
    starts = [members["start"] for name, members in _made(FULL) if name == "contentBlockStart"]
    assert [list(start) for start in starts] == [["toolUse"]]


def test_an_empty_delta_is_no_output() -> None:
    assert converse.text("").kinds == ("empty",)
    assert not converse.signature().is_output


@pytest.mark.parametrize("cached", [True, False])
def test_the_total_is_the_sum_of_the_four_parts_and_cache_members_appear_only_with_a_cache(cached: bool) -> None:
    members = converse.usage_members(Usage(100, 20, cache_read_tokens=30 * cached, cache_write_tokens=10 * cached))
    assert members["totalTokens"] == 120
    assert members["inputTokens"] == (60 if cached else 100)
    names = {"cacheReadInputTokens", "cacheReadInputTokenCount", "cacheWriteInputTokens", "cacheWriteInputTokenCount"}
    assert names & set(members) == (names if cached else set())


def test_the_longer_lifetime_of_a_cache_is_told_apart() -> None:
    members = converse.usage_members(Usage(100, 1, cache_write_tokens=10, cache_write_1h_tokens=4))
    assert members["cacheDetails"] == [{"ttl": "1h", "inputTokens": 4}, {"ttl": "5m", "inputTokens": 6}]


def test_the_services_latency_is_the_planned_one_in_milliseconds() -> None:
    script = Script(output_tokens=3, ttft=0.2, gap=0.1, end_after=0.05)
    assert _made(script)[-1][1]["metrics"] == {"latencyMs": 450}
    assert json.loads(converse.whole(script))["metrics"] == {"latencyMs": 450}
