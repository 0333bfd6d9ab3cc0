from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.dialects.opaque import Opaque
from streamgauge.errors import Undecodable
from streamgauge.records import Served
from tests.dialects.watch import trace

OPENING = (Served(service_tier="priority"),)


@given(st.lists(st.binary(max_size=20)))
def test_nothing_is_read_in_any_bytes_and_nothing_in_them_is_a_fault(pieces: list[bytes]) -> None:
    assert trace(Opaque(), pieces) == []


def test_the_first_bytes_are_the_one_frame() -> None:
    opaque = Opaque()
    opaque.feed(b"")
    assert opaque.frames == 0
    opaque.feed(b"a")
    opaque.feed(b"b")
    assert opaque.frames == 1


def test_what_the_head_says_is_told_once() -> None:
    assert trace(Opaque(OPENING), [b"a", b"b"]) == [*OPENING]
    assert trace(Opaque(OPENING), []) == [*OPENING]


def test_a_refusal_is_raised_with_the_first_bytes() -> None:
    with pytest.raises(Undecodable, match="content_encoding"):
        Opaque(refused="content_encoding").feed(b"a")


def test_a_refusal_waits_until_the_head_was_told() -> None:
    assert trace(Opaque(OPENING, refused="content_encoding"), [b"a", b"b"]) == [*OPENING, "content_encoding"]
    assert trace(Opaque(OPENING, refused="content_encoding"), [b"a"]) == [*OPENING, "content_encoding"]


def test_an_empty_body_is_refused_by_nobody() -> None:
    assert trace(Opaque(refused="content_encoding"), [b""]) == []
