"""Request bodies: bounded, first come first served, framed as they were sent."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import sys
import termios
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from streamgauge.errors import StreamgaugeError
from streamgauge.relay.refusal import ClientGone
from streamgauge.relay.request_body import Hold, Room, chunked
from tests.relay.loopback import on_uvloop
from tests.relay.messages import TARGETS, Request, Response, chunks_of
from tests.relay.wire import Caller, RawUpstream, Relay, until

ANSWER = Response(b"HTTP/1.1 200 OK", ((b"content-type", b"application/json"),), "length", b'{"a": 1}')


@pytest.mark.parametrize(
    ("sent", "goes_on"),
    [
        (chunks_of(b"hello", (2, 1)), True),
        (chunks_of(b"hello", (), b';a="b"'), True),
        (b"5\r\nhello\r\n000\r\n\r\n", True),
        (chunks_of(b"hello", (2,), b"", b"x-sum: 1\r\n"), False),
    ],
)
@pytest.mark.parametrize("behind", [b"", b"POST / HTTP/1.1\r\n"])
def test_a_body_keeps_the_chunks_in_which_it_was_sent(sent: bytes, goes_on: bool, behind: bytes) -> None:
    assert chunked(b"hello", sent + behind) == (sent, goes_on)


@pytest.mark.parametrize(
    "sent",
    [
        None,
        b"",
        b"5\r\nhell",
        chunks_of(b"hallo", (2,)),
        chunks_of(b"hello!", (2,)),
        b"5;\nhello\r\nhello\r\n0\r\n\r\n",
        b"5 \x0b\r\nhello\r\n0\r\n\r\n",
        b"anything\r\n",
    ],
)
def test_what_does_not_frame_just_the_body_is_not_passed_on(sent: bytes | None) -> None:
    assert chunked(b"hello", sent) == (b"5\r\nhello\r\n0\r\n\r\n", False)
    assert chunked(b"", sent) == (b"0\r\n\r\n", False)


class Queue:
    """A room and those who ask for some of it."""

    def __init__(self, limit: int) -> None:
        self.room = Room(limit)
        self.ended: dict[str, asyncio.Future[None]] = {}
        self.tasks: dict[str, asyncio.Task[Hold]] = {}

    async def asks(self, name: str, size: int) -> None:
        self.ended[name] = asyncio.get_running_loop().create_future()
        self.tasks[name] = asyncio.get_running_loop().create_task(self.room.take(size, self.ended[name]))
        await self.settle()

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def leaves(self, name: str) -> None:
        self.tasks[name].result().release()
        await self.settle()

    @property
    def inside(self) -> str:
        return "".join(name for name, task in self.tasks.items() if task.done() and not task.cancelled() and task.exception() is None)


def with_room(limit: int, does: Callable[[Queue], Awaitable[None]]) -> None:
    async def main() -> None:
        queue = Queue(limit)
        await does(queue)
        for name in [name for name in queue.inside if queue.tasks[name].done()]:
            await queue.leaves(name)
        assert queue.room.held == 0

    on_uvloop(main)


def test_room_is_given_first_come_first_served() -> None:
    async def four(queue: Queue) -> None:
        for name, size in (("a", 6), ("b", 8), ("c", 2), ("d", 2)):
            await queue.asks(name, size)
        assert queue.inside == "a"  # c and d would fit, but b was here before
        await queue.leaves("a")
        assert queue.inside == "abc"
        await queue.leaves("b")
        assert queue.inside == "abcd"

    with_room(10, four)


def test_who_asks_for_more_than_there_is_gets_all_of_it() -> None:
    async def two(queue: Queue) -> None:
        await queue.asks("a", 1_000)
        await queue.asks("b", 1)
        assert (queue.inside, queue.room.held) == ("a", 10)
        await queue.leaves("a")
        assert queue.inside == "ab"

    with_room(10, two)


def test_room_is_given_back_once() -> None:
    async def twice(queue: Queue) -> None:
        await queue.asks("a", 4)
        await queue.asks("b", 4)
        await queue.leaves("a")
        await queue.leaves("a")
        assert queue.room.held == 4

    with_room(10, twice)


@pytest.mark.parametrize("how", ["ended", "cancelled"])
def test_who_goes_away_while_waiting_makes_room_for_the_next(how: str) -> None:
    async def three(queue: Queue) -> None:
        for name, size in (("a", 6), ("b", 8), ("c", 2)):
            await queue.asks(name, size)
        if how == "ended":
            queue.ended["b"].set_result(None)
        else:
            queue.tasks["b"].cancel()
        await queue.settle()
        assert queue.inside == "ac"
        expected = (StreamgaugeError,) if how == "ended" else (asyncio.CancelledError,)
        with pytest.raises(expected):
            queue.tasks["b"].result()

    with_room(10, three)


@pytest.mark.parametrize("how", ["ended", "cancelled"])
def test_who_goes_away_in_the_very_moment_of_his_turn_keeps_nothing(how: str) -> None:
    async def two(queue: Queue) -> None:
        await queue.asks("a", 6)
        await queue.asks("b", 8)
        queue.tasks["a"].result().release()
        if how == "ended":
            queue.ended["b"].set_result(None)
        else:
            queue.tasks["b"].cancel()
        await queue.settle()
        if how == "ended":
            assert isinstance(queue.tasks["b"].exception(), ClientGone)
        assert queue.room.held == 0

    with_room(10, two)


def _untaken(caller: Caller) -> int:
    """Bytes that the relay's side has not acknowledged."""
    return int.from_bytes(fcntl.ioctl(caller.sock, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "slow"])
def test_a_body_is_not_read_while_others_fill_the_room(tmp_path: Path, fast: bool) -> None:
    upstream = RawUpstream()
    size = 3_000_000
    sizes: dict[str, Any] = {"max_request_bytes": size, "max_buffered_bytes": size}
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", fast_path=fast, **sizes) as relay:
        large = Request(b"POST", TARGETS[0], (), b"x" * size).sent(relay.host)
        small = Request(b"POST", TARGETS[0], (), b"{}")
        first, second, third = relay.call(), relay.call(), relay.call()
        first.send(large[:-1])
        until(lambda: _untaken(first) == 0, "the relay to take the first body")
        # The kernel and aiohttp's buffer take a part of the second.
        second.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        sending = threading.Thread(target=second.send, args=(large,), daemon=True)
        sending.start()
        upstream.will(ANSWER.raw)
        third.send(small.sent(relay.host))
        assert upstream.received() == small.arrives(upstream.host)
        assert third.read(len(ANSWER.raw)) == ANSWER.raw
        assert sending.is_alive()
        upstream.will(ANSWER.raw)
        first.send(large[-1:])
        assert len(upstream.received()) > size
        assert first.read(len(ANSWER.raw)) == ANSWER.raw
        upstream.will(ANSWER.raw)
        assert len(upstream.received()) > size
        assert second.read(len(ANSWER.raw)) == ANSWER.raw
        for caller in (first, second, third):
            caller.close()
        upstream.close()
        assert relay.stop() == 0
        assert {m.outcome for m in relay.measured()} == {"completed"}


def test_a_trailer_never_becomes_a_header_of_the_next_request(tmp_path: Path) -> None:
    upstream = RawUpstream()
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}") as relay:
        with_trailer = Request(b"POST", TARGETS[0], (), b"{}", (), trailers=b"x-tenant: somebody-else\r\n")
        plain = Request(b"POST", TARGETS[0], (), b"{}")
        for together in (True, False):
            upstream.will(ANSWER.raw)
            caller = relay.call()
            caller.send(with_trailer.sent(relay.host) + (plain.sent(relay.host) if together else b""))
            assert upstream.received() == with_trailer.arrives(upstream.host)
            assert caller.read_to_end() == (ANSWER.raw, False)
            caller.close()
        assert upstream.requests.empty()
        upstream.close()
        assert relay.stop() == 0
