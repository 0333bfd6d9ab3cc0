"""What understanding costs: microseconds per frame arriving whole, for the streams the relay sees most.

Run from the repository's root: python -m tests.bench.micro_decode [--rounds N]
The payloads have the size and shape of real ones; each round opens a dialect and feeds it 400 deltas between a head and an end.
"""

from __future__ import annotations

import argparse
import timeit
from collections.abc import Callable

from streamgauge.dialects import open_dialect
from streamgauge.framing.eventstream import EventStreamDecoder
from streamgauge.records import Operation
from tests.dialects import shapes

DELTAS = 400


def _feeder(operation: Operation, content_type: str, chunks: list[bytes]) -> Callable[[], None]:
    def feed() -> None:
        dialect = open_dialect(operation, 200, content_type, {})
        for chunk in chunks:
            dialect.feed(chunk)
        dialect.close()

    return feed


def _framing(chunks: list[bytes]) -> Callable[[], None]:
    def feed() -> None:
        decoder = EventStreamDecoder()
        for chunk in chunks:
            decoder.feed(chunk)

    return feed


def main() -> None:
    """Print one line per stream: microseconds per frame, the best of the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    for name, make in shapes.STREAMS.items():
        stream = make(DELTAS)
        best = min(timeit.repeat(_feeder(stream.operation, stream.content_type, stream.chunks), number=1, repeat=rounds))
        print(f"{name:30s} {best / len(stream.chunks) * 1e6:6.2f} us/frame")
    converse = shapes.STREAMS["converse_stream"](DELTAS).chunks
    best = min(timeit.repeat(_framing(converse), number=1, repeat=rounds))
    print(f"{'event stream framing only':30s} {best / len(converse) * 1e6:6.2f} us/frame")


if __name__ == "__main__":
    main()
