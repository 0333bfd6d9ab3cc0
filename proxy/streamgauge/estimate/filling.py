"""Which measurements get estimated token counts, and which numbers they get. A count that a provider stated is never touched.

Knows: the words for how an estimate was made. Must not know: where sizes and counts come from.
"""

from __future__ import annotations

import msgspec

from streamgauge.estimate.factors import Family
from streamgauge.records import Measurement

TOKENIZER = "tokenizer"
CHARACTERS = "characters"
"""``input_estimate`` and ``output_estimate``: the text was counted with the shipped encoding; or only its size was known, with the reason behind it:
none where nobody kept the text (a stream that was cut off, a body too large to hold), ``_busy`` or ``_late`` where it should have been counted."""

_ENDS = ("completed", "stream_error", "client_cancelled", "timeout")
"""Outcomes of calls that a model has worked on. Others were refused, or say nothing about it."""


class Text(msgspec.Struct):
    """What is known of an exchange's text.

    ``prompt_tokens``, ``answer_tokens``: counted with the shipped encoding. ``answer_read``: bytes of the text that ``answer_tokens`` is of,
    where that may be less than all. ``prompt_bytes``, ``answer_bytes``: sizes; 0 = no text. ``prompt_by``, ``answer_by``: what an estimate from
    sizes is called.
    """

    prompt_tokens: int | None = None
    prompt_bytes: int = 0
    answer_tokens: int | None = None
    answer_read: int = 0
    answer_bytes: int = 0
    prompt_by: str = CHARACTERS
    answer_by: str = CHARACTERS


def wanted(m: Measurement, written: int, *, answered_whole: bool) -> bool:
    """Whether a count is missing that text could give. ``written``: bytes of a stream's text; ``answered_whole``: an answer in one piece is at hand."""
    if (m.input_tokens is not None and m.output_tokens is not None) or m.undecoded is not None or m.outcome not in _ENDS:
        return False
    if m.http_status is not None and not 200 <= m.http_status < 300:
        return False
    if m.outcome == "client_cancelled":
        return True
    # An answer that states its input alone is a vector's or a ranking's: it has no output to be missing.
    return written > 0 or (answered_whole and m.input_tokens is None)


def fill(m: Measurement, family: Family, text: Text) -> None:
    """Put estimates where counts are missing. A complete answer without generated text (vectors, numbers, images) gets none."""
    if m.outcome == "completed" and m.output_tokens is None and not text.answer_tokens and not text.answer_bytes:
        return
    if m.input_tokens is None:
        if text.prompt_tokens is not None:
            m.input_tokens, m.input_estimate = family.tokenizer.tokens(text.prompt_tokens), TOKENIZER
        elif text.prompt_bytes:
            m.input_tokens, m.input_estimate = family.characters.tokens(text.prompt_bytes), text.prompt_by
    if m.output_tokens is None:
        if text.answer_tokens:
            share = max(1.0, text.answer_bytes / text.answer_read) if text.answer_read else 1.0
            m.output_tokens, m.output_estimate = family.tokenizer.tokens(text.answer_tokens * share), TOKENIZER
        elif text.answer_bytes:
            m.output_tokens, m.output_estimate = family.characters.tokens(text.answer_bytes), text.answer_by
    if m.input_estimate is not None or m.output_estimate is not None:
        m.usage_source = "estimated"
