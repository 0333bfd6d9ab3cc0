"""Answers that nobody waits for any more: how much of them is read, and what of it counts."""

from __future__ import annotations

import asyncio

from streamgauge.measure.timing import Points
from streamgauge.relay.afterwards import Afterwards, Nobody, forget_unfelt
from streamgauge.relay.settings import RelaySettings
from tests.relay.loopback import Side, exchange, on_uvloop


def test_nobody_has_enough_once() -> None:
    told: list[str] = []
    nobody = Nobody(3, lambda: told.append("enough"))
    nobody.write(b"abc")
    assert told == []
    nobody.write(b"d")
    nobody.write(b"efg")
    nobody.abort()
    assert (told, nobody.get_write_buffer_size()) == (["enough"], 0)


def test_a_first_output_that_nobody_felt_is_none_and_one_that_somebody_felt_stays() -> None:
    felt = Points(head=0, finished=5, first_output=4, first_visible=6, first_reasoning=4, last_output=9)
    forget_unfelt(felt)
    assert (felt.first_output, felt.first_visible, felt.first_reasoning, felt.last_output) == (4, None, 4, 9)
    unfelt = Points(head=0, finished=5, first_output=6, first_visible=6, last_output=9)
    forget_unfelt(unfelt)
    assert (unfelt.first_output, unfelt.first_visible, unfelt.last_output) == (None, None, None)


def test_when_the_worker_ends_all_are_given_up_and_no_other_begins() -> None:
    async def main() -> None:
        afterwards = Afterwards(asyncio.get_running_loop(), RelaySettings())
        made, side = [], []
        for _ in range(2):
            each, _ = exchange()
            each.afterwards = afterwards
            each.upstream = Side()
            made.append(each)
            side.append(each.upstream)
        made[0].downstream_lost(10)
        assert (made[0].done.done(), side[0].told) == (False, ["resume"])
        afterwards.stop()
        assert (made[0].done.done(), side[0].told) == (True, ["resume", "abort"])
        made[1].downstream_lost(10)
        assert (made[1].done.done(), side[1].told) == (True, ["abort"])
        assert [each.verdict for each in made] == [("client_cancelled", "downstream", None)] * 2

    on_uvloop(main)
