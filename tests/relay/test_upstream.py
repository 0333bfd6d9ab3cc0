"""One upstream connection: the very bytes through, the end found, and no connection used again that is not clean."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter_ns

import pytest

from streamgauge.records import Operation
from streamgauge.relay.exchange import Exchange
from streamgauge.relay.pool import Key, Pool
from streamgauge.relay.upstream import UpstreamConnection
from tests.relay.loopback import CHAT, OPAQUE, Application, Listener, Peer, certificate, exchange, listening, on_uvloop, pool, until, within

REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
FIVE = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
TOKEN = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Call:
    """A request under way: both ends of it, and the connection between."""

    def __init__(self, server: Listener, connections: Pool, key: Key) -> None:
        self.server, self.pool, self.key = server, connections, key
        self.told: list[Exchange] = []
        self.connection: UpstreamConnection
        self.peer: Peer
        self.exchange: Exchange
        self.application: Application

    async def send(self, *, body: bytes = b"{}", expects_body: bool = True, http_1_0: bool = False, operation: Operation = OPAQUE) -> None:
        taken = self.pool.take(self.key, perf_counter_ns())
        count = len(self.server.peers) + (taken is None)
        self.connection = taken or await self.pool.connect(self.key)
        await until(lambda: len(self.server.peers) == count, "the connection")
        self.peer = self.server.peers[-1]
        self.exchange, self.application = exchange(operation=operation, http_1_0=http_1_0, first_output=self.told.append)
        before = len(self.peer.received)
        self.connection.send(self.exchange, REQUEST, body, expects_body=expects_body)
        await until(lambda: len(self.peer.received) > before, "the request")

    async def hears(self, data: bytes) -> None:
        """The peer says ``data``, and the application gets something."""
        before = self.application.received
        await self.peer.says(data)
        await until(lambda: self.application.received != before or self.exchange.done.done(), f"something of {data[:40]!r}")

    async def ended(self) -> tuple[object, bool]:
        """How it ended, and whether the connection waits for another exchange."""
        await within(10, self.exchange.done)
        waiting = self.pool._idle.get(self.key, [])
        return self.exchange.verdict, self.connection in waiting


@asynccontextmanager
async def call() -> AsyncIterator[Call]:
    async with listening() as server, pool() as connections:
        made = Call(server, connections, ("http", "127.0.0.1", server.port))
        await made.send()
        yield made
        made.connection.abort()


COMPLETED = ("completed", None, None)


def test_a_response_passes_byte_for_byte_and_its_connection_serves_again() -> None:
    async def main() -> None:
        async with call() as made:
            raw = CHUNKED + chunk(TOKEN) + b"3;ext=1\r\n:ok\r\n" + chunk(b"data: [DONE]\n\n") + b"0\r\nx-sum: 1\r\n\r\n"
            await made.hears(raw[:-2])
            await made.hears(raw[-2:])
            assert await made.ended() == (COMPLETED, True)
            assert made.application.received == raw
            first = made.connection
            await made.send()
            assert made.connection is first
            await made.hears(FIVE)
            assert await made.ended() == (COMPLETED, True)
            assert (made.application.received, made.peer.received) == (FIVE, 2 * (REQUEST + b"{}"))

    on_uvloop(main)


def test_each_byte_is_forwarded_when_it_comes() -> None:
    async def main() -> None:
        async with call() as made:
            await made.peer.says(CHUNKED[:-1])
            await made.hears(CHUNKED[-1:])
            assert made.application.received == CHUNKED
            for byte in chunk(b"data: x"):
                before = made.application.received
                await made.hears(bytes([byte]))
                assert made.application.received == before + bytes([byte])

    on_uvloop(main)


def test_the_moments_and_the_first_output_are_noted() -> None:
    async def main() -> None:
        async with call() as made:
            await made.hears(FIVE)
            await made.send(operation=CHAT)
            points = made.exchange.observation.points
            await made.hears(CHUNKED)
            response = points.response
            assert (response is None, points.forwarded, made.told) == (False, None, [])
            await made.hears(chunk(b": ping\n\n"))
            forwarded = points.forwarded
            assert (forwarded is None, points.first_output) == (False, None)
            await made.hears(chunk(TOKEN) + chunk(TOKEN))
            assert made.told == [made.exchange]
            assert (made.exchange.observation.chunks, made.exchange.observation.output_chunks) == (3, 2)
            assert made.exchange.last_read_at == points.last_output
            assert points.forwarded == forwarded

    on_uvloop(main)


def test_interim_responses_pass_before_the_answer() -> None:
    async def main() -> None:
        async with call() as made:
            early = b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"
            await made.hears(early + FIVE[:20])
            assert made.application.received == early
            await made.hears(FIVE[20:])
            assert made.application.received == early + FIVE
            assert await made.ended() == (COMPLETED, True)

    on_uvloop(main)


def test_a_body_without_a_stated_end_is_whole_when_the_connection_ends() -> None:
    async def main() -> None:
        async with call() as made:
            await made.hears(b"HTTP/1.1 200 OK\r\n\r\nhel")
            await made.hears(b"lo")
            made.peer.transport.close()
            assert await made.ended() == (COMPLETED, False)
            assert made.application.received == b"HTTP/1.1 200 OK\r\n\r\nhello"
            assert not made.exchange.keep_alive

    on_uvloop(main)


def test_an_answer_to_head_has_no_body() -> None:
    async def main() -> None:
        async with call() as made:
            await made.hears(FIVE)
            await made.send(expects_body=False)
            await made.hears(FIVE[:-5])
            assert await made.ended() == (COMPLETED, True)

    on_uvloop(main)


def test_an_http_1_0_caller_gets_the_bare_body() -> None:
    async def main() -> None:
        async with call() as made:
            await made.hears(FIVE)
            await made.send(http_1_0=True)
            await made.hears(CHUNKED + chunk(b"abc"))
            await made.hears(chunk(b"def") + b"0\r\n\r\n")
            assert await made.ended() == (COMPLETED, True)
            assert made.application.received == b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nabcdef"
            assert not made.exchange.keep_alive

    on_uvloop(main)


@pytest.mark.parametrize(
    "raw",
    [
        FIVE + b"x",
        FIVE + FIVE,
        CHUNKED + b"0\r\n\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello",
    ],
    ids=["a byte more", "an answer more", "an empty line more", "a body that cannot be", "close", "HTTP/1.0"],
)
def test_a_connection_that_may_not_be_clean_is_closed(raw: bytes) -> None:
    async def main() -> None:
        async with call() as made:
            await made.hears(raw)
            assert await made.ended() == (COMPLETED, False)
            await until(lambda: made.peer.closed, "the peer to see the end")

    on_uvloop(main)


def test_bytes_behind_the_end_reach_nobody() -> None:
    async def main() -> None:
        async with call() as made:
            await made.hears(CHUNKED)
            await made.hears(chunk(b"a") + b"0\r\n\r\n" + b"HTTP/1.1 200 OK\r\n\r\nsomebody else's answer")
            assert await made.ended() == (COMPLETED, False)
            assert made.application.received == CHUNKED + chunk(b"a") + b"0\r\n\r\n"

    on_uvloop(main)


def test_a_connection_whose_request_has_not_left_whole_is_not_used_again() -> None:
    async def main() -> None:
        async with call() as made:
            await made.hears(FIVE)
            made.peer.transport.pause_reading()
            taken = made.pool.take(made.key, perf_counter_ns())
            assert taken is made.connection
            made.exchange, made.application = exchange(operation=OPAQUE)
            taken.send(made.exchange, REQUEST, bytes(20_000_000), expects_body=True)
            await made.hears(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
            assert await made.ended() == (("client_error", "downstream", "413"), False)
            made.peer.transport.resume_reading()
            await until(lambda: made.peer.closed, "the peer to see the end")
            assert len(made.peer.received) < 20_000_000

    on_uvloop(main)


def test_a_large_request_arrives_whole() -> None:
    async def main() -> None:
        async with call() as made:
            await made.hears(FIVE)
            body = bytes(range(256)) * 20_000
            await made.send(body=body)
            await until(lambda: len(made.peer.received) == 2 * len(REQUEST) + 2 + len(body), "all of it")
            assert made.peer.received.endswith(REQUEST + body)

    on_uvloop(main)


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize(
    ("said", "verdict", "begun"),
    [
        (b"", ("upstream_error", "upstream", "upstream_reset"), False),
        (b"HTTP/1.1 200 OK\r\ncontent-le", ("upstream_error", "upstream", "upstream_reset"), False),
        (CHUNKED + chunk(TOKEN), ("stream_error", "upstream", "upstream_reset"), True),
        (FIVE[:-1], ("stream_error", "upstream", "upstream_reset"), True),
    ],
    ids=["nothing said", "half a head", "no last chunk", "a byte missing"],
)
def test_an_upstream_that_ends_too_early_is_broken(said: bytes, verdict: object, begun: bool, how: str) -> None:
    async def main() -> None:
        async with call() as made:
            await made.peer.says(said)
            await until(lambda: made.connection._scanner.consumed == len(said), "what was said to be read")
            made.peer.transport.close() if how == "close" else made.peer.reset()
            assert await made.ended() == (verdict, False)
            assert made.exchange.replied is begun

    on_uvloop(main)


def test_a_body_without_a_stated_end_that_is_reset_is_broken() -> None:
    async def main() -> None:
        async with call() as made:
            await made.hears(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nhel")
            made.peer.reset()
            assert await made.ended() == (("stream_error", "upstream", "upstream_reset"), False)
            assert made.exchange.unframed

    on_uvloop(main)


@pytest.mark.parametrize("before", [b"", CHUNKED])
def test_bytes_that_are_no_response_break_the_exchange(before: bytes) -> None:
    async def main() -> None:
        async with call() as made:
            if before:
                await made.hears(before)
            await made.peer.says(b"+5\r\nhello\r\n")
            verdict, reused = await made.ended()
            assert verdict == ("stream_error" if before else "upstream_error", "upstream", "upstream_protocol")
            assert reused is False
            await until(lambda: made.peer.closed, "the peer to see the end")

    on_uvloop(main)


def test_an_exchange_that_is_given_up_ends_the_connection_at_once() -> None:
    async def main() -> None:
        async with call() as made:
            await made.hears(CHUNKED)
            before = perf_counter_ns()
            made.exchange.downstream_lost(before)
            await until(lambda: made.peer.closed, "the peer to see the end", 1.0)
            assert (perf_counter_ns() - before) / 1e9 < 0.5
            assert made.application.received == CHUNKED

    on_uvloop(main)


def test_a_slow_application_makes_the_upstream_wait() -> None:
    async def main() -> None:
        async with call() as made:
            await made.hears(CHUNKED)
            made.exchange.pause(perf_counter_ns())
            made.exchange.pause(perf_counter_ns())
            much = chunk(bytes(30_000_000))
            made.peer.transport.write(much)
            await until(lambda: made.peer.transport.get_write_buffer_size() < len(much), "the kernel to take what it can")
            held = made.peer.transport.get_write_buffer_size()
            assert held > 10_000_000
            assert made.application.received == CHUNKED
            made.exchange.resume(perf_counter_ns())
            await until(lambda: len(made.application.received) == len(CHUNKED) + len(much), "all of it")

    on_uvloop(main)


def test_a_connection_that_was_paused_at_the_end_reads_again_for_the_next_exchange() -> None:
    async def main() -> None:
        async with call() as made:
            # The last read makes the application's buffer run over: the pause comes while the exchange ends.
            made.application.write = lambda data: made.exchange.pause(1)  # type: ignore[method-assign]
            await made.peer.says(FIVE)
            assert await made.ended() == (COMPLETED, True)
            await made.send()
            await made.hears(FIVE)
            assert await made.ended() == (COMPLETED, True)

    on_uvloop(main)


def test_pausing_and_closing_a_connection_that_has_ended_is_nothing() -> None:
    async def main() -> None:
        async with call() as made:
            made.connection.close()
            for act in (made.connection.pause, made.connection.resume, made.connection.close, made.connection.abort):
                act()
            await until(lambda: made.peer.closed, "the peer to see the end")
            assert not made.exchange.done.done()

    on_uvloop(main)


def test_the_same_holds_over_tls(tmp_path: Path) -> None:
    cert, tls = certificate(tmp_path)

    async def main() -> None:
        async with listening(tls) as server, pool(ca_file=str(cert)) as connections:
            made = Call(server, connections, ("https", "localhost", server.port))
            for raw in (CHUNKED + chunk(TOKEN) + b"0\r\n\r\n", FIVE):
                await made.send(body=bytes(100_000))
                await made.hears(raw)
                assert await made.ended() == (COMPLETED, True)
                assert made.application.received == raw
            assert len(server.peers) == 1
            await made.send()
            await made.hears(CHUNKED)
            made.exchange.downstream_lost(1)
            await until(lambda: server.peers[0].closed, "the peer to see the end")

    on_uvloop(main)
