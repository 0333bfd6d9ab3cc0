"""Signals to the supervisor: none is lost, and SIGHUP ends nothing."""

from __future__ import annotations

import os
import signal

import pytest

from streamgauge.supervisor.signals import StopSignals


def test_sighup_ends_nothing_and_is_told_once() -> None:
    told = StopSignals()
    try:
        assert not told.hung_up()
        os.kill(os.getpid(), signal.SIGHUP)
        assert not told.wait(5)
        assert told.hung_up()
        assert not told.hung_up()
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        assert told.wait(5)
        assert told.hung_up()
    finally:
        told.close()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_came_before_anybody_waited_is_not_lost(sig: signal.Signals) -> None:
    before = signal.getsignal(sig)
    told = StopSignals()
    try:
        assert not told.wait(0.0)
        os.kill(os.getpid(), sig)
        assert told.wait(5.0)
    finally:
        told.close()
    assert signal.getsignal(sig) is before
