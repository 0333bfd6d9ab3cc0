from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamgauge.spool.frame import HEADER, MAX_RECORD_BYTES, frame, resynchronise, split

payloads = st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=20)


@given(payloads, st.data())
def test_a_cut_anywhere_leaves_the_whole_records_before_it_and_is_no_damage(given_payloads: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(map(frame, given_payloads))
    cut = data.draw(st.integers(0, len(whole)))
    found, size, damage = split(whole[:cut])
    assert not damage
    assert [bytes(payload) for payload in found] == given_payloads[: len(found)]
    assert size == sum(HEADER.size + len(payload) for payload in found) <= cut
    assert split(whole[size:])[0] == given_payloads[len(found) :]


@given(payloads, st.data())
def test_a_changed_byte_is_noticed_and_never_yields_another_record(given_payloads: list[bytes], data: st.DataObject) -> None:
    whole = bytearray(b"".join(map(frame, given_payloads)))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    found, _, _ = split(bytes(whole))
    assert [bytes(payload) for payload in found] == given_payloads[: len(found)]
    assert len(found) < len(given_payloads)


def test_zeros_after_a_power_loss_are_damage_and_not_an_endless_run_of_empty_records() -> None:
    found, size, damage = split(frame(b"a") + bytes(4096))
    assert [bytes(payload) for payload in found] == [b"a"]
    assert (size, damage) == (HEADER.size + 1, True)


def test_a_length_that_cannot_be_is_damage() -> None:
    assert split(HEADER.pack(MAX_RECORD_BYTES + 1, 0) + bytes(100)) == ([], 0, True)


def test_after_damage_the_next_whole_record_is_found() -> None:
    broken = bytearray(frame(b"first"))
    broken[-1] ^= 1
    data = bytes(broken) + bytes(700) + frame(b"second")
    at = resynchronise(data, 0)
    assert at == len(broken) + 700
    assert split(data[at:])[0] == [b"second"]


def test_where_nothing_whole_follows_nothing_is_made_up() -> None:
    assert resynchronise(bytes(5000), 0) is None
    assert resynchronise(frame(b"torn")[:-1], 0) is None
