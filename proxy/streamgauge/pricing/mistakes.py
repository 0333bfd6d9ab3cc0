"""What is wrong with a price file, each mistake as a line with file, line, column and reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streamgauge.errors import UsageError

SHOWN = 50
"""Mistakes that are told; who has more has one cause."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """``line`` is from 1; ``column`` may be empty where a line as a whole is meant."""

    file: str
    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        """``book.csv:12: usd: is missing``."""
        column = f"{self.column}: " if self.column else ""
        return f"{self.file}:{self.line}: {column}{self.reason}"


class BookMistaken(UsageError):
    """A price file cannot be used; ``mistakes`` has each reason."""

    def __init__(self, what: str, mistakes: Sequence[Mistake]) -> None:
        ordered = sorted(mistakes, key=lambda m: (m.file, m.line))
        more = [f"... and {len(ordered) - SHOWN} more"] if len(ordered) > SHOWN else []
        super().__init__(f"{len(ordered)} mistake(s) in the {what}:\n  " + "\n  ".join([*map(str, ordered[:SHOWN]), *more]))
        self.mistakes = tuple(ordered)
