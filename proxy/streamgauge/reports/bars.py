"""Bars made of characters. Pure."""

from __future__ import annotations

from dataclasses import dataclass

_EIGHTHS = " ▏▎▍▌▋▊▉"


@dataclass(frozen=True, slots=True)
class Ink:
    """The characters a screen can show: ``full`` for a whole cell, ``fine`` when an eighth of a cell can be drawn, ``edge`` at both ends, ``hair`` for next to nothing."""

    full: str
    fine: bool
    edge: str
    rule: str
    hair: str


UNICODE = Ink("█", fine=True, edge="│", rule="─", hair="▏")
ASCII = Ink("#", fine=False, edge="|", rule="-", hair=".")


def ink(encoding: str | None) -> Ink:
    """What an output of this encoding can show."""
    return UNICODE if (encoding or "").lower().replace("-", "") in ("utf8", "utf16", "utf32") else ASCII


def bar(value: float, largest: float, width: int, chars: Ink = UNICODE) -> str:
    """A bar of up to ``width`` cells for ``value`` of ``largest``; something that is not nothing is always seen."""
    if value <= 0 or largest <= 0:
        return ""
    cells = min(value / largest, 1.0) * width
    if not chars.fine:
        return chars.full * max(1, round(cells))
    eighths = max(1, round(cells * 8))
    return chars.full * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def span(start: float, end: float, whole: float, width: int, chars: Ink = UNICODE) -> str:
    """A bar from ``start`` to ``end`` on an axis of ``width`` cells that is ``whole`` long, padded to the axis.

    What is shorter than half a cell is a hair line: it was there, and it was short.
    """
    if whole <= 0:
        return " " * width
    first = min(int(start / whole * width), width - 1)
    if (end - start) / whole * width < 0.5:
        drawn = chars.hair
    else:
        drawn = chars.full * max(1, min(width, round(end / whole * width)) - first)
    return (" " * first + drawn).ljust(width)
