"""A relay worker as far as its spool is concerned, as a process to be killed: exchanges that overlap, until somebody ends it.

Usage: python -m tests.recorder.traffic SPOOL_DIR LOG PREFIX. Writes a line to LOG before each exchange is seen (``+ID``) and after its end
was appended (``-ID SECONDS``, on the clock all processes share). What is in LOG when it is killed is what it was.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections import deque
from pathlib import Path

from streamgauge.records import FirstOutput
from streamgauge.spool import SpoolSettings, SpoolWriter
from tests.spool.made import ended, started, status


def main() -> None:
    spool_dir, log_path, prefix = sys.argv[1:]
    chance = random.Random(prefix)
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    writer = SpoolWriter(Path(spool_dir), SpoolSettings(segment_bytes=64 << 10), prefix)
    open_ones: deque[str] = deque()
    count = 0
    while True:
        for _ in range(chance.randrange(1, 20)):
            exchange_id = f"{prefix}-{count:07d}"
            count += 1
            os.write(log, f"+{exchange_id}\n".encode())
            writer.seen()
            writer.append(started(exchange_id))
            open_ones.append(exchange_id)
        while len(open_ones) > chance.randrange(0, 40):
            exchange_id = open_ones.popleft()
            if chance.random() < 0.5:
                writer.append(FirstOutput(exchange_id=exchange_id, ttft=0.1, upstream_ttft=0.1))
            writer.append(ended(exchange_id))
            os.write(log, f"-{exchange_id} {time.monotonic()}\n".encode())
        writer.append(status())
        time.sleep(0.005)


if __name__ == "__main__":
    main()
