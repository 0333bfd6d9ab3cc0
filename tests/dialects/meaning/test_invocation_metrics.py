from __future__ import annotations

import pytest

from streamgauge.dialects.meaning.invocation_metrics import KEY, metrics_events
from streamgauge.errors import Undecodable
from streamgauge.records import Served, Usage, UsageReported
from tests.dialects import shapes


def test_counts_and_clock_of_bedrock_are_the_second_source() -> None:
    events = metrics_events(shapes.dumps({"type": "message_stop", KEY.decode(): shapes.METRICS}))
    assert list(events) == [shapes.SECOND_USAGE, Served(provider_latency=1.2, provider_ttft=0.34)]


def test_counts_without_a_cache_are_all_input() -> None:
    events = metrics_events(shapes.dumps({KEY.decode(): {"inputTokenCount": 4, "outputTokenCount": 30}}))
    assert events[0] == UsageReported(Usage(4, 30), preferred=False)


def test_a_text_that_holds_the_key_says_nothing() -> None:
    assert metrics_events(shapes.dumps({"text": KEY.decode()})) == ()
    assert metrics_events(shapes.dumps(KEY.decode())) == ()


def test_what_is_no_json_makes_no_sense() -> None:
    with pytest.raises(Undecodable):
        metrics_events(b"{" + KEY)
