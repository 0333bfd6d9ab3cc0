from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streamgauge.dialects.meaning.converse_events import (
    Account,
    ConverseUsage,
    DeltaEvent,
    StartEvent,
    account_events,
    delta_output,
    start_output,
)
from streamgauge.records import REASONING, TOOL, VISIBLE, Served, StreamEvent, Usage


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        ({"text": "a"}, VISIBLE),
        ({"text": ""}, ()),
        ({"toolUse": {"input": "{"}}, TOOL),
        ({"toolUse": {"input": ""}}, ()),
        ({"toolUse": {"input": {"place": "bridge"}}}, TOOL),
        ({"toolUse": {"input": {}}}, ()),
        ({"reasoningContent": {"text": "a"}}, REASONING),
        ({"reasoningContent": {"text": ""}}, ()),
        ({"reasoningContent": {"redactedContent": "YQ=="}}, REASONING),
        ({"reasoningContent": {"signature": "YQ=="}}, ()),
        ({"reasoningContent": {"reasoningText": {"text": "a"}}}, REASONING),
        ({"reasoningContent": {"reasoningText": {"text": "", "signature": "YQ=="}}}, ()),
        ({"reasoningContent": {"reasoningText": {"signature": "YQ=="}}}, ()),
        ({"citation": {"title": "a"}}, ()),
        ({"toolResult": [{"text": "a"}]}, ()),
        (None, ()),
    ],
)
def test_a_delta_is_output_of_the_kind_it_carries(delta: Any, expected: tuple[StreamEvent, ...]) -> None:
    assert delta_output(msgspec.convert({"delta": delta}, DeltaEvent)) == expected


@pytest.mark.parametrize(
    ("start", "expected"), [({"toolUse": {"name": "find"}}, TOOL), ({"toolUse": {}}, ()), ({"image": {}}, ()), (None, ())]
)
def test_a_tool_s_name_is_output(start: Any, expected: tuple[StreamEvent, ...]) -> None:
    assert start_output(msgspec.convert({"start": start}, StartEvent)) == expected


@pytest.mark.parametrize(
    ("stated", "usage"),
    [
        ({"inputTokens": 4, "outputTokens": 30, "totalTokens": 34}, Usage(4, 30)),
        ({"inputTokens": 4, "outputTokens": 30, "cacheReadInputTokens": 1000, "cacheWriteInputTokens": 100}, Usage(1104, 30, 1000, 100)),
        (
            {"inputTokens": 4, "outputTokens": 30, "cacheReadInputTokenCount": 1000, "cacheWriteInputTokenCount": 100},
            Usage(1104, 30, 1000, 100),
        ),
        ({"inputTokens": 4, "outputTokens": 30, "cacheReadInputTokens": 0, "cacheWriteInputTokens": 0}, Usage(4, 30, 0, 0)),
        (
            {"inputTokens": 4, "outputTokens": 30, "cacheWriteInputTokens": 100, "cacheDetails": [{"ttl": "1h", "inputTokens": 100}]},
            Usage(104, 30, None, 100, 100),
        ),
        (
            {
                "inputTokens": 4,
                "outputTokens": 30,
                "cacheWriteInputTokens": 100,
                "cacheDetails": [{"ttl": "5m", "inputTokens": 100}, {"ttl": "1h"}],
            },
            Usage(104, 30, None, 100, 0),
        ),
        ({"inputTokens": 4}, Usage(4)),
    ],
)
def test_all_input_is_the_input_besides_the_cache_and_the_cached(stated: dict[str, Any], usage: Usage) -> None:
    assert msgspec.convert(stated, ConverseUsage).usage() == usage


def test_what_is_not_said_is_not_told() -> None:
    assert account_events(Account()) == ()
    assert account_events(msgspec.convert({"metrics": {"latencyMs": 522.5}, "trace": {}}, Account)) == (Served(provider_latency=0.5225),)
