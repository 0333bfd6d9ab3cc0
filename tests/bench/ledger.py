"""Reads the ledger a measured streamgauge left: what it says it saw, to hold against what was sent. Plain SQL, not streamgauge's own code."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Ledger:
    """``streaming``: rows of streams; ``with_ttft``: those of them that carry a TTFT; ``reported``: rows with tokens the provider reported;
    ``unmeasured``: exchanges that were only counted; ``seen``: exchanges the workers saw by their own count."""

    rows: int
    streaming: int
    with_ttft: int
    reported: int
    output_tokens: int
    unmeasured: int
    seen: int
    completed: int

    def as_dict(self) -> dict[str, Any]:
        """For the raw result."""
        return asdict(self)


SUMMARY = """
SELECT count(*), coalesce(sum(streaming), 0), coalesce(sum(streaming AND ttft IS NOT NULL), 0),
       coalesce(sum(usage_source = 'reported' AND output_tokens IS NOT NULL), 0), coalesce(sum(output_tokens), 0),
       coalesce(sum(outcome = 'completed'), 0)
FROM exchanges
"""


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
        yield connection


def read_ledger(path: Path) -> Ledger:
    """The finished ledger's summary. Raises ``sqlite3.Error`` when it is no ledger."""
    with _reading(path) as connection:
        rows, streaming, with_ttft, reported, output_tokens, completed = connection.execute(SUMMARY).fetchone()
        (unmeasured,) = connection.execute("SELECT coalesce(sum(count), 0) FROM unmeasured").fetchone()
        (seen,) = connection.execute("SELECT coalesce(sum(seen), 0) FROM workers").fetchone()
    return Ledger(rows, streaming, with_ttft, reported, output_tokens, unmeasured, seen, completed)


def rows_so_far(path: Path) -> int:
    """Rows while the recorder is writing; without counting them one by one, which would disturb what is measured."""
    try:
        with _reading(path) as connection:
            (rows,) = connection.execute("SELECT coalesce(max(rowid), 0) FROM exchanges").fetchone()
    except sqlite3.Error:
        return 0
    return int(rows)


def remove(path: Path) -> None:
    """Deletes the ledger's folder with everything beside it: a burst leaves hundreds of megabytes."""
    shutil.rmtree(path.parent, ignore_errors=True)
