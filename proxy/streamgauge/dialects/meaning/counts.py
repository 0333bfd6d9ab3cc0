"""Numbers and codes as providers write them, brought into this project's one meaning.

Knows: which counts exclude cached tokens and what a harmless error code looks like.
Must not know: where in a body they stand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec

from streamgauge.records import Served, StreamEvent, Usage, UsageReported

MAX_COUNT = 2**48
"""Far above any bill, far below what a ledger column or a sum of many could not hold."""

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
TokenCount = Annotated[float, msgspec.Meta(ge=0, le=MAX_COUNT)]
"""A count that may come with a decimal point: Titan's do behind a guardrail (28.0)."""
Word = Annotated[str, msgspec.Meta(max_length=256)]
"""A stop reason, a tier: short words as the provider spells them; what is kept of them is a ``plain_word``."""
Name = Annotated[str, msgspec.Meta(max_length=2048)]
"""A model's name or ARN; AWS allows 2,048 characters."""
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=MAX_COUNT)]

_CODE = re.compile(r"[A-Za-z0-9_]{1,64}")
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}")
OTHER = "_OTHER"
"""The error type of a code that is no code; the spelling is OpenTelemetry's for values outside the known ones."""


def plain_word(text: str | None) -> str | None:
    """Return a stop reason, tier or the like as it is spelled, ``_OTHER`` where free text stands in its place, ``None`` for nothing.

    Such words are kept in records, and come from strangers who may write anything there.
    """
    return (text if _WORD.fullmatch(text) else OTHER) if text else None


def error_code(*candidates: object) -> str:
    """Return the first candidate that can be a label value; ``_OTHER`` if none can. Numbers count as their digits.

    Codes become metric labels and report rows, and come from strangers: text with blanks, markup or beyond 64 characters is no code.
    """
    for candidate in candidates:
        if isinstance(candidate, bool) or not isinstance(candidate, (str, int)):
            continue
        if _CODE.fullmatch(str(candidate)):
            return str(candidate)
    return OTHER


def exception_name(name: str | None) -> str:
    """Return an in-stream exception's name as its shape is called: ``throttlingException`` is ``ThrottlingException``."""
    code = error_code(name)
    return code[:1].upper() + code[1:]


def usage_besides_cache(
    fresh: int | None,
    output: int | None,
    cache_read: int | None,
    cache_write: int | None,
    *,
    cache_write_1h: int | None = None,
    reasoning: int | None = None,
) -> Usage:
    """Usage of a provider whose input count leaves cached tokens out (Converse, Anthropic, the Bedrock headers)."""
    total = None if fresh is None else fresh + (cache_read or 0) + (cache_write or 0)
    return Usage(total, output, cache_read, cache_write, cache_write_1h, reasoning)


def text_size(text: str) -> int:
    """Bytes of UTF-8 of generated text: the size that estimates of its tokens start from."""
    return len(text) if text.isascii() else len(text.encode())


def integral(count: float) -> int:
    """A ``TokenCount`` as the whole number it is."""
    return int(count)


def seconds(milliseconds: float | None) -> float | None:
    """Milliseconds as providers report them, in seconds."""
    return None if milliseconds is None else milliseconds / 1000.0


_COUNTS = tuple(f"x-amzn-bedrock-{name}-token-count" for name in ("input", "output", "cache-read-input", "cache-write-input"))
_TIER = "x-amzn-bedrock-service-tier"
_MODE = "x-amzn-bedrock-performanceconfig-latency"
_LATENCY = "x-amzn-bedrock-invocation-latency"
_STATED = frozenset({*_COUNTS, _TIER, _MODE, _LATENCY})


def head_facts(headers: Mapping[str, str]) -> tuple[StreamEvent, ...]:
    """Read what a response head says about usage and service: the family-independent second source.

    ``headers`` has lower-case names. Values that are not what they should be are left out.
    """
    if _STATED.isdisjoint(headers):  # the common answer states nothing here
        return ()
    events: list[StreamEvent] = []
    fresh, output, read, write = (_number(headers.get(name)) for name in _COUNTS)
    if fresh is not None or output is not None:
        events.append(UsageReported(usage_besides_cache(fresh, output, read, write), preferred=False))
    served = Served(
        service_tier=_word(headers.get(_TIER)),
        latency_mode=_word(headers.get(_MODE)),
        provider_latency=seconds(_number(headers.get(_LATENCY))),
    )
    if served != Served():
        events.append(served)
    return tuple(events)


def _number(text: str | None) -> int | None:
    # isdecimal alone takes the digits of other scripts; 14 of them stay below MAX_COUNT.
    if text is None or len(text) > 14 or not (text.isascii() and text.isdecimal()):
        return None
    return int(text)


def _word(text: str | None) -> str | None:
    return text if text and _WORD.fullmatch(text) else None
