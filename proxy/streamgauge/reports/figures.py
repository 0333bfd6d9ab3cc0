"""Every figure a person reads: its one name, unit and definition.

Column headings, ``--help``, the JSON of the reports and ``docs/reference/definitions.md`` are made from these tables; nothing else defines a figure.
Knows: names and words. Must not know: how a figure is computed (``measure``), stored or drawn.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: ``columns`` are the ledger's columns it comes from, in seconds, tokens or bytes.

    ``scale`` turns the ledger's unit into the shown ``unit``, ``decimals`` is how many digits after the point carry meaning.
    """

    name: str
    heading: str
    unit: str
    definition: str
    columns: tuple[str, ...]
    scale: float = 1.0
    decimals: int = 3

    def show(self, value: float | None) -> str:
        """The value in the shown unit, without the unit; ``-`` where there is none."""
        return "-" if value is None else f"{value * self.scale:,.{self.decimals}f}"

    def say(self, value: float) -> str:
        """The value with its unit, for a sentence."""
        return f"{self.show(value)} {self.unit}".rstrip()


def _seconds(name: str, heading: str, definition: str, *columns: str, decimals: int = 3) -> Figure:
    return Figure(name, heading, "s", definition, columns or (name,), decimals=decimals)


def _milliseconds(name: str, heading: str, definition: str, *columns: str, decimals: int = 1) -> Figure:
    return Figure(name, heading, "ms", definition, columns or (name,), scale=1000.0, decimals=decimals)


def _count(name: str, heading: str, unit: str, definition: str, *columns: str) -> Figure:
    return Figure(name, heading, unit, definition, columns or (name,), decimals=0)


_TABLE = (
    # what the user felt; the start is the application's request head
    _seconds(
        "ttft",
        "TTFT",
        "Time to first token: from the moment the application's request head was read to the first generated output of any kind "
        "(text, reasoning, a tool call). A role, a ping, an empty delta or metadata is not output. "
        "Undefined for an answer that was not streamed.",
    ),
    _seconds("ttft_visible", "TTFT, visible", "As TTFT, to the first output of answer text."),
    _seconds("ttft_reasoning", "TTFT, reasoning", "As TTFT, to the first output of reasoning."),
    _seconds("ttft_tool", "TTFT, tool", "As TTFT, to the first output of a tool call."),
    _seconds(
        "e2e",
        "E2E",
        "End to end: from the application's request head to the last byte handed to the application, or to the abort.",
        decimals=2,
    ),
    # what the provider did; the start is the moment the proxy begins to send upstream
    _seconds(
        "upstream_ttft",
        "upstream TTFT",
        "As TTFT, but from the moment the proxy begins to send upstream, which is after the application's last body byte. "
        "This is what the provider did; connecting is inside it.",
    ),
    _seconds(
        "ttfb", "TTFB", "Time to first byte: from the moment the proxy begins to send upstream to the head of the provider's response."
    ),
    _seconds("ttfc", "TTFC", "Time to first chunk: as TTFB, to the end of the first complete frame of any kind. Streaming only."),
    _seconds(
        "time_to_last_token",
        "TTLT",
        "Time to last token: from the moment the proxy begins to send upstream to the last generated output.",
        decimals=2,
    ),
    _seconds(
        "upstream_e2e",
        "upstream E2E",
        "From the moment the proxy begins to send upstream to the provider's last byte, or to the instant the exchange failed.",
        decimals=2,
    ),
    _milliseconds(
        "tpot",
        "TPOT",
        "Time per output token of one exchange: (last output - first output) / (output tokens - 1), "
        "less the time in which a slow application kept the proxy from reading. "
        "Undefined without streaming, below two output tokens or below two output chunks. "
        "Tokens known to be hidden (billed reasoning that is not streamed) are left out of the divisor.",
    ),
    Figure(
        "output_rate",
        "output tokens/s",
        "tok/s",
        "Output tokens per second of one exchange while it generates: 1 / TPOT. Never a sum over exchanges; its high percentiles are the fast ones.",
        ("tpot",),
        decimals=1,
    ),
    _milliseconds("itl_p50", "ITL p50", "Median gap between output chunks within the exchange. A chunk may hold several tokens."),
    _milliseconds("itl_p95", "ITL p95", "As ITL p50, 95th percentile of the gaps of this exchange."),
    _milliseconds("itl_p99", "ITL p99", "As ITL p50, 99th percentile of the gaps of this exchange."),
    _milliseconds("itl_max", "ITL max", "The longest gap between output chunks of the exchange."),
    _count("stall_count", "stalls", "", "How many gaps between outputs were longer than one second."),
    _seconds(
        "stall_time", "stall time", "The sum of those gaps; `stall_side` says whose doing the longest was.", "stall_time", "stall_side"
    ),
    # where time went
    _seconds("upload", "upload", "From the application's request head to the last byte of its request. Charged to the application."),
    _seconds(
        "connect",
        "connect",
        "Time to get a connection to the provider, TLS included; next to nothing on a reused one. Part of upstream TTFT.",
    ),
    _seconds(
        "downstream_wait",
        "reader wait",
        "Time the proxy held bytes because the application did not read them. Never charged to the provider.",
    ),
    _milliseconds(
        "proxy_overhead",
        "proxy overhead",
        "Time the exchange spent in the proxy rather than waiting on a socket: request leg + first chunk + tail + what the proxy was late between outputs.",
        decimals=2,
    ),
    _milliseconds(
        "overhead_request",
        "overhead, request",
        "From the application's request head to the moment the proxy begins to send upstream, less waiting for the application's body.",
        decimals=2,
    ),
    _milliseconds(
        "overhead_first_chunk",
        "overhead, first chunk",
        "From the moment the first byte of the answer's body was read to the moment it was handed to the application.",
        decimals=2,
    ),
    _milliseconds(
        "overhead_tail",
        "overhead, tail",
        "From the provider's last byte to the last byte handed to the application, less waiting for a slow application.",
        decimals=2,
    ),
    _seconds("gap_provider", "gaps, provider", "Part of the time between outputs in which the provider was silent."),
    _seconds("gap_proxy", "gaps, proxy", "Part of the time between outputs in which the proxy was late."),
    _seconds("gap_reader", "gaps, reader", "Part of the time between outputs in which the application did not read."),
    _seconds("provider_latency", "provider's latency", "The provider's own figure for the whole call, as reported in its answer."),
    _seconds("provider_ttft", "provider's TTFT", "The provider's own figure for its first token or byte, as reported in its answer."),
    # tokens
    _count("input_tokens", "in", "tokens", "All input tokens, cached ones included."),
    _count("cache_read_tokens", "cache read", "tokens", "Input tokens served from the provider's prompt cache."),
    _count(
        "cache_write_tokens",
        "cache write",
        "tokens",
        "Input tokens written to the provider's prompt cache; the one-hour part is kept apart.",
        "cache_write_tokens",
        "cache_write_1h_tokens",
    ),
    _count("output_tokens", "out", "tokens", "Output tokens, reasoning included."),
    _count("reasoning_tokens", "reasoning", "tokens", "Output tokens spent on reasoning, where the provider says so."),
    # counts and shares of a report
    _count("n", "n", "", "How many values stand behind the percentiles beside it. No percentile is shown without it."),
    _count(
        "counted",
        "counted",
        "",
        "Exchanges that latency percentiles are computed from: those with outcome `completed` alone, unless `--where` or `--by` names the outcome.",
        "outcome",
    ),
    _count(
        "other",
        "other",
        "",
        "Exchanges of the same group that are not counted, because they did not complete; in no percentile.",
        "outcome",
    ),
    Figure("share", "share", "%", "Part of all exchanges of the group, completed ones included.", ("outcome",), scale=100.0, decimals=2),
)

FIGURES: dict[str, Figure] = {figure.name: figure for figure in _TABLE}
"""Every figure by name."""

FEW = 100
"""Below this many values a percentile is marked: the 99th percentile of fewer is the largest value or close to it."""

FEW_MARK = "~"

PERCENTILES = (
    "Percentiles are nearest-rank: of n values in ascending order, the one at rank ceil(share x n). Every percentile is a value that was measured, "
    "never an interpolation, and is computed from the rows themselves, never from buckets or other percentiles."
)

OUTCOMES: dict[str, str] = {
    "completed": "The provider answered 2xx and the answer reached its own end.",
    "client_error": "The provider refused the request (4xx other than throttling).",
    "throttled": "The provider asked to slow down (429 or a throttling exception).",
    "upstream_error": "The provider failed (5xx, unreachable, reset before an answer).",
    "stream_error": "A 200 answer that failed on its way: an exception frame, an error line, or a stream without its end.",
    "client_cancelled": "The application went away before the end.",
    "timeout": "Nothing came from the provider for longer than allowed.",
    "shed": "Refused by the proxy: no room for more connections or bodies, or the provider's breaker was open.",
    "rejected": "Refused by the proxy: limits, identity, target, malformed request.",
    "proxy_error": "The proxy's own fault.",
    "lost": "The proxy's worker died while the exchange was open. A row that waits for a token estimate, for at most "
    "`relay.estimates.answer_seconds` behind the answer's end, is open until then.",
}
"""What each outcome means. Only ``upstream_error``, ``stream_error`` and ``timeout`` are a provider's failures."""
