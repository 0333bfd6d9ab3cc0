"""Limits: a client has so many connections and requests at a time, all together so many, and who is refused is told in words it understands."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamgauge.relay.clients import OVER, Clients, LimitSettings, client_of, clients
from streamgauge.relay.refusal import ClientLimit, Full
from tests.relay.scene import ANSWER, ASK
from tests.relay.wire import Caller, RawUpstream, Relay, until


def served(relay: Relay, upstream: RawUpstream, caller: Caller) -> None:
    upstream.will(ANSWER.raw)
    caller.send(ASK.sent(relay.host))
    upstream.received()
    assert caller.read(len(ANSWER.raw)) == ANSWER.raw


def refused(relay: Relay, caller: Caller) -> bytes:
    caller.send(ASK.sent(relay.host))
    answer, broken = caller.read_to_end()
    assert not broken
    return answer


@pytest.mark.parametrize(
    ("limits", "status", "reason", "verdict"),
    [
        ({"max_connections": 2}, b"503 Service Unavailable", b"max_connections", ("shed", "proxy", "max_connections")),
        ({"client_connections": 2}, b"429 Too Many Requests", b"client_limit", ("rejected", "downstream", "client_limit")),
    ],
)
def test_a_connection_over_the_limit_is_told_so_and_recorded(
    tmp_path: Path, upstream: RawUpstream, limits: dict[str, int], status: bytes, reason: bytes, verdict: tuple[str, str, str]
) -> None:
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", limits=limits) as relay:
        first, second = relay.call(), relay.call()
        for caller in (first, second):
            served(relay, upstream, caller)
        answer = refused(relay, relay.call())
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert b"x-streamgauge-reply: " + reason in answer
        assert b"retry-after: 1\r\n" in answer
        assert b"2 connections" in answer
        relay.last(3)
        assert verdict in [(m.outcome, m.side, m.error_type) for m in relay.measured()]
        served(relay, upstream, first)  # who was in is not hurt
        second.close()
        # As soon as one has gone there is room for another.
        until(lambda: b" 200 OK" in _tried(relay, upstream), "room")


def _tried(relay: Relay, upstream: RawUpstream) -> bytes:
    caller = relay.call()
    upstream.will(ANSWER.raw)
    caller.send(ASK.sent(relay.host))
    answer = caller.read_head()
    caller.close()
    return answer


def test_a_client_has_so_many_requests_under_way(tmp_path: Path, upstream: RawUpstream) -> None:
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", limits={"client_requests": 1}) as relay:
        go_on = threading.Event()
        upstream.will(go_on, ANSWER.raw)
        first, second = relay.call(), relay.call()
        first.send(ASK.sent(relay.host))
        upstream.received()
        answer = refused(relay, second)
        assert answer.startswith(b"HTTP/1.1 429 ")
        assert b"1 requests of this address are under way already (relay.limits.client_requests)" in answer
        go_on.set()
        assert first.read(len(ANSWER.raw)) == ANSWER.raw
        relay.last(2)
        served(relay, upstream, first)
        assert sorted(m.outcome for m in relay.measured() if m.outcome != "completed") == ["rejected"]


def test_a_connection_far_over_the_limit_is_ended_unanswered_and_the_log_says_so_once(tmp_path: Path, upstream: RawUpstream) -> None:
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", limits={"max_connections": 1}) as relay:
        kept = [relay.call() for _ in range(OVER)]
        for _ in range(3):
            assert relay.call().read_to_end()[0] == b""
        served(relay, upstream, kept[0])
        assert relay.seen() == 1
        assert relay.log.read_text().count("over a limit of relay.limits were ended unanswered") == 1


# --- the table ----------------------------------------------------------------------------------------------------------


class Transport(asyncio.Transport):
    """Knows only whence."""

    def __init__(self, host: str) -> None:
        super().__init__({"peername": (host, 1)})

    def abort(self) -> None:
        raise AssertionError


class Connection:
    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def test_without_limits_there_is_nothing_to_count(loop: asyncio.AbstractEventLoop) -> None:
    assert clients(LimitSettings(), loop) is None
    assert clients(LimitSettings(max_connections=1), loop) is not None


def test_one_client_does_not_use_up_what_is_anothers(loop: asyncio.AbstractEventLoop) -> None:
    table = Clients(LimitSettings(client_connections=1, client_requests=1), loop)
    mine, mine_too, yours = Connection(), Connection(), Connection()
    table.connected(mine, Transport("10.0.0.1"))
    table.connected(mine_too, Transport("10.0.0.1"))
    table.connected(yours, Transport("10.0.0.2"))
    table.begin(mine)
    table.begin(yours)
    with pytest.raises(ClientLimit, match="1 connections of this address"):
        table.begin(mine_too)


def test_nobody_is_remembered_who_has_gone(loop: asyncio.AbstractEventLoop) -> None:
    table = Clients(LimitSettings(client_requests=1), loop)
    for number in range(100):
        connection = Connection()
        table.connected(connection, Transport(f"10.0.0.{number}"))
        table.begin(connection)
        if number % 2:
            table.end(connection)
        table.gone(connection)
        table.end(connection)  # the walk ends after its connection
        table.begin(connection)  # nobody is there to be refused
    assert (table._clients, table._places) == ({}, {})


def test_a_request_that_was_refused_counts_for_nothing(loop: asyncio.AbstractEventLoop) -> None:
    table = Clients(LimitSettings(client_requests=1), loop)
    first, second = Connection(), Connection()
    for connection in (first, second):
        table.connected(connection, Transport("10.0.0.1"))
    table.begin(first)
    for _ in range(3):
        with pytest.raises(ClientLimit):
            table.begin(second)
        table.end(second)
    table.end(first)
    table.begin(second)


def test_all_connections_together_have_a_limit(loop: asyncio.AbstractEventLoop) -> None:
    table = Clients(LimitSettings(max_connections=1), loop)
    first, second = Connection(), Connection()
    table.connected(first, Transport("10.0.0.1"))
    table.connected(second, Transport("10.0.0.2"))
    with pytest.raises(Full):
        table.begin(second)


def test_who_is_arriving_has_its_place_already_when_it_is_there(loop: asyncio.AbstractEventLoop) -> None:
    table = Clients(LimitSettings(client_connections=1), loop)
    first, second = Connection(), Connection()
    assert table.arriving(first, ("10.0.0.1", 1))
    assert not table.arriving(second, ("10.0.0.1", 2))
    assert table.arriving(second, ("10.0.0.2", 2))
    table.connected(first, Transport("10.0.0.1"))
    table.begin(first)
    table.end(first)
    for connection in (first, second, second):
        table.gone(connection)
    assert (table._clients, table._places) == ({}, {})


@pytest.mark.parametrize(
    ("peername", "client"),
    [
        (("10.0.0.1", 4711), "10.0.0.1"),
        (("2001:db8:1:2:3:4:5:6", 4711, 0, 0), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 4711, 0, 2), "fe80::/64"),
        (("::ffff:10.0.0.1", 4711, 0, 0), "10.0.0.1"),
        (None, ""),
        ("", ""),
    ],
)
def test_a_client_is_an_address_or_a_network_of_one_host(peername: Any, client: str) -> None:
    assert client_of(peername) == client
