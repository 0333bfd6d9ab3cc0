"""Which dialect reads which answer: a table over operation, status and content type.

The only module that knows all dialects; they do not know each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from streamgauge.dialects.base import Dialect, Events
from streamgauge.dialects.converse import Converse, ConverseStream
from streamgauge.dialects.failed import Failed
from streamgauge.dialects.meaning.counts import head_facts
from streamgauge.dialects.opaque import Opaque
from streamgauge.records import Operation, RequestFacts

EVENT_STREAM = "application/vnd.amazon.eventstream"
JSON = "application/json"

_READERS: dict[tuple[str, str], Callable[[Events], Dialect]] = {
    ("converse", JSON): Converse,
    ("converse_stream", EVENT_STREAM): ConverseStream,
}


def open_dialect(operation: Operation, status: int, content_type: str | None, headers: Mapping[str, str]) -> Dialect:
    """Choose who reads this answer's body. Never fails: what nobody understands is opaque.

    ``headers`` are the response's, with lower-case names.
    """
    opening = head_facts(headers)
    if status >= 400:
        return Failed(status, headers, opening)
    media_type = (content_type or "").partition(";")[0].strip().lower()
    reader = _READERS.get((operation.dialect, media_type))
    if reader is None:
        return Opaque(opening)
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        return Opaque(opening, refused="content_encoding")
    return reader(opening)


def read_request(operation: Operation, body: bytes, headers: Mapping[str, str]) -> RequestFacts:
    """Read what a request says about itself. Never raises."""
    return RequestFacts(model=operation.model, streaming=operation.streaming)
