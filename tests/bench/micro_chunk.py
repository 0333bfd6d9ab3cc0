"""What our own Python costs per chunk of a stream: microseconds for the scanner, the frame and the observation, without any socket.

Run from the repository's root: python -m tests.bench.micro_chunk [--rounds N]
A profiler that samples from outside hardly sees functions as short as these; a loop over them does. Each line holds what the line
before it does as well.
"""

from __future__ import annotations

import argparse
import timeit
from collections.abc import Callable

from streamgauge.dialects import open_dialect
from streamgauge.framing.http1 import ResponseScanner
from streamgauge.measure.observation import Observation
from streamgauge.measure.timing import Points
from tests.dialects import shapes

DELTAS = 400
GAP_NS = 40_000_000
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ntransfer-encoding: chunked\r\n\r\n"


def scan(frames: list[bytes]) -> None:
    """Find the ends of the chunks and of the message."""
    scanner = ResponseScanner()
    scanner.feed(HEAD)
    for frame in frames:
        scanner.feed(b"%x\r\n%b\r\n" % (len(frame), frame))


def understand(frames: list[bytes]) -> None:
    """And the frames in them."""
    scanner, dialect = ResponseScanner(), open_dialect(shapes.CONVERSE_STREAM, 200, shapes.EVENT_STREAM, {})
    scanner.feed(HEAD)
    for frame in frames:
        for body in scanner.feed(b"%x\r\n%b\r\n" % (len(frame), frame)):
            dialect.feed(body)


def observe(frames: list[bytes]) -> None:
    """And their moments and gaps."""
    scanner, dialect = ResponseScanner(), open_dialect(shapes.CONVERSE_STREAM, 200, shapes.EVENT_STREAM, {})
    observation = Observation(Points(head=0), streaming=True)
    observation.points.issued = observation.points.connected = observation.points.sent = 1
    scanner.feed(HEAD)
    observation.answered(dialect, 2)
    for number, frame in enumerate(frames, 1):
        for body in scanner.feed(b"%x\r\n%b\r\n" % (len(frame), frame)):
            observation.feed(body, number * GAP_NS, 0)


STEPS: dict[str, Callable[[list[bytes]], None]] = {"scanner": scan, "and the frame": understand, "and the observation": observe}


def main() -> None:
    """Print one line per step: microseconds per chunk, the best of the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    frames = shapes.STREAMS["converse_stream"](DELTAS).chunks
    for name, step in STEPS.items():
        best = min(timeit.repeat(lambda step=step: step(frames), number=1, repeat=rounds))  # type: ignore[misc]
        print(f"{name:30s} {best / len(frames) * 1e6:6.2f} us/chunk")


if __name__ == "__main__":
    main()
