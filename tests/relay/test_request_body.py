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
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader

from streamgauge.relay.refusal import Busy, ClientGone
from streamgauge.relay.request_body import FOLLOWED_BYTES, Chunks, Hold, Room, chunked
from tests.relay.loopback import on_uvloop
from tests.relay.messages import TARGETS, Request, Response, chunks_of
from tests.relay.wire import Caller, RawUpstream, Relay, until

ANSWER = Response(b"HTTP/1.1 200 OK", ((b"content-type", b"application/json"),), "length", b'{"a": 1}')


def followed(sent: bytes, pieces: int, content: bytes) -> Chunks:
    """A chunked body that came in so many reads."""
    body = StreamReader(BaseProtocol(asyncio.get_running_loop()), 1 << 30, loop=asyncio.get_running_loop())
    size = -(-max(1, len(sent)) // pieces)
    reads = [sent[at : at + size] for at in range(0, len(sent), size)] or [b""]
    chunks = Chunks(body, reads[0])
    for read in reads[1:]:
        if not chunks.whole:
            chunks.follow(read)
    body.feed_data(content)
    body.feed_eof()
    return chunks


def framed(content: bytes, sent: bytes, pieces: int = 1) -> tuple[bytes, bool]:
    async def main() -> tuple[bytes, bool]:
        return chunked(content, followed(sent, pieces, content))

    return on_uvloop(main)


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
@pytest.mark.parametrize("pieces", [1, 2, 50])
def test_a_body_keeps_the_chunks_in_which_it_was_sent(sent: bytes, goes_on: bool, behind: bytes, pieces: int) -> None:
    assert framed(b"hello", sent + behind, pieces) == (sent, goes_on)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"5\r\nhell",
        chunks_of(b"hallo", (2,)),
        chunks_of(b"hello!", (2,)),
        b"5;\nhello\r\nhello\r\n0\r\n\r\n",
        b"5 \x0b\r\nhello\r\n0\r\n\r\n",
        b"anything\r\n",
    ],
)
def test_what_does_not_frame_just_the_body_is_not_passed_on(sent: bytes) -> None:
    assert framed(b"hello", sent) == (b"5\r\nhello\r\n0\r\n\r\n", False)
    assert chunked(b"hello", None) == (b"5\r\nhello\r\n0\r\n\r\n", False)
    assert chunked(b"", None) == (b"0\r\n\r\n", False)


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        (b"x" * 100_000, chunks_of(b"x" * 100_000, (1,) * 100_000)),
        (b"x" * (FOLLOWED_BYTES + 1), chunks_of(b"x" * (FOLLOWED_BYTES + 1), (65_536,) * 65)),
        (b"x" * 100, chunks_of(b"x" * 100, (1,) * 100, b";a=" + b"b" * 8_000)),
    ],
    ids=["tiny chunks", "a long body", "mostly extensions"],
)
def test_what_would_cost_others_their_time_or_memory_is_put_into_one_chunk(content: bytes, sent: bytes) -> None:
    body, goes_on = framed(content, sent, pieces=-(-len(sent) // 65_536))
    assert (body, goes_on) == (b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content), False)


class Crowd:
    """A room and those who are in it."""

    def __init__(self, limit: int) -> None:
        self.room = Room(limit)
        self.holds: dict[str, Hold] = {}
        self.ended: dict[str, asyncio.Future[None]] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def brings(self, name: str, size: int) -> None:
        if name not in self.holds:
            self.holds[name] = self.room.enter()
        self.holds[name].grow(size)

    async def asks(self, name: str, timeout: float = 60.0) -> None:
        loop = asyncio.get_running_loop()
        self.ended[name] = loop.create_future()
        self.tasks[name] = loop.create_task(self.room.wait(self.holds[name], self.ended[name], timeout))
        await settle()

    async def leaves(self, name: str) -> None:
        self.holds[name].release()
        await settle()

    @property
    def waiting(self) -> str:
        return "".join(name for name, task in self.tasks.items() if not task.done())


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def with_room(limit: int, does: Callable[[Crowd], Awaitable[None]]) -> None:
    async def main() -> None:
        crowd = Crowd(limit)
        await does(crowd)
        for name in crowd.holds:
            await crowd.leaves(name)
        assert crowd.room.held == 0
        assert crowd.waiting == ""

    on_uvloop(main)


def test_who_comes_when_the_room_is_full_waits_and_the_eldest_never_does() -> None:
    async def three(crowd: Crowd) -> None:
        for name, size in (("a", 6), ("b", 3), ("c", 1)):
            crowd.brings(name, size)
        for name in "abc":
            await crowd.asks(name)
        assert crowd.waiting == "bc"
        crowd.brings("a", 100)
        await crowd.asks("a")
        assert crowd.waiting == "bc"
        await crowd.leaves("a")
        assert crowd.waiting == ""

    with_room(10, three)


def test_when_the_eldest_leaves_and_the_room_is_still_full_the_next_eldest_goes_on() -> None:
    async def three(crowd: Crowd) -> None:
        for name in "abc":
            crowd.brings(name, 10)
        await crowd.asks("b")
        await crowd.asks("c")
        await crowd.leaves("a")
        assert crowd.waiting == "c"

    with_room(10, three)


def test_announcing_much_takes_no_room() -> None:
    async def many(crowd: Crowd) -> None:
        for number in range(100):
            crowd.brings(str(number), 0)
        crowd.brings("last", 5)
        await crowd.asks("last")
        assert crowd.waiting == ""

    with_room(10, many)


def test_room_is_given_back_once() -> None:
    async def twice(crowd: Crowd) -> None:
        crowd.brings("a", 4)
        crowd.brings("b", 4)
        await crowd.leaves("a")
        await crowd.leaves("a")
        assert crowd.room.held == 4

    with_room(10, twice)


def test_who_goes_away_while_waiting_is_not_waited_for() -> None:
    async def two(crowd: Crowd) -> None:
        crowd.brings("a", 10)
        crowd.brings("b", 1)
        await crowd.asks("b")
        crowd.ended["b"].set_result(None)
        await settle()
        assert isinstance(crowd.tasks["b"].exception(), ClientGone)

    with_room(10, two)


def test_who_waits_too_long_is_told_to_come_again() -> None:
    async def two(crowd: Crowd) -> None:
        crowd.brings("a", 10)
        crowd.brings("b", 1)
        await crowd.asks("b", timeout=0.001)
        await asyncio.wait([crowd.tasks["b"]])
        assert isinstance(crowd.tasks["b"].exception(), Busy)

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


def test_a_body_that_has_left_takes_no_room_however_long_its_answer_takes(tmp_path: Path) -> None:
    upstream = RawUpstream()
    size = 3_000_000
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", max_request_bytes=size, max_buffered_bytes=size, body_timeout=1.0) as relay:
        large = Request(b"POST", TARGETS[0], (), b"x" * size)
        go_on = threading.Event()
        upstream.will(go_on, ANSWER.raw)
        thinking = relay.call()
        thinking.send(large.sent(relay.host))
        upstream.received()
        for _ in range(2):
            upstream.will(ANSWER.raw)
            caller = relay.call()
            caller.send(large.sent(relay.host))
            assert caller.read(len(ANSWER.raw)) == ANSWER.raw
            caller.close()
        go_on.set()
        assert thinking.read(len(ANSWER.raw)) == ANSWER.raw
        thinking.close()
        upstream.close()
        assert relay.stop() == 0
        assert [m.outcome for m in relay.measured()] == ["completed"] * 3


@pytest.mark.parametrize("torn", [1, 2, 3])
def test_chunks_are_followed_where_the_end_of_the_head_is_torn(tmp_path: Path, torn: int) -> None:
    upstream = RawUpstream()
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}") as relay:
        request = Request(b"POST", TARGETS[0], (), b"hello", (2,), trailers=b"x-sum: 1\r\n")
        sent = request.sent(relay.host)
        upstream.will(ANSWER.raw)
        caller = relay.call()
        cut = sent.index(b"\r\n\r\n") + torn
        caller.send(sent[:cut])
        until(lambda: _untaken(caller) == 0, "the relay's kernel to have the first part")
        # A call of another's is served after it was read.
        upstream.will(ANSWER.raw)
        other = relay.call()
        other.send(Request(b"POST", TARGETS[0], (), b"{}").sent(relay.host))
        upstream.received()
        caller.send(sent[cut:])
        assert other.read(len(ANSWER.raw)) == ANSWER.raw
        assert upstream.received() == request.arrives(upstream.host)
        assert caller.read_to_end() == (ANSWER.raw, False)
        upstream.close()
        assert relay.stop() == 0


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
