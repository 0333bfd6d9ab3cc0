"""One child process: its settings, its death, its pauses."""

from __future__ import annotations

import time

import pytest

from streamgauge.supervisor.children import BACKOFF_SECONDS, STEADY_SECONDS
from tests.supervisor.lives import child, ended


def test_a_child_gets_its_settings_and_its_death_is_told_once() -> None:
    made = child("import sys, json; sys.exit(json.loads(sys.stdin.readline())['code'])", {"code": 7})
    made.start()
    assert ended(made) == 7
    assert made.died() is None


def test_a_child_that_dies_before_it_reads_its_settings_harms_nobody() -> None:
    made = child("import os; os.close(0)", "x" * 1_000_000)
    made.start()
    assert ended(made) == 0


def test_the_pause_grows_to_its_bound_and_begins_anew_after_a_steady_life() -> None:
    made = child("")
    pauses = []
    for _ in range(7):
        made.start()
        ended(made)
        pauses.append(made.pause)
        assert made.restart_at == pytest.approx(time.monotonic() + made.pause, abs=1.0)
    assert pauses == [min(BACKOFF_SECONDS[0] * 2**n, BACKOFF_SECONDS[1]) for n in range(1, 8)]
    made.start()
    made.started_at -= STEADY_SECONDS
    ended(made)
    assert made.pause == BACKOFF_SECONDS[0]
