"""The encoding that text is counted with: package data, checked by hash, never fetched."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import TYPE_CHECKING

from streamgauge.errors import CouldNotRun

if TYPE_CHECKING:
    import tiktoken

NAME = "cl100k_base"
SHA256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
"""As tiktoken itself expects it of this encoding."""

_PATTERN = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
"""How cl100k_base cuts text into words. Given here rather than by tiktoken's own registry, which would fetch the encoding."""

PIECE = 16_384
"""Characters that are encoded at a time: tiktoken takes far more than linear time, or gives up, on some texts of megabytes without a word's end."""


def load() -> tiktoken.Encoding:
    """The encoding. Raises ``CouldNotRun`` when the package's file is not the one that belongs to it."""
    import tiktoken

    data = resources.files("streamgauge").joinpath(f"data/{NAME}.tiktoken").read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise CouldNotRun(f"{NAME}.tiktoken in the package is damaged: install streamgauge again")
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in data.splitlines())}
    return tiktoken.Encoding(NAME, pat_str=_PATTERN, mergeable_ranks=ranks, special_tokens={})


def count(encoding: tiktoken.Encoding, texts: list[str]) -> int:
    """Tokens of ``texts``; what looks like a special token is text, as it is to a model that gets it from a caller."""
    pieces = (text[at : at + PIECE] for text in texts for at in range(0, len(text), PIECE))
    return sum(len(encoding.encode_ordinary(piece)) for piece in pieces)
