from __future__ import annotations

import pytest

from streamgauge.errors import Undecodable
from streamgauge.framing.body import MAX_BODY, BoundedBody


def test_a_body_is_its_bytes_in_order() -> None:
    body = BoundedBody()
    body.feed(b"ab")
    body.feed(b"")
    body.feed(b"c")
    assert body.take() == b"abc"


def test_a_body_of_just_the_limit_is_taken() -> None:
    body = BoundedBody()
    body.feed(bytes(MAX_BODY))
    assert len(body.take()) == MAX_BODY


def test_a_body_over_the_limit_is_refused_and_nothing_is_held() -> None:
    body = BoundedBody(limit=3)
    body.feed(b"abc")
    for _ in range(2):
        with pytest.raises(Undecodable, match="body_too_large"):
            body.feed(b"d")
    with pytest.raises(Undecodable, match="body_too_large"):
        body.take()
    assert not body._held
