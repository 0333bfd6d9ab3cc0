"""One exchange while it is under way: what the upstream's and the application's callbacks act on.

Decisions that need no waiting are made here, in the callbacks; the walk (``walk.py``) only awaits ``done``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter_ns
from typing import TYPE_CHECKING, Protocol

from streamgauge.dialects import open_dialect
from streamgauge.measure.observation import Observation
from streamgauge.measure.outcome import CLIENT_CANCELLED, Verdict, of_break, of_response
from streamgauge.records import Measurement, Operation
from streamgauge.relay.heads import response_head
from streamgauge.relay.identity import name

if TYPE_CHECKING:
    from streamgauge.framing.http1 import ResponseHead
    from streamgauge.relay.afterwards import Afterwards
    from streamgauge.relay.estimates import Kept
    from streamgauge.relay.request_body import Hold


RouteKey = tuple[str | None, str | None, str | None]
"""(service, region, model or endpoint)."""


class Writer(Protocol):
    """The part of a transport towards the application that an exchange uses."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def abort(self) -> None:
        """Break the connection, so that the application sees a broken answer as broken."""

    def get_write_buffer_size(self) -> int:
        """Bytes that the kernel has not taken yet."""


class Upstream(Protocol):
    """The part of an upstream connection that an exchange uses."""

    def pause(self) -> None:
        """Stop reading."""

    def resume(self) -> None:
        """Read again."""

    def abort(self) -> None:
        """Break the connection."""


class Exchange:
    """State of one exchange. ``done`` resolves once, when nothing more will come from the upstream or the application has gone.

    ``streamed``: the answer is a stream, whatever was asked for. ``is_error``: it is an error, by its status or by its name in the head. ``unframed``: only the end of its connection tells the application that
    the answer is whole. ``on_record``: its beginning was told to the spool, or needs not be any more. ``kept``: what an estimate of its
    tokens may need.
    ``afterwards``: who reads on when the application has gone.
    """

    __slots__ = (
        "afterwards",
        "continued",
        "done",
        "first_output",
        "hold",
        "http_1_0",
        "is_error",
        "keep_alive",
        "kept",
        "last_read_at",
        "measurement",
        "observation",
        "on_record",
        "operation",
        "replied",
        "resigned",
        "route",
        "silence_told",
        "status",
        "streamed",
        "transport",
        "unframed",
        "upstream",
        "upstream_error",
        "verdict",
    )

    def __init__(
        self,
        done: asyncio.Future[None],
        transport: Writer,
        operation: Operation,
        observation: Observation,
        measurement: Measurement,
        first_output: Callable[[Exchange], None],
        *,
        http_1_0: bool,
    ) -> None:
        self.done = done
        self.transport = transport
        self.operation = operation
        self.observation = observation
        self.measurement = measurement
        self.first_output = first_output
        self.http_1_0 = http_1_0
        self.keep_alive = True
        self.continued = False
        self.resigned = False
        self.replied = False
        self.unframed = False
        self.streamed = False
        self.is_error = False
        self.on_record = False
        self.hold: Hold | None = None
        self.kept: Kept | None = None
        self.afterwards: Afterwards | None = None
        self.route: RouteKey = (None, None, None)
        self.status: int | None = None
        self.upstream: Upstream | None = None
        self.upstream_error: str | None = None
        self.verdict: Verdict | None = None
        self.last_read_at = 0
        self.silence_told: int | None = None

    def interims(self, heads: tuple[bytes, ...]) -> None:
        """1xx heads from the upstream. HTTP/1.0 knows none; a 100 that we gave already is not given twice."""
        for raw in heads:
            if not self.http_1_0 and not (self.continued and raw[9:12] == b"100"):
                self.transport.write(raw)

    def begin(self, head: ResponseHead, *, ends_with_connection: bool, at: int) -> bytes:
        """The response head came: choose the dialect; return the head's bytes for the application."""
        self.status = head.status
        if self.hold is not None:  # an upstream that answers has read the request
            self.hold.release()
        headers = head.by_name
        m = self.measurement
        m.http_status = head.status
        m.upstream_request_id = _request_id(headers)
        m.variant = name(headers.get("x-amzn-invoked-production-variant")) or m.variant
        content_type = headers.get("content-type")
        # The answer decides: one JSON document is no stream, whatever was asked for. An error is neither: what was asked for stands.
        if head.status < 400 and "x-amzn-errortype" not in headers:
            if content_type is not None and content_type.startswith("application/json"):
                self.observation.streaming = False
            elif self.observation.streaming is None:
                self.observation.streaming = content_type is not None and "event-stream" in content_type
            self.streamed = bool(self.observation.streaming)
        else:
            self.is_error = True
        self.observation.answered(
            open_dialect(self.operation, head.status, content_type, headers, self.kept.stream_bytes if self.kept is not None else 0), at
        )
        unchunk = self.http_1_0 and "transfer-encoding" in headers
        if ends_with_connection or unchunk:
            self.unframed = True
            self.keep_alive = False
        self.replied = True
        return response_head(head, chunked_for_1_0=unchunk)

    def complete(self, at: int) -> None:
        """The response ended as it should."""
        if self.verdict is not None or self.status is None:
            self._ended_afterwards(at, whole=self.status is not None)
            return
        observation = self.observation
        observation.points.last_byte = at
        if not self.transport.get_write_buffer_size():
            observation.points.finished = perf_counter_ns()
        fault = observation.end_of_body()
        self._over(of_response(self.status, fault, streaming=self.streamed, resigned=self.resigned))

    def upstream_broke(self, error_type: str, at: int) -> None:
        """The upstream failed. Before the head the walk still can reply; after it the application gets what came, and then no proper end."""
        if self.verdict is not None:
            self._ended_afterwards(at, whole=False)
            return
        self.observation.points.last_byte = at
        self.upstream_error = error_type
        if self.upstream is not None:
            self.upstream.abort()
        if self.replied:
            self.keep_alive = False
        self._over(of_break(error_type, streaming=self.streamed))

    def downstream_lost(self, at: int) -> None:
        """The application went away: the provider shall see what it would see without us, unless its counts are waited for.

        Who leaves at the stream's own end has had the whole answer: the openai SDK goes at ``[DONE]`` and does not wait for the body's end.
        """
        if self.verdict is not None:
            return
        self.keep_alive = False
        self.observation.points.last_byte = self.observation.points.finished = at
        whole = self.observation.is_whole or self.is_error  # of an error the head says enough
        if whole:
            self.observation.end_of_body()
        if self.upstream is not None:
            if not whole and self.afterwards is not None and self.afterwards.begin(self):
                self.verdict = self._departure(whole=False)
                self.resume(at)
                return
            self.upstream.abort()
        self._over(self._departure(whole=whole))

    def _departure(self, *, whole: bool) -> Verdict:
        """Whose doing it is that the application went away: some do so as soon as they read of the provider's error, before the answer's end."""
        fault = self.observation.fault or self.observation.damage
        if self.status is None or (fault is None and not whole):
            return CLIENT_CANCELLED
        return of_response(self.status, fault, streaming=self.streamed, resigned=self.resigned)

    def abandon(self) -> None:
        """Enough was read of an answer that nobody waits for."""
        self._ended_afterwards(perf_counter_ns(), whole=False)

    def _ended_afterwards(self, at: int, *, whole: bool) -> None:
        """The upstream's part is over, after the application's was."""
        if self.afterwards is None or not self.afterwards.end(self):
            return
        upstream, self.upstream = self.upstream, None
        self.observation.points.last_byte = at
        if whole:
            self.observation.end_of_body()
        elif upstream is not None:
            upstream.abort()
        if not self.done.done():
            self.done.set_result(None)

    def pause(self, at: int) -> None:
        """The application does not keep up."""
        self.observation.paused(at)
        if self.upstream is not None:
            self.upstream.pause()

    def resume(self, at: int) -> None:
        """The application has caught up."""
        self.observation.resumed(at)
        self.last_read_at = at
        if self.upstream is not None:
            self.upstream.resume()

    def _over(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.upstream = None
        if not self.done.done():
            self.done.set_result(None)


def _request_id(headers: dict[str, str]) -> str | None:
    return name(headers.get("x-amzn-requestid") or headers.get("x-request-id") or headers.get("request-id"))
