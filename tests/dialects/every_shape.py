"""All shapes there are, for what is promised of every dialect."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from streamgauge.records import Operation
from tests.dialects import shapes, shapes_families, shapes_responses
from tests.dialects.shapes import Stream


def flushed(pack: Callable[[], zlib._Compress], make: Callable[[int], Stream], coding: str) -> Callable[[int], Stream]:
    """The same stream compressed, flushed behind every chunk as a server of streams does."""

    def compressed(deltas: int = 3) -> Stream:
        stream, packer = make(deltas), pack()
        chunks = [packer.compress(chunk) + packer.flush(zlib.Z_SYNC_FLUSH) for chunk in stream.chunks]
        headers = {"content-encoding": coding}
        return Stream(stream.operation, stream.content_type, chunks, stream.outputs, stream.usage, stream.reason, stream.end, headers)

    return compressed


COMPRESSED: dict[str, Callable[[int], Stream]] = {
    "openai_sse_gzip": flushed(lambda: zlib.compressobj(wbits=31), shapes.openai_sse, "gzip"),
    "converse_stream_deflate": flushed(zlib.compressobj, shapes.converse_stream, "deflate"),
}

STREAMS: dict[str, Callable[[int], Stream]] = {**shapes.STREAMS, **shapes_families.STREAMS, **shapes_responses.STREAMS, **COMPRESSED}
WHOLE: dict[str, tuple[Operation, bytes]] = {**shapes.WHOLE, **shapes_families.WHOLE, **shapes_responses.WHOLE}
