"""How a worker leaves at leisure: nothing is cut, nothing is ended that is in use, and it may still be told to hurry."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamgauge.child import RETIRE
from streamgauge.relay.accepting import DownstreamServer
from streamgauge.relay.clients import Clients
from streamgauge.relay.downstream import Downstream
from streamgauge.relay.leaving import Leaving
from streamgauge.relay.settings import RelaySettings
from tests.relay.loopback import on_uvloop
from tests.relay.scene import ANSWER, ASK, CHUNKED, FIRST
from tests.relay.wire import Caller, RawUpstream, Relay, until


@pytest.fixture
def relay(tmp_path: Path, upstream: RawUpstream) -> Iterator[Relay]:
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", drain_seconds=0.5) as made:
        yield made


def retire(relay: Relay) -> None:
    assert relay.process.stdin is not None
    relay.process.stdin.write(RETIRE.encode() + b"\n")
    relay.process.stdin.flush()


def served(relay: Relay, upstream: RawUpstream, caller: Caller) -> None:
    upstream.will(ANSWER.raw)
    caller.send(ASK.sent(relay.host))
    upstream.received()
    assert caller.read(len(ANSWER.raw)) == ANSWER.raw


def streaming(relay: Relay, upstream: RawUpstream) -> tuple[Caller, threading.Event]:
    """A stream that has begun, and what lets it end."""
    go_on = threading.Event()
    upstream.will(CHUNKED + FIRST, go_on, FIRST + b"0\r\n\r\n")
    caller = relay.call()
    caller.send(ASK.sent(relay.host))
    upstream.received()
    caller.read(len(CHUNKED + FIRST))
    return caller, go_on


def ended(caller: Caller) -> None:
    assert caller.read_to_end() == (b"", False)
    caller.close()


def test_it_ends_when_its_last_connection_is_at_rest(relay: Relay, upstream: RawUpstream) -> None:
    caller = relay.call()
    served(relay, upstream, caller)
    retire(relay)
    ended(caller)
    assert relay.process.wait(5) == 0


def test_a_stream_may_go_on_for_longer_than_draining_takes(relay: Relay, upstream: RawUpstream) -> None:
    caller, go_on = streaming(relay, upstream)
    idle = relay.call()
    served(relay, upstream, idle)
    retire(relay)
    before = time.monotonic()
    ended(idle)
    until(lambda: time.monotonic() > before + 1.0, "twice the time of draining")
    assert relay.process.poll() is None
    go_on.set()
    assert caller.read_to_end() == (FIRST + b"0\r\n\r\n", False)
    caller.close()
    assert relay.process.wait(5) == 0
    assert [m.outcome for m in relay.measured()] == ["completed"] * 2


def test_a_connection_in_use_goes_on_being_served(relay: Relay, upstream: RawUpstream) -> None:
    caller = relay.call()
    served(relay, upstream, caller)
    stream, go_on = streaming(relay, upstream)
    retire(relay)
    for _ in range(100):
        served(relay, upstream, caller)
    go_on.set()
    stream.read_to_end()
    stream.close()
    ended(caller)
    assert relay.process.wait(5) == 0
    assert relay.seen() == 102


def test_a_new_connection_has_time_to_say_what_it_wants(relay: Relay, upstream: RawUpstream) -> None:
    used, fresh = relay.call(), relay.call()
    served(relay, upstream, used)
    retire(relay)
    ended(used)  # the worker is leaving
    served(relay, upstream, fresh)
    ended(fresh)
    assert relay.process.wait(5) == 0


def test_what_is_sent_at_the_very_moment_meets_an_end_and_no_reset(relay: Relay, upstream: RawUpstream) -> None:
    caller = relay.call()
    served(relay, upstream, caller)
    stream, go_on = streaming(relay, upstream)
    retire(relay)
    assert caller.sock.recv(1) == b""  # the end has come, and the application has not noticed when it sends
    caller.send(ASK.sent(relay.host))
    ended(caller)
    go_on.set()
    stream.read_to_end()
    stream.close()
    assert relay.process.wait(5) == 0
    assert relay.seen() == 2


def test_at_leisure_it_may_be_told_to_hurry(relay: Relay, upstream: RawUpstream) -> None:
    caller, _ = streaming(relay, upstream)
    idle = relay.call()
    served(relay, upstream, idle)
    retire(relay)
    ended(idle)
    relay.process.send_signal(signal.SIGTERM)
    assert not caller.read_to_end()[0].endswith(b"0\r\n\r\n")
    assert relay.process.wait(5) == 0
    assert [m.outcome for m in relay.measured()] == ["completed", "proxy_error"]


def test_in_a_hurry_it_may_be_told_that_there_is_time(relay: Relay, upstream: RawUpstream) -> None:
    caller, go_on = streaming(relay, upstream)
    idle = relay.call()
    served(relay, upstream, idle)
    relay.process.send_signal(signal.SIGTERM)
    ended(idle)
    before = time.monotonic()
    retire(relay)
    until(lambda: time.monotonic() > before + 1.0, "twice the time of draining")
    go_on.set()
    assert caller.read_to_end() == (FIRST + b"0\r\n\r\n", False)
    caller.close()
    assert relay.process.wait(5) == 0


class Answers:
    """A relay that answers everything at once."""

    settings = RelaySettings()
    clients: Clients | None = None
    draining = False
    under_way = 0

    async def walk(self, connection: Downstream, message: object, body: object, head_at: int) -> bool:
        assert connection.transport is not None
        connection.transport.write(ANSWER.raw)
        return True

    async def connect(self, connection: Downstream, message: object, at: int) -> None:
        raise NotImplementedError

    def malformed(self, connection: Downstream, at: int, *, http2: bool) -> None:
        raise NotImplementedError


@pytest.mark.parametrize("leisurely", [False, True])
def test_who_was_let_in_the_very_moment_before_is_served(leisurely: bool) -> None:
    async def answered() -> bytes:
        loop = asyncio.get_running_loop()
        relay = Answers()
        server = DownstreamServer(relay, loop)
        leaving = Leaving(relay, server, loop, 5.0)
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as caller:
            accepted, _ = listener.accept()
            caller.sendall(ASK.sent(b"h"))
            for one in (accepted, caller):
                one.setblocking(False)
            # As the event loop does it: between accepting and the first call of the connection's protocol it has other things to do.
            letting_in = loop.create_task(loop.connect_accepted_socket(server, accepted))
            (leaving.retire if leisurely else leaving.hurry)()
            await leaving.leave(lambda: None, 1.0)
            answer = caller.recv(1 << 16)  # the worker ends now: what has not left by then never does
            await letting_in
            return answer

    assert on_uvloop(answered) == ANSWER.raw
