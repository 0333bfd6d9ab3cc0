"""The nouns of streamgauge: what an exchange is, what happens in it, and what is kept of it.

Knows: names, units and meanings of every figure.
Must not know: sockets, clocks, files, providers' formats.
Seconds are floats, tokens and bytes are ints, absent is ``None`` and never zero.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Outcome = Literal[
    "completed",
    "client_error",
    "throttled",
    "upstream_error",
    "stream_error",
    "client_cancelled",
    "timeout",
    "shed",
    "rejected",
    "proxy_error",
    "lost",
]
"""How an exchange ended. Only ``upstream_error``, ``stream_error`` and ``timeout`` are a provider's failures."""

Side = Literal["upstream", "downstream", "proxy"]
"""Whose doing it was that an exchange did not complete; ``None`` for a completed one."""

UsageSource = Literal["reported", "estimated", "unknown"]
"""``estimated`` as soon as one count is: ``input_estimate`` and ``output_estimate`` say which, and how (``estimate.filling``); they are ``None`` for
a count that was reported or is unknown."""

Channel = Literal["visible", "reasoning", "tool"]
"""What kind of generated output a chunk carries: answer text, reasoning text, or a tool call's name or argument."""


class Operation(msgspec.Struct, frozen=True):
    """What was asked of which service, as found from method and raw target (see ``routing``).

    ``dialect`` names the wire format of a *successful* answer: ``converse``, ``converse_stream``, ``invoke``,
    ``invoke_stream``, ``anthropic``, ``openai_chat``, ``openai_responses``, ``sagemaker``, ``sagemaker_stream`` or ``opaque``.
    ``streaming`` is ``None`` where only the request's body tells (OpenAI- and Anthropic-compatible routes).
    """

    service: str
    name: str
    dialect: str
    streaming: bool | None = None
    model: str | None = None
    endpoint_name: str | None = None


class Usage(msgspec.Struct, frozen=True):
    """Token counts as the provider reported them, in this project's one meaning.

    ``input_tokens`` is *all* input, cached reads and writes included (providers differ; dialects convert).
    ``output_tokens`` includes reasoning. ``cache_write_1h_tokens`` is the part of ``cache_write_tokens`` with the one-hour lifetime.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None


class Output(msgspec.Struct, frozen=True):
    """Generated output arrived. Never a role, a ping, an empty delta or metadata."""

    channel: Channel


class UsageReported(msgspec.Struct, frozen=True):
    """The provider stated token counts. A later statement replaces the non-null counts of an earlier one.

    ``preferred`` is false for the family-independent second source (``amazon-bedrock-invocationMetrics``, token headers);
    where both exist the model's own usage wins and a difference is kept as ``usage_conflict``.
    """

    usage: Usage
    preferred: bool = True


class Finished(msgspec.Struct, frozen=True):
    """The stream's own end marker was seen (``messageStop``, ``message_stop``, ``[DONE]``, ...); ``reason`` as the provider spells it."""

    reason: str | None = None


class Fault(msgspec.Struct, frozen=True):
    """The provider reported an error inside a stream or body. ``error_type`` is a short code, never free text from the provider."""

    error_type: str


class Served(msgspec.Struct, frozen=True):
    """What the answer says about how it was served; ``None`` = not said. Latencies in seconds as the provider reports them."""

    response_model: str | None = None
    service_tier: str | None = None
    latency_mode: str | None = None
    provider_latency: float | None = None
    provider_ttft: float | None = None


StreamEvent = Output | UsageReported | Finished | Fault | Served

VISIBLE = (Output("visible"),)
REASONING = (Output("reasoning"),)
TOOL = (Output("tool"),)
"""The three frequent answers of a dialect, made once: the hot path allocates nothing for them."""


class RequestFacts(msgspec.Struct, frozen=True):
    """What a request's body says about itself; ``None`` where it does not say or is too large to be read in time.

    ``metadata``: Converse's ``requestMetadata`` as JSON, which names the caller.
    ``stream_usage``: a stream in OpenAI's format was asked to state its usage (``stream_options.include_usage``).
    """

    model: str | None = None
    streaming: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    reasoning_budget: int | None = None
    tools: int | None = None
    guardrail: str | None = None
    service_tier: str | None = None
    latency_mode: str | None = None
    stream_usage: bool = False
    metadata: bytes | None = None


class Measurement(msgspec.Struct, kw_only=True, array_like=True):
    """The closed record of one exchange. Ledger columns, ``exchanges --format jsonl`` and the spool have these names.

    Formulas are in ``measure.timing``. ``ttft`` starts when the application's request head was read, ``upstream_ttft``
    when we began to send upstream. New fields go to the end: spool files of an older version must stay readable.
    """

    # identity
    exchange_id: str
    started_at: str
    proxy_id: str
    site: str | None = None
    trace_id: str | None = None
    upstream_request_id: str | None = None
    sdk_invocation_id: str | None = None
    sdk_attempt: int | None = None
    label: str | None = None
    # who
    tenant: str | None = None
    team: str | None = None
    app: str | None = None
    tenant_source: str | None = None
    tenant_trust: str = "none"
    workload_class: str = "unclassified"
    workload_source: str | None = None
    # what
    service: str | None = None
    operation: str | None = None
    region: str | None = None
    upstream_host: str | None = None
    requested_model: str | None = None
    response_model: str | None = None
    model: str | None = None
    scope: str | None = None
    service_tier: str | None = None
    latency_mode: str | None = None
    endpoint_name: str | None = None
    variant: str | None = None
    target_model: str | None = None
    inference_component: str | None = None
    streaming: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    reasoning_budget: int | None = None
    tools: int | None = None
    guardrail: str | None = None
    failover_from: str | None = None
    breaker_state: str | None = None
    # how it ended
    http_status: int | None = None
    outcome: Outcome
    side: Side | None = None
    error_type: str | None = None
    finish_reason: str | None = None
    # tokens
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    usage_source: UsageSource = "unknown"
    usage_conflict: dict[str, int] | None = None
    # time, seconds
    upload: float | None = None
    connect: float | None = None
    ttfb: float | None = None
    ttft: float | None = None
    upstream_ttft: float | None = None
    ttft_visible: float | None = None
    ttft_reasoning: float | None = None
    ttft_tool: float | None = None
    tpot: float | None = None
    itl_p50: float | None = None
    itl_p95: float | None = None
    itl_p99: float | None = None
    itl_max: float | None = None
    stall_count: int | None = None
    e2e: float | None = None
    upstream_e2e: float | None = None
    downstream_wait: float | None = None
    proxy_overhead: float | None = None
    provider_latency: float | None = None
    provider_ttft: float | None = None
    # size, load
    request_bytes: int | None = None
    response_bytes: int | None = None
    chunks: int | None = None
    in_flight: int | None = None
    connection_reused: bool | None = None
    cold: bool | None = None
    # money
    cost_usd: str | None = None
    cost_status: str | None = None
    price_book: str | None = None
    # fingerprints
    prompt_hash: str | None = None
    prefix_hash: str | None = None
    # beyond the first contract: where the time of a stream went
    ttfc: float | None = None
    time_to_last_token: float | None = None
    output_chunks: int | None = None
    gap_provider: float | None = None
    gap_proxy: float | None = None
    gap_reader: float | None = None
    stall_time: float | None = None
    stall_side: Side | None = None
    overhead_request: float | None = None
    overhead_first_chunk: float | None = None
    overhead_tail: float | None = None
    undecoded: str | None = None
    signing: str | None = None
    input_estimate: str | None = None
    output_estimate: str | None = None
    # who, beyond the first contract
    cost_centre: str | None = None
    tenant_conflict: str | None = None
    """``source:name`` of somebody else whom another source names."""


class Started(msgspec.Struct, kw_only=True, array_like=True, tag=1):
    """An exchange began. Holds what a row needs should the worker die before the end (outcome ``lost``). New fields go to the end."""

    exchange_id: str
    started_at: str
    proxy_id: str
    service: str | None = None
    operation: str | None = None
    region: str | None = None
    upstream_host: str | None = None
    requested_model: str | None = None
    endpoint_name: str | None = None
    streaming: bool | None = None
    max_tokens: int | None = None
    tenant: str | None = None
    team: str | None = None
    app: str | None = None
    tenant_source: str | None = None
    tenant_trust: str = "none"
    workload_class: str = "unclassified"
    workload_source: str | None = None
    request_bytes: int | None = None
    in_flight: int | None = None
    site: str | None = None
    trace_id: str | None = None
    sdk_invocation_id: str | None = None
    sdk_attempt: int | None = None
    cost_centre: str | None = None
    tenant_conflict: str | None = None


class FirstOutput(msgspec.Struct, kw_only=True, array_like=True, tag=2):
    """First generated output of a stream. ``ttft`` and ``upstream_ttft`` as in the Measurement."""

    exchange_id: str
    ttft: float
    upstream_ttft: float


class Stalled(msgspec.Struct, kw_only=True, array_like=True, tag=3):
    """A stream with output has been silent for ``silence`` seconds and is not over."""

    exchange_id: str
    silence: float


class Ended(msgspec.Struct, array_like=True, tag=4):
    """The exchange is over; this is its one measurement."""

    measurement: Measurement


class WorkerStatus(msgspec.Struct, kw_only=True, array_like=True, tag=5):
    """What a worker says of itself, when it changes and once a second.

    ``ready`` false carries the sentence to show in ``/readyz`` and the log. ``loop_lag`` is the longest delay of the event loop
    since the last status, in seconds. ``in_flight`` counts exchanges that are open now.
    """

    worker_id: str
    at: str
    ready: bool
    reason: str | None = None
    in_flight: int = 0
    loop_lag: float = 0.0


class Abandoned(msgspec.Struct, array_like=True, tag=6):
    """An exchange that had begun cannot be described: it is counted as ``unmeasured{reason}`` by whoever reads this, and gets no row."""

    exchange_id: str
    reason: str


SpoolRecord = Started | FirstOutput | Stalled | Ended | WorkerStatus | Abandoned
