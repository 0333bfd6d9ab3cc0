"""How much text there is, in bytes of UTF-8, where it is not worth or not possible to read it.

Bytes rather than characters: scripts with more bytes a character have more tokens a character.
Knows: the look of base64. Must not know: any provider's format.
"""

from __future__ import annotations

import re

WINDOW = 64
"""Bytes of one look. Written text has a blank or a mark within them, a base64 image has none."""

LOOKS = 64
"""Looks at one body: the share of text comes out to about six percentage points, in some 20 µs."""

_BASE64 = re.compile(rb"[A-Za-z0-9+/=_-]+")


def text_bytes(body: bytes) -> int:
    """About how many bytes of ``body`` are text and not base64: the share of windows, spread over all of it, that do not look like base64."""
    size = len(body)
    if size <= WINDOW:
        return size
    step = max(WINDOW, size // LOOKS)
    windows = [body[at : at + WINDOW] for at in range(0, size - WINDOW + 1, step)]
    written = sum(_BASE64.fullmatch(window) is None for window in windows)
    return size * written // len(windows)
