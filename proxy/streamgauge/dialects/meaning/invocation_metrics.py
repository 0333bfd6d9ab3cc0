"""``amazon-bedrock-invocationMetrics``: Bedrock's own counts and clock in the last chunk of every InvokeModel stream.

The same for all model families, so it is the second source of usage, and the only one where a family states none.
"""

from __future__ import annotations

import msgspec

from streamgauge.dialects.base import NOTHING, Events, understood
from streamgauge.dialects.meaning.counts import Count, Milliseconds, seconds, usage_besides_cache
from streamgauge.records import Served, UsageReported

KEY = b"amazon-bedrock-invocationMetrics"

EXTRAS = b"amazon-bedrock-"
"""What all members begin with that Bedrock adds to a family's JSON; looked for before decoding, for few chunks of a stream have them."""


class _InvocationMetrics(msgspec.Struct):
    inputTokenCount: Count | None = None
    outputTokenCount: Count | None = None
    cacheReadInputTokenCount: Count | None = None
    cacheWriteInputTokenCount: Count | None = None
    invocationLatency: Milliseconds | None = None
    firstByteLatency: Milliseconds | None = None


class _Metered(msgspec.Struct):
    metrics: _InvocationMetrics | None = msgspec.field(name=KEY.decode(), default=None)


_metered = msgspec.json.Decoder(_Metered)


def metrics_events(payload: bytes) -> Events:
    """Usage and latencies of a chunk that may have the metrics; nothing where the key is only part of a text. Raises Undecodable."""
    metered = understood(_metered, payload) if KEY in payload else None
    if metered is None or metered.metrics is None:
        return NOTHING
    metrics = metered.metrics
    usage = usage_besides_cache(
        metrics.inputTokenCount, metrics.outputTokenCount, metrics.cacheReadInputTokenCount, metrics.cacheWriteInputTokenCount
    )
    served = Served(provider_latency=seconds(metrics.invocationLatency), provider_ttft=seconds(metrics.firstByteLatency))
    return (UsageReported(usage, preferred=False), served)
