"""What is taken out of the hands of aiohttp's parser."""

from __future__ import annotations

from collections import deque
from typing import Any

from aiohttp.http_parser import RawRequestMessage
from aiohttp.http_writer import HttpVersion11
from aiohttp.web_protocol import _ErrInfo
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from streamgauge.relay.parsed import MAX_HEAD, refuse_large_heads


def message(size: int) -> RawRequestMessage:
    """A request whose one header line has so many bytes."""
    headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
    raw = ((b"x", b"a" * (size - 5)),)
    return RawRequestMessage("GET", "/", HttpVersion11, headers, raw, False, None, False, False, URL("/"))


def test_only_new_heads_that_are_too_large_become_bad_requests_and_keep_their_place() -> None:
    fine, large, old = message(MAX_HEAD), message(MAX_HEAD + 1), message(MAX_HEAD + 1)
    bad = _ErrInfo(status=400, exc=ValueError(), message="")
    queue: deque[Any] = deque((each, "body") for each in (old, fine, large, bad))
    refuse_large_heads(queue, 1)
    kept = [each for each, _ in queue]
    assert kept[:2] == [old, fine]
    assert isinstance(kept[2], _ErrInfo)
    assert kept[3] is bad
    assert {body for _, body in queue} == {"body"}
