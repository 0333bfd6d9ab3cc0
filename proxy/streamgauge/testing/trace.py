"""A piece of a real production trace: when requests came, how large they and their answers were.

400 consecutive rows of the Azure LLM inference trace (conversations, 2023); source and licence are in ``data/README.md``.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

SAMPLE = "azure_conversations_2023.csv"


@dataclass(frozen=True)
class Row:
    """One request: seconds after the first one, tokens of its prompt and of its answer."""

    at: float
    input_tokens: int
    output_tokens: int


def sample() -> tuple[Row, ...]:
    """The rows in order of arrival."""
    text = (files("streamgauge") / "data" / SAMPLE).read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    begin = _moment(rows[0]["TIMESTAMP"])
    return tuple(Row(_moment(row["TIMESTAMP"]) - begin, int(row["ContextTokens"]), int(row["GeneratedTokens"])) for row in rows)


def _moment(stamp: str) -> float:
    # Seven fractional digits; datetime reads six.
    return datetime.fromisoformat(f"{stamp[:26]}+00:00").timestamp()
