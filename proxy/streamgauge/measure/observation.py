"""The open record of one exchange: bytes and moments go in while they pass, one Measurement comes out at the end.

Knows: what the stream's events mean for the figures.
Must not know: clocks (every moment is an argument), sockets, wire formats (the dialect knows those).
Keeps no text: only moments, counts and the few words a provider uses for reasons and names. Never raises into the relay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamgauge.dialects.meaning.counts import plain_word
from streamgauge.errors import Undecodable
from streamgauge.measure.gaps import Gaps
from streamgauge.measure.outcome import Verdict
from streamgauge.measure.timing import Points, overheads, seconds, tpot
from streamgauge.measure.usage import Tally
from streamgauge.records import VISIBLE, Fault, Finished, Measurement, Output, Served, Side, StreamEvent, UsageReported

if TYPE_CHECKING:
    from streamgauge.dialects import Dialect

STALL_NS = 1_000_000_000
"""A silence between two outputs that a reader notices as the answer having stopped: one second, many times any healthy gap."""

MAX_NAME = 256
"""Names a provider puts into an answer (model, reason, tier) are cut here: they go to columns, and no provider's own are longer."""


DAMAGED = ("prelude_crc", "message_crc")
"""``undecoded`` of bytes that are not what the provider sent: no caller's doing."""

DIALECT_FAILED = "dialect_failed"
"""``undecoded`` of an exchange whose dialect raised what it should not: a mistake of ours, to be seen in ``report errors``."""


class Observation:
    """See the module. One per exchange; not reused."""

    __slots__ = (
        "_blocked_at_output",
        "_dialect",
        "_fault",
        "_finish_reason",
        "_gaps",
        "_late_ns",
        "_longest_side",
        "_paused_at_output",
        "_paused_ns",
        "_paused_since",
        "_reader_ns",
        "_resumed_at",
        "_served",
        "_stall_count",
        "_stall_ns",
        "_tail_wait_ns",
        "_tally",
        "chunks",
        "kept",
        "output_chunks",
        "points",
        "response_bytes",
        "streaming",
        "undecoded",
        "upload_wait_ns",
        "written",
    )

    def __init__(self, points: Points, *, streaming: bool | None) -> None:
        self.points = points
        self.streaming = streaming
        self.chunks = 0
        self.output_chunks = 0
        self.response_bytes = 0
        self.undecoded: str | None = None
        self.upload_wait_ns = 0
        self.written = 0
        self.kept: bytes | None = None
        self._dialect: Dialect | None = None
        self._gaps: Gaps | None = None
        self._tally: Tally | None = None
        self._served: Served | None = None
        self._finish_reason: str | None = None
        self._fault: str | None = None
        self._paused_since: int | None = None
        self._paused_ns = 0
        self._resumed_at = 0
        self._late_ns = 0
        self._reader_ns = 0
        self._paused_at_output = 0
        self._blocked_at_output = 0
        self._stall_count = 0
        self._stall_ns = 0
        self._longest_side: Side | None = None
        self._tail_wait_ns = 0

    def answered(self, dialect: Dialect, at: int) -> None:
        """The response head was read; ``dialect`` will understand the body."""
        self.points.response = at
        self._dialect = dialect

    def feed(self, body: bytes, at: int, blocked_ns: int) -> bool:
        """Body bytes that were read at ``at``. True if the first generated output was among them.

        ``blocked_ns``: total time, since the process began, in which its event loop was kept from reading.
        """
        self.response_bytes += len(body)
        dialect = self._dialect
        if dialect is None:
            return False
        try:
            events = dialect.feed(body)
        except Undecodable as error:
            self.undecoded = error.reason
            self._dialect = None
            return False
        except Exception:  # a mistake in a dialect must not break the stream it only looks at
            self.undecoded = DIALECT_FAILED
            self._dialect = None
            return False
        points = self.points
        if points.first_frame is None and dialect.frames:
            points.first_frame = at
        if not events:
            return False
        if events is VISIBLE and points.first_visible is not None and self.streaming:
            self._next_output(at, blocked_ns)
            return False
        started = points.first_output is None
        outputs = 0
        for event in events:
            if type(event) is Output:
                outputs += 1
                if self._channel_is_new(event):
                    self._first_of_channel(event, at)
            else:
                self._other(event)
        if not outputs or not self.streaming:
            return False
        self._outputs(outputs, at, blocked_ns)
        return started

    def _channel_is_new(self, event: Output) -> bool:
        points = self.points
        channel = event.channel
        if channel == "visible":
            return points.first_visible is None
        return (points.first_reasoning if channel == "reasoning" else points.first_tool) is None

    def _first_of_channel(self, event: Output, at: int) -> None:
        setattr(self.points, f"first_{event.channel}", at)

    def _outputs(self, count: int, at: int, blocked_ns: int) -> None:
        """``count`` outputs became complete at ``at``: the first ends a gap, the others came in the same read and follow at once."""
        points = self.points
        last = points.last_output
        points.last_output = at
        self.output_chunks += count
        paused_ns = self._paused_ns if self._paused_since is None else self._paused_ns + at - self._paused_since
        if last is None:
            points.first_output = at
            if count > 1:
                self._gaps = Gaps()
                self._gaps.add(0, count - 1)
        else:
            gaps = self._gaps
            if gaps is None:
                gaps = self._gaps = Gaps()
            gap = at - last
            if count > 1:
                gaps.add(0, count - 1)
            late = min(gap, blocked_ns - self._blocked_at_output)
            reader = min(gap - late, paused_ns - self._paused_at_output)
            if late:
                self._late_ns += late
            if reader:
                self._reader_ns += reader
            if gap > STALL_NS:
                self._stalled(gap, late, reader)
            gaps.add(gap)
        self._paused_at_output = paused_ns
        self._blocked_at_output = blocked_ns

    def _next_output(self, at: int, blocked_ns: int) -> None:
        """``_outputs`` for what nearly every chunk is: one more piece of text, nobody late, nobody paused."""
        last = self.points.last_output
        gaps = self._gaps
        if (
            gaps is None
            or last is None
            or blocked_ns != self._blocked_at_output
            or self._paused_since is not None
            or self._paused_ns != self._paused_at_output
            or at - last > STALL_NS
        ):
            self._outputs(1, at, blocked_ns)
            return
        self.points.last_output = at
        self.output_chunks += 1
        gaps.add(at - last)

    def _stalled(self, gap: int, late: int, reader: int) -> None:
        self._stall_count += 1
        self._stall_ns += gap
        if self._gaps is None or gap > self._gaps.longest_ns:
            parts: tuple[tuple[int, Side], ...] = ((gap - late - reader, "upstream"), (late, "proxy"), (reader, "downstream"))
            self._longest_side = max(parts)[1]

    def _other(self, event: StreamEvent) -> None:
        if isinstance(event, UsageReported):
            if self._tally is None:
                self._tally = Tally()
            self._tally.add(event)
        elif isinstance(event, Finished):
            self._finish_reason = plain_word(event.reason) or self._finish_reason
        elif isinstance(event, Served):
            self._served = _merge_served(self._served, event)
        elif isinstance(event, Fault):
            self._fault = self._fault or _short(event.error_type)

    @property
    def fault(self) -> str | None:
        """The provider's error that was seen so far, as its type; ``None`` = none yet."""
        return self._fault

    @property
    def damage(self) -> str | None:
        """Why bytes on the way are known to have been changed: frames carry checksums, at which the SDKs leave; ``None`` = not known."""
        return self.undecoded if self.undecoded in DAMAGED else None

    @property
    def is_whole(self) -> bool:
        """Whether all that the stream will say has come, though its body may not be over."""
        return self._dialect is not None and self._dialect.ended

    @property
    def silent_since(self) -> int | None:
        """Since when a stream that has begun to answer says nothing more, though we read; ``None`` before its first output."""
        last = self.points.last_output
        return None if last is None else max(last, self._resumed_at)

    @property
    def paused_since(self) -> int | None:
        """Since when we do not read from the upstream, because the application has not taken what came; ``None`` while we read."""
        return self._paused_since

    def paused(self, at: int) -> None:
        """The application reads too slowly: we stopped reading from the upstream."""
        if self._paused_since is None:
            self._paused_since = at

    def resumed(self, at: int) -> None:
        """Reading goes on."""
        if self._paused_since is not None:
            self._paused_ns += max(0, at - self._paused_since)
            self._paused_since = None
            self._resumed_at = at

    def end_of_body(self) -> str | None:
        """The response ended cleanly: what the dialect makes of the whole. Returns the fault's error type, if there is one."""
        dialect = self._dialect
        self._dialect = None
        if dialect is not None:
            try:
                for event in dialect.close():
                    if type(event) is not Output:
                        self._other(event)
            except Undecodable as error:
                self.undecoded = error.reason
            except Exception:  # see feed
                self.undecoded = DIALECT_FAILED
            self._take_text(dialect)
        return self._fault

    def _take_text(self, dialect: Dialect) -> None:
        """How much was generated, and the answer itself where that was kept: for an estimate, where not all was counted by the provider."""
        if self._tally is None or not self._tally.is_whole:
            self.written = dialect.written
            self.kept = dialect.kept

    def close(self, start: Measurement, verdict: Verdict, at: int, *, tail_wait_ns: int = 0) -> Measurement:
        """Fill ``start`` (which knows who and what) with how it ended, tokens and times. ``at`` = last byte handed over, or the abort.

        ``tail_wait_ns``: how long before ``at``, after the last byte came, a slow application was waited for.
        """
        points = self.points
        points.finished = at
        self.resumed(at - tail_wait_ns)
        self._tail_wait_ns = tail_wait_ns
        if self._dialect is not None:  # the answer was cut off
            self._take_text(self._dialect)
            self._dialect = None
        m = start
        m.outcome, m.side, m.error_type = verdict
        m.finish_reason = self._finish_reason
        m.streaming = self.streaming
        m.undecoded = self.undecoded
        m.response_bytes = self.response_bytes
        m.chunks = self.chunks
        self._fill_tokens(m)
        self._fill_served(m)
        self._fill_times(m)
        if self.streaming:
            self._fill_stream(m)
        return m

    def _fill_tokens(self, m: Measurement) -> None:
        usage = self._tally.result() if self._tally is not None else None
        if usage is None or self._tally is None:
            return
        m.input_tokens = usage.input_tokens
        m.output_tokens = usage.output_tokens
        m.cache_read_tokens = usage.cache_read_tokens
        m.cache_write_tokens = usage.cache_write_tokens
        m.cache_write_1h_tokens = usage.cache_write_1h_tokens
        m.reasoning_tokens = usage.reasoning_tokens
        if usage.input_tokens is not None or usage.output_tokens is not None:
            m.usage_source = "reported"
        m.usage_conflict = self._tally.conflict()

    def _fill_served(self, m: Measurement) -> None:
        served = self._served
        if served is None:
            return
        m.response_model = _short(served.response_model)
        m.service_tier = plain_word(served.service_tier) or m.service_tier
        m.latency_mode = plain_word(served.latency_mode) or m.latency_mode
        m.provider_latency = served.provider_latency
        m.provider_ttft = served.provider_ttft

    def _fill_times(self, m: Measurement) -> None:
        points = self.points
        m.upload = seconds(points.head, points.body)
        m.connect = seconds(points.issued, points.connected)
        m.ttfb = seconds(points.issued, points.response)
        m.e2e = seconds(points.head, points.finished)
        m.upstream_e2e = seconds(points.issued, points.last_byte)
        m.downstream_wait = (self._paused_ns + self._tail_wait_ns) / 1e9
        phases = overheads(points, upload_wait_ns=self.upload_wait_ns, tail_wait_ns=self._tail_wait_ns)
        m.overhead_request, m.overhead_first_chunk, m.overhead_tail = phases
        m.proxy_overhead = None if phases == (None, None, None) else sum(p for p in phases if p is not None) + self._late_ns / 1e9

    def _fill_stream(self, m: Measurement) -> None:
        points = self.points
        m.ttfc = seconds(points.issued, points.first_frame)
        m.ttft = seconds(points.head, points.first_output)
        m.upstream_ttft = seconds(points.issued, points.first_output)
        m.ttft_visible = seconds(points.head, points.first_visible)
        m.ttft_reasoning = seconds(points.head, points.first_reasoning)
        m.ttft_tool = seconds(points.head, points.first_tool)
        m.time_to_last_token = seconds(points.issued, points.last_output)
        m.output_chunks = self.output_chunks
        m.stall_count = self._stall_count
        hidden = m.reasoning_tokens or 0 if points.first_reasoning is None else 0
        m.tpot = tpot(
            points, output_tokens=m.output_tokens, hidden_tokens=hidden, output_chunks=self.output_chunks, reader_ns=self._reader_ns
        )
        gaps = self._gaps
        if gaps is None or points.first_output is None or points.last_output is None:
            return
        m.itl_p50, m.itl_p95, m.itl_p99 = gaps.percentile(0.5), gaps.percentile(0.95), gaps.percentile(0.99)
        m.itl_max = gaps.longest_ns / 1e9
        m.gap_proxy = self._late_ns / 1e9
        m.gap_reader = self._reader_ns / 1e9
        m.gap_provider = (points.last_output - points.first_output - self._late_ns - self._reader_ns) / 1e9
        m.stall_time = self._stall_ns / 1e9
        m.stall_side = self._longest_side


def _short(name: str | None) -> str | None:
    return None if name is None else name[:MAX_NAME]


def _merge_served(older: Served | None, newer: Served) -> Served:
    if older is None:
        return newer
    names = Served.__struct_fields__
    return Served(**{n: getattr(newer, n) if getattr(newer, n) is not None else getattr(older, n) for n in names})
