"""What aiohttp's parser takes for a request, and the relay does not."""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import Any

from aiohttp.web_protocol import _ErrInfo

MAX_HEAD = 131_072
"""A whole request head. SDKs stay below 16 KiB, AWS and other proxies stop at 8 to 64."""

OF_OTHER_PROTOCOLS = frozenset(
    {
        "ANNOUNCE",
        "DESCRIBE",
        "FLUSH",
        "GET_PARAMETER",
        "PAUSE",
        "PLAY",
        "RECORD",
        "REDIRECT",
        "SETUP",
        "SET_PARAMETER",
        "SOURCE",
        "TEARDOWN",
    }
)
"""Methods of RTSP and ICE, which the parser takes for requests of HTTP."""


def refuse_large_heads(messages: MutableSequence[Any], first: int) -> None:
    """Put the parser's own sign of a bad request in the place of those from ``first`` on whose head is over ``MAX_HEAD``.

    So much may come in one read that a head is whole before anybody has counted its bytes.
    """
    for index in range(first, len(messages)):
        message, body = messages[index]
        if not isinstance(message, _ErrInfo) and sum(len(name) + len(value) + 4 for name, value in message.raw_headers) > MAX_HEAD:
            messages[index] = (_ErrInfo(status=400, exc=ValueError(), message="head too large"), body)
