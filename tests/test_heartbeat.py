"""What workers say of themselves is known to whoever shares the memory, with no disk between."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from streamgauge.heartbeat import OVERDUE_SECONDS, SLOT_BYTES, Health, Heartbeats


@pytest.fixture
def beats() -> Iterator[Heartbeats]:
    made = Heartbeats.create(2)
    yield made
    made.close()


def test_before_a_worker_serves_traffic_cannot_be_served(beats: Heartbeats) -> None:
    assert beats.health(100.0) == Health(False, ["no worker serves yet"])


def test_one_worker_that_is_ready_is_enough_and_what_ails_the_others_is_said(beats: Heartbeats) -> None:
    beats.beat(0, 100.0, True, None)
    assert beats.health(100.0) == Health(True, [])
    beats.beat(1, 100.0, False, "no role")
    assert beats.health(100.0) == Health(True, ["no role"])
    beats.beat(0, 100.0, False, "no role")
    assert beats.health(100.0) == Health(False, ["no role"])
    beats.beat(0, 100.0, False, None)
    assert beats.health(100.0) == Health(False, ["worker 0 is not ready", "no role"])


def test_a_worker_that_is_ready_may_say_what_ails_it(beats: Heartbeats) -> None:
    beats.beat(0, 100.0, True, "no role for requests without a signature")
    assert beats.health(100.0) == Health(True, ["no role for requests without a signature"])


def test_a_worker_that_falls_silent_is_not_ready(beats: Heartbeats) -> None:
    beats.beat(0, 100.0, True, None)
    beats.beat(1, 100.0 + OVERDUE_SECONDS, True, None)
    assert beats.health(101.0 + OVERDUE_SECONDS) == Health(True, ["worker 0 was last heard of 6 s ago"])
    assert not beats.health(102.0 + 2 * OVERDUE_SECONDS).ready


def test_other_processes_read_it_and_a_long_sentence_stays_in_its_place(beats: Heartbeats) -> None:
    child = os.fork()
    if child == 0:
        Heartbeats(beats.descriptor).beat(1, 100.0, False, "é" * SLOT_BYTES)
        os._exit(0)
    os.waitpid(child, 0)
    beats.beat(0, 100.0, True, None)
    health = Heartbeats(os.dup(beats.descriptor)).health(100.0)
    assert health.ready
    assert set(health.reasons[0].removesuffix("\ufffd")) == {"é"}
