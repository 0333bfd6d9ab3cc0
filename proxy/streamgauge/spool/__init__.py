"""The record file between a relay worker and the recorder.

One directory per life of a worker, ``<spool directory>/<worker id>-<token>/``, holds

- ``lock``: locked by the worker for life; whoever can lock it knows that the worker is dead,
- ``counters``: one mapped page with the exchanges seen and the unmeasured ones by reason; it survives ``kill -9`` of the worker,
- ``00000001.seg`` ...: records, each length and CRC-32 (two little-endian u32) followed by a ``records.SpoolRecord`` as msgpack.

The worker appends, the recorder reads and deletes what it has read. Nothing here holds prompts or answers.
"""

from __future__ import annotations

from streamgauge.spool.counters import Counters
from streamgauge.spool.layout import REASONS, SpoolSettings, bytes_in, claim_directory, prepare_directory
from streamgauge.spool.reader import WorkerSpool, find_workers
from streamgauge.spool.writer import SpoolWriter

__all__ = [
    "REASONS",
    "Counters",
    "SpoolSettings",
    "SpoolWriter",
    "WorkerSpool",
    "bytes_in",
    "claim_directory",
    "find_workers",
    "prepare_directory",
]
