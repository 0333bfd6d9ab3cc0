"""Few bytes do not hold the room that others wait for, and a slow upload for whose room nobody waits goes on."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from streamgauge.relay.refusal import ClientGone
from streamgauge.relay.request_body import SLOW_BYTES_PER_SECOND, WINDOW_SECONDS, Pace, Room
from tests.relay.loopback import on_uvloop
from tests.relay.messages import TARGETS, Request, Response
from tests.relay.wire import RawUpstream, Relay

ANSWER = Response(b"HTTP/1.1 200 OK", ((b"content-type", b"application/json"),), "length", b'{"a": 1}')


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def in_a_room(crowded: bool, came: list[int]) -> list[float]:
    """What is left of each window after so many bytes in each of them."""

    async def main() -> list[float]:
        room, clock = Room(10), Clock()
        eldest, other = room.enter(), room.enter()
        eldest.grow(10)
        ended = asyncio.get_running_loop().create_future()
        waiting = ended.get_loop().create_task(room.wait(other, ended, 60.0)) if crowded else None
        await asyncio.sleep(0)
        pace = Pace(room, 10.0, clock)
        left = []
        try:
            for size in came:
                pace.came += size
                clock.now += 10.5
                left.append(pace.left())
        finally:
            eldest.release()
            if waiting is not None:
                await waiting
        return left

    return on_uvloop(main)


def test_where_nobody_waits_no_pace_is_asked_for() -> None:
    assert in_a_room(False, [0, 1, 0]) == [10.0] * 3


def test_where_others_wait_each_window_must_have_its_bytes_whatever_came_before() -> None:
    enough = 10 * SLOW_BYTES_PER_SECOND
    assert in_a_room(True, [enough, enough]) == [10.0] * 2
    with pytest.raises(ClientGone, match="too slowly while others waited"):
        in_a_room(True, [100 * enough, enough - 1])


def test_a_window_lasts_as_long_as_it_says() -> None:
    async def main() -> None:
        clock = Clock()
        pace = Pace(Room(10), WINDOW_SECONDS, clock)
        clock.now = 4.0
        assert pace.left() == WINDOW_SECONDS - 4.0

    on_uvloop(main)


class Trickle:
    """A caller who sends most of a body and then a byte now and then, until the relay ends it or ``stop`` is called."""

    def __init__(self, relay: Relay, body: bytes, pause: float) -> None:
        self.caller = relay.call()
        sent = Request(b"POST", TARGETS[0], (), body).sent(relay.host)
        self.caller.send(sent[:-1000])
        self._rest, self._pause, self._stop = sent[-1000:], pause, threading.Event()
        self.cut = threading.Event()
        self._thread = threading.Thread(target=self._trickle, daemon=True)
        self._thread.start()

    def _trickle(self) -> None:
        while self._rest and not self._stop.wait(self._pause):
            try:
                self.caller.send(self._rest[:1])
            except OSError:
                self.cut.set()
                return
            self._rest = self._rest[1:]

    def stop(self) -> bytes:
        """What has not been sent yet."""
        self._stop.set()
        self._thread.join(20)
        return self._rest


def test_who_trickles_gives_way_to_who_waits(tmp_path: Path) -> None:
    upstream, size = RawUpstream(), 2_000_000
    sizes: dict[str, Any] = {"max_request_bytes": size, "max_buffered_bytes": 1_000_000, "body_timeout": 2.0}
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", **sizes) as relay:
        trickle = Trickle(relay, b"x" * 1_500_000, 0.05)
        upstream.will(ANSWER.raw)
        body = Request(b"POST", TARGETS[0], (), b"y" * 1_000_000)
        for _ in range(4):  # at its first try the window may have begun before it came
            caller = relay.call()
            threading.Thread(target=sending, args=(caller, body.sent(relay.host)), daemon=True).start()
            if caller.read_head().startswith(b"HTTP/1.1 200"):
                break
            caller.close()
        else:
            raise AssertionError("nobody else was served")
        assert trickle.cut.wait(20)
        trickle.stop()
        upstream.close()
        relay.stop()
        assert {m.outcome for m in relay.measured()} >= {"completed"}


def sending(caller: Any, data: bytes) -> None:
    try:
        caller.send(data)
    except OSError:  # refused before all of it was sent
        pass


def test_a_slow_upload_goes_on_while_nobody_waits(tmp_path: Path) -> None:
    upstream = RawUpstream()
    sizes: dict[str, Any] = {"max_request_bytes": 2_000_000, "max_buffered_bytes": 2_000_000, "body_timeout": 0.5}
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", **sizes) as relay:
        trickle = Trickle(relay, b"x" * 1_500_000, 0.05)
        assert not trickle.cut.wait(1.6)
        rest = trickle.stop()
        upstream.will(ANSWER.raw)
        trickle.caller.send(rest)
        assert trickle.caller.read(len(ANSWER.raw)) == ANSWER.raw
        trickle.caller.close()
        upstream.close()
        assert relay.stop() == 0
