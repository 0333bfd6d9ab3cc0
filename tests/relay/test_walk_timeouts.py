"""Patience: what each side gets that keeps the other waiting, on both upstream paths."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.relay.scene import ASK, CHUNKED, FIRST, Scene, reply, scene_in

IMPATIENT = {"first_byte_timeout": 0.4, "read_timeout": 0.5, "body_timeout": 0.3, "keepalive": 0.5, "downstream_buffer": 8_000_000}


@pytest.fixture(scope="module", params=["fast", "slow"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene_in(tmp_path_factory.mktemp("worker"), fast=request.param == "fast", **IMPATIENT) as made:
        yield made


@pytest.fixture
def hasty(shared: Scene) -> Iterator[Scene]:
    shared.begin()
    yield shared
    shared.end()


def test_an_upstream_that_never_answers_is_a_504(hasty: Scene) -> None:
    hasty.upstream.will("wait for the end")
    caller = hasty.asks()
    hasty.upstream.received()
    start, headers, message = reply(caller.read_to_end()[0])
    assert (start, headers[b"x-streamgauge-reply"]) == (b"HTTP/1.1 504 Gateway Timeout", b"upstream_timeout")
    assert message == "streamgauge: 127.0.0.1 did not begin to answer within relay.first_byte_timeout"
    m = hasty.measured()
    assert (m.outcome, m.side, m.error_type) == ("timeout", "upstream", "first_byte_timeout")
    assert hasty.upstream.connections[-1].ended.wait(5)


def test_a_stream_that_stops_is_broken_after_the_read_timeout(hasty: Scene) -> None:
    hasty.upstream.will(CHUNKED + FIRST, "wait for the end")
    caller = hasty.asks()
    hasty.upstream.received()
    assert caller.read_to_end()[0] == CHUNKED + FIRST
    m = hasty.measured()
    assert (m.outcome, m.side, m.error_type, m.http_status) == ("timeout", "upstream", "read_timeout", 200)
    assert hasty.upstream.connections[-1].ended.wait(5)


def test_a_request_that_stops_arriving_is_given_up(hasty: Scene) -> None:
    caller = hasty.relay.call()
    caller.send(ASK.sent(hasty.relay.host)[:-1])
    assert caller.read_to_end()[0] == b""
    m = hasty.measured()
    assert (m.outcome, m.side) == ("client_cancelled", "downstream")
    assert hasty.never_asked()


def test_an_application_that_takes_nothing_is_given_up(hasty: Scene) -> None:
    hasty.upstream.will(b"HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n", bytes(50_000_000))
    caller = hasty.relay.call(receive_buffer=65_536)
    caller.send(ASK.sent(hasty.relay.host))
    hasty.upstream.received()
    m = hasty.measured()
    assert (m.outcome, m.side) == ("client_cancelled", "downstream")
    assert hasty.upstream.connections[-1].ended.wait(5)
    caller.close()


def test_an_application_that_does_not_take_the_last_bytes_is_given_up(hasty: Scene) -> None:
    # Small enough for the worker to hold it, too large for the kernel to take it.
    hasty.upstream.will(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n", bytes(10_000_000))
    caller = hasty.relay.call(receive_buffer=4_096)
    caller.send(ASK.sent(hasty.relay.host))
    hasty.upstream.received()
    m = hasty.measured()
    assert m.outcome == "completed"
    assert m.downstream_wait is not None
    assert 0.4 < m.downstream_wait < 3.0
    data, broken = caller.read_to_end()
    assert (len(data) < 10_000_000, broken) == (True, True)


def test_an_idle_application_connection_is_closed(hasty: Scene) -> None:
    with hasty.relay.call() as caller:
        assert caller.read_to_end() == (b"", False)
