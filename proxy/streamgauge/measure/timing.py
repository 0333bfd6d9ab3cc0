"""Every formula between time points and the figures of a Measurement, in one place.

Time points are nanoseconds of one monotonic clock; figures are seconds. A figure whose points are missing is ``None``.
Definitions follow the OpenTelemetry GenAI conventions where they define one (time to first token, time per output token);
``docs/reference/definitions.md`` compares them with other tools'.
"""

from __future__ import annotations

import msgspec


class Points(msgspec.Struct):
    """Moments of one exchange. ``None`` = did not happen.

    ``head``: request head read. ``body``: last byte of the request body read. ``issued``: we begin to get the request to the upstream
    (before pool and connect). ``connected``: a connection was at hand. ``sent``: last request byte handed to it. ``response``: response head
    read. ``first_frame``: end of the first frame of any kind. ``first_output``/``last_output``: end of the first/last frame that carried
    generated output. ``last_byte``: last response byte read, or the failure. ``first_body``: first body byte read. ``forwarded``: first body
    byte handed to the application's socket. ``finished``: last byte handed over, or the abort.
    """

    head: int
    body: int | None = None
    issued: int | None = None
    connected: int | None = None
    sent: int | None = None
    response: int | None = None
    first_frame: int | None = None
    first_output: int | None = None
    last_output: int | None = None
    last_byte: int | None = None
    forwarded: int | None = None
    finished: int | None = None
    first_visible: int | None = None
    first_reasoning: int | None = None
    first_tool: int | None = None
    first_body: int | None = None


def seconds(start: int | None, end: int | None) -> float | None:
    """``end - start`` in seconds; ``None`` if either is missing."""
    if start is None or end is None:
        return None
    return (end - start) / 1e9


def tpot(points: Points, *, output_tokens: int | None, hidden_tokens: int, output_chunks: int, reader_ns: int) -> float | None:
    """Time per output token after the first: (last output - first output) / (tokens - 1).

    Undefined below 2 tokens, below 2 output chunks, or without streaming. Tokens known to be hidden (billed, never streamed) are left out of
    the divisor, and time in which a slow application kept us from reading (``reader_ns``) is left out of the interval.
    """
    if output_tokens is None or points.first_output is None or points.last_output is None or output_chunks < 2:
        return None
    tokens = output_tokens - hidden_tokens
    if tokens < 2:
        return None
    return max(0, points.last_output - points.first_output - reader_ns) / (tokens - 1) / 1e9


def overheads(points: Points, *, upload_wait_ns: int, tail_wait_ns: int) -> tuple[float | None, float | None, float | None]:
    """Time spent in us, by phase: request leg, first chunk, tail; waiting for the application's socket is left out of each."""
    request = None if points.issued is None else max(0, points.issued - points.head - upload_wait_ns) / 1e9
    first = None if points.forwarded is None or points.first_body is None else max(0, points.forwarded - points.first_body) / 1e9
    tail = None
    if points.finished is not None and points.last_byte is not None:
        # An answer that came in one read has its first chunk and its end at the same moment: count the time once.
        tail = max(0, points.finished - max(points.last_byte, points.forwarded or 0) - tail_wait_ns) / 1e9
    return request, first, tail
