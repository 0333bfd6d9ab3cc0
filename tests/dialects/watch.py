"""Feeds a dialect and tells what it said, in forms that tests compare."""

from __future__ import annotations

from collections.abc import Sequence

from streamgauge.dialects import Dialect
from streamgauge.errors import Undecodable
from streamgauge.records import Output, StreamEvent, Usage, UsageReported

Said = list[StreamEvent | str]


def trace(dialect: Dialect, chunks: Sequence[bytes]) -> Said:
    """Everything a dialect says of these bytes and their end, in order; an Undecodable is its reason, and the last entry."""
    said: Said = []
    try:
        for piece in chunks:
            said += dialect.feed(piece)
        said += dialect.close()
    except Undecodable as undecodable:
        said.append(undecodable.reason)
    return said


def count_outputs(said: Sequence[StreamEvent | str]) -> dict[str, int]:
    """How many outputs of each channel."""
    counts: dict[str, int] = {}
    for item in said:
        if isinstance(item, Output):
            counts[item.channel] = counts.get(item.channel, 0) + 1
    return counts


def final_usage(said: Sequence[StreamEvent | str]) -> Usage | None:
    """The last usage of the preferred source."""
    stated = [item.usage for item in said if isinstance(item, UsageReported) and item.preferred]
    return stated[-1] if stated else None


def each_byte(body: bytes) -> list[bytes]:
    """The body byte by byte."""
    return [body[at : at + 1] for at in range(len(body))]
