"""What understanding costs: microseconds per frame arriving whole, for the streams the relay sees most.

Run from the repository's root: python -m tests.bench.micro_decode [--rounds N]
The payloads have the size and shape of real ones; each round opens a dialect and feeds it 400 deltas between a head and an end.
"""

from __future__ import annotations

import argparse
import timeit
from collections.abc import Callable

from streamgauge.framing.eventstream import EventStreamDecoder
from tests.dialects import every_shape, shapes
from tests.dialects.shapes import Stream

DELTAS = 400


def _feeder(stream: Stream) -> Callable[[], None]:
    def feed() -> None:
        dialect = stream.open()
        for chunk in stream.chunks:
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
    for name, make in every_shape.STREAMS.items():
        stream = make(DELTAS)
        best = min(timeit.repeat(_feeder(stream), number=1, repeat=rounds))
        print(f"{name:30s} {best / len(stream.chunks) * 1e6:6.2f} us/frame")
    converse = shapes.STREAMS["converse_stream"](DELTAS).chunks
    best = min(timeit.repeat(_framing(converse), number=1, repeat=rounds))
    print(f"{'event stream framing only':30s} {best / len(converse) * 1e6:6.2f} us/frame")


if __name__ == "__main__":
    main()
