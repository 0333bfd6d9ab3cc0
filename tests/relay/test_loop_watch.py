"""How long the event loop was kept from reading."""

from __future__ import annotations

import asyncio
import time

from streamgauge.relay.loop_watch import BEAT_NS, LoopWatch
from tests.relay.loopback import on_uvloop, until


def block(seconds: float) -> None:
    """What is measured: a callback that does not return."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_a_blocked_loop_is_noticed_with_its_length() -> None:
    async def main() -> None:
        watch = LoopWatch(asyncio.get_running_loop())
        block(0.3)
        await until(lambda: watch.blocked_ns, "the heartbeat")
        assert 0.2e9 < watch.blocked_ns < 5e9
        watch.stop()

    on_uvloop(main)


def test_the_longest_lateness_is_told_once() -> None:
    async def main() -> None:
        watch = LoopWatch(asyncio.get_running_loop())
        block(0.2)
        await until(lambda: watch.longest_ns, "the heartbeat")
        watch.stop()
        assert watch.take_longest() > 0.1
        assert watch.take_longest() == 0.0

    on_uvloop(main)


def test_it_beats_until_it_is_stopped() -> None:
    async def main() -> None:
        watch = LoopWatch(asyncio.get_running_loop())
        due = watch._due
        await until(lambda: watch._due >= due + 3 * BEAT_NS, "three beats")
        watch.stop()
        stopped_at = watch._due
        loop = asyncio.get_running_loop()
        passed = loop.create_future()
        loop.call_later(3 * BEAT_NS / 1e9, passed.set_result, None)
        await passed
        assert watch._due == stopped_at

    on_uvloop(main)


def test_the_timers_own_inaccuracy_is_not_counted() -> None:
    async def main() -> None:
        watch = LoopWatch(asyncio.get_running_loop())
        watch.stop()
        watch._due = time.perf_counter_ns() - 1_000_000
        watch._beat()
        watch.stop()
        assert watch.blocked_ns == 0

    on_uvloop(main)
