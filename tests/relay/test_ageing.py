"""The age of applications' connections: an old one is ended at rest, never within a request, and not all at once."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamgauge.relay.ageing import JITTER, Ageing
from streamgauge.relay.tls import TlsSettings
from tests.relay.loopback import certificate
from tests.relay.scene import ANSWER, ASK, CHUNKED, FIRST
from tests.relay.wire import Caller, RawUpstream, Relay

AGE = 0.3


@pytest.fixture
def relay(tmp_path: Path, upstream: RawUpstream) -> Iterator[Relay]:
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", connection_age=AGE) as made:
        yield made


def served(relay: Relay, upstream: RawUpstream, caller: Caller) -> None:
    upstream.will(ANSWER.raw)
    caller.send(ASK.sent(relay.host))
    upstream.received()
    assert caller.read(len(ANSWER.raw)) == ANSWER.raw


def test_an_old_connection_at_rest_is_ended(relay: Relay, upstream: RawUpstream) -> None:
    caller, never_used = relay.call(), relay.call()
    begun = time.monotonic()
    served(relay, upstream, caller)
    assert caller.read_to_end() == (b"", False)
    assert time.monotonic() - begun > AGE * (1 - JITTER) - 0.05
    assert never_used.read_to_end() == (b"", False)


def test_a_request_under_way_is_never_cut(relay: Relay, upstream: RawUpstream) -> None:
    go_on = threading.Event()
    upstream.will(CHUNKED + FIRST, go_on, FIRST + b"0\r\n\r\n")
    caller, idle = relay.call(), relay.call()
    caller.send(ASK.sent(relay.host))
    upstream.received()
    caller.read(len(CHUNKED + FIRST))
    assert idle.read_to_end() == (b"", False)
    idle_again = relay.call()
    assert idle_again.read_to_end() == (b"", False)  # twice the age has passed
    go_on.set()
    assert caller.read_to_end() == (FIRST + b"0\r\n\r\n", False)


def test_what_is_sent_at_the_very_moment_meets_an_end_and_no_reset(relay: Relay, upstream: RawUpstream) -> None:
    caller = relay.call()
    served(relay, upstream, caller)
    assert caller.sock.recv(1) == b""
    caller.send(ASK.sent(relay.host))
    assert caller.read_to_end() == (b"", False)
    assert relay.seen() == 1


def test_a_connection_that_never_rests_goes_on(relay: Relay, upstream: RawUpstream) -> None:
    caller = relay.call()
    begun = time.monotonic()
    count = 0
    while time.monotonic() < begun + 3 * AGE:
        served(relay, upstream, caller)
        count += 1
    assert relay.seen() == count


def test_inside_tls_it_is_ended_at_once_for_there_is_no_half_of_it(tmp_path: Path, upstream: RawUpstream) -> None:
    (tmp_path / "relay").mkdir()
    certificate(tmp_path, "localhost")
    tls = TlsSettings(str(tmp_path / "localhost.pem"), str(tmp_path / "localhost.key"))
    with Relay(tmp_path / "relay", f"http://127.0.0.1:{upstream.port}", tls=tls, connection_age=AGE) as relay:
        caller = relay.call_tls(ssl.create_default_context(cafile=str(tmp_path / "localhost.pem")))
        served(relay, upstream, caller)
        begun = time.monotonic()
        assert caller.read_to_end() == (b"", False)
        assert time.monotonic() - begun < 1.5


class Connection:
    """One that is asked for a while; it notes when it is ended."""

    def __init__(self, asked: int = 0) -> None:
        self.asked = asked
        self.ended_at: float | None = None

    def is_asked(self) -> bool:
        self.asked -= 1
        return self.asked >= 0

    def rested(self, now: float) -> float:
        return 1.0

    def part(self) -> None:
        self.ended_at = asyncio.get_running_loop().time()


def test_those_that_were_made_together_do_not_end_together() -> None:
    async def lives() -> list[float]:
        loop = asyncio.get_running_loop()
        ageing, begun, connections = Ageing(0.2, loop), loop.time(), [Connection() for _ in range(100)]
        for connection in connections:
            ageing.born(connection)
        async with asyncio.timeout(10):
            while any(connection.ended_at is None for connection in connections):
                await asyncio.sleep(0.01)
        assert ageing._timers == {}
        return [connection.ended_at - begun for connection in connections if connection.ended_at is not None]

    found = asyncio.run(lives())
    assert min(found) < 0.19
    assert max(found) > 0.21


def test_one_that_has_gone_is_forgotten() -> None:
    async def forgotten() -> None:
        ageing, connection = Ageing(0.0, asyncio.get_running_loop()), Connection()
        ageing.born(connection)
        ageing.gone(connection)
        ageing.gone(connection)
        await asyncio.sleep(0.01)
        assert (connection.ended_at, ageing._timers) == (None, {})

    asyncio.run(forgotten())
