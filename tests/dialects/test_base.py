from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from streamgauge.dialects.base import TRUNCATED, Events, StreamDialect, WholeBody, decoded, understood
from streamgauge.errors import Undecodable
from streamgauge.framing.lines import LineDecoder
from streamgauge.records import VISIBLE, Fault, Finished, Served


class Lines:
    """Lines as frames, the smallest decoder there is."""

    def __init__(self) -> None:
        self._lines = LineDecoder()

    def feed(self, chunk: bytes) -> Sequence[bytes]:
        return self._lines.feed(chunk)

    def close(self) -> bool:
        return not self._lines.close()


class Toy(StreamDialect[bytes]):
    """``bad`` cannot be decoded, ``oops`` is a fault, ``end`` ends, anything else is text."""

    def _read(self, frame: bytes) -> Events:
        if frame == b"bad":
            raise Undecodable("json")
        if frame == b"oops":
            return self._fault("Oops")
        if frame == b"end":
            self._over = True
            return (Finished(),)
        return VISIBLE


class ToyBody(WholeBody):
    def _read(self, body: bytes) -> Events:
        return (Finished(body.decode()),)


OPENING = (Served(service_tier="priority"),)


def test_several_frames_in_one_read_are_told_in_order() -> None:
    toy = Toy(Lines())
    assert toy.feed(b"a\nb\nend\n") == [*VISIBLE, *VISIBLE, Finished()]
    assert toy.frames == 3
    assert toy.close() == []


def test_events_before_the_damage_are_told_and_the_error_comes_with_the_next_call() -> None:
    toy = Toy(Lines())
    assert toy.feed(b"a\nbad\n") == [*VISIBLE]
    with pytest.raises(Undecodable):
        toy.feed(b"")
    with pytest.raises(Undecodable):
        toy.close()


@pytest.mark.parametrize("body", [b"bad\n", b"bad\na\n"])
def test_damage_without_events_before_it_raises_at_once_and_ever_after(body: bytes) -> None:
    toy = Toy(Lines())
    for _ in range(2):
        with pytest.raises(Undecodable):
            toy.feed(body)
    with pytest.raises(Undecodable):
        toy.close()


def test_the_opening_is_told_with_the_first_bytes_even_where_they_are_damaged() -> None:
    toy = Toy(Lines(), OPENING)
    assert toy.feed(b"bad\n") == OPENING
    with pytest.raises(Undecodable):
        toy.feed(b"a\n")


def test_the_opening_is_told_at_the_close_of_an_empty_body() -> None:
    assert Toy(Lines(), OPENING).close() == [*OPENING, TRUNCATED]


def test_a_fault_is_no_cut_besides() -> None:
    toy = Toy(Lines())
    assert toy.feed(b"oops\n") == (Fault("Oops"),)
    assert toy.close() == []


def test_half_a_frame_behind_the_end_is_a_cut() -> None:
    toy = Toy(Lines())
    toy.feed(b"end\nhal")
    assert toy.close() == [TRUNCATED]


def test_a_whole_body_is_read_at_its_end_and_is_one_frame() -> None:
    toy = ToyBody(OPENING)
    assert toy.feed(b"a") == OPENING
    assert toy.feed(b"b") == ()
    assert toy.frames == 0
    assert toy.close() == [Finished("ab")]
    assert toy.frames == 1


def test_the_opening_of_a_body_that_is_too_large_is_told_before_the_error() -> None:
    toy = ToyBody(OPENING)
    assert toy.feed(bytes(2_000_000)) == OPENING
    with pytest.raises(Undecodable, match="body_too_large"):
        toy.feed(b"")


def test_the_provider_s_contract_is_kept_or_the_bytes_make_no_sense() -> None:
    decoder = msgspec.json.Decoder(Served)
    assert decoded(decoder, b'{"service_tier":"x"}') == Served(service_tier="x")
    for bad in (b'{"service_tier":1}', b"{", b"", b'{"service_tier":"\xff"}', b'{"x":' + b"[" * 50_000):
        with pytest.raises(Undecodable, match="json"):
            decoded(decoder, bad)


def test_a_customer_s_own_json_is_nothing_and_only_what_is_no_json_makes_no_sense() -> None:
    decoder = msgspec.json.Decoder(Served)
    assert understood(decoder, b"[1,2]") is None
    assert understood(decoder, b'{"service_tier":"x"}') == Served(service_tier="x")
    for bad in (b"{", b"", b'{"service_tier":"\xff"}', b'{"x":' + b"[" * 50_000):
        with pytest.raises(Undecodable, match="json"):
            understood(decoder, bad)
