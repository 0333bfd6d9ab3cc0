"""From the size of a text to a model's tokens: a line for each family of models, fitted on pairs of text and provider's count.

Knows: the families, and the fitted lines (package data, ``data/token_factors.json``). Must not know: where text comes from.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import resources

import msgspec

OTHER = "other"

_CLAUDE = re.compile(r"claude-(?:[a-z]+-)?(\d+)(?:[-.](\d{1,2})(?!\d))?")
_NEW_TOKENIZER = (4, 7)
"""From here on Claude makes about a quarter more tokens of a text than before; it shows in the pairs."""


class Line(msgspec.Struct, frozen=True):
    """``tokens = slope * size + constant``; the constant is what is around a text: the end of a turn, the frame of a message."""

    slope: float
    constant: float

    def tokens(self, size: float) -> int:
        """Estimated tokens of a text of that size; of no text there are none."""
        return max(1, round(self.slope * size + self.constant)) if size > 0 else 0


class Family(msgspec.Struct, frozen=True):
    """The lines of one family: from the shipped encoding's token count, and from UTF-8 bytes."""

    tokenizer: Line
    characters: Line


class Factors(msgspec.Struct, frozen=True):
    """All families."""

    families: dict[str, Family]

    def of(self, model: str | None) -> Family:
        """The lines for a model; a family without a fit of its own gets the one of all models but Claude."""
        return self.families.get(family(model), self.families[OTHER])


def family(model: str | None) -> str:
    """Which family's tokenizer a model has, by its id, ARN or name."""
    name = (model or "").lower()
    if "claude" in name:
        version = _CLAUDE.search(name)
        new = version is not None and (int(version[1]), int(version[2] or 0)) >= _NEW_TOKENIZER
        return "claude_4_7" if new else "claude"
    return "nova" if "nova" in name else OTHER


@lru_cache(maxsize=1)
def shipped_factors() -> Factors:
    """The lines of this release. They are package data read like code, so this pure module may load them."""
    data = resources.files("streamgauge").joinpath("data/token_factors.json").read_bytes()
    return msgspec.json.decode(data, type=Factors)
