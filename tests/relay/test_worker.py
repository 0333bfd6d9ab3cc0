"""A worker's life: it serves on inherited sockets, says how it is, and ends in order."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamgauge.records import SpoolRecord, WorkerStatus
from streamgauge.relay.tls import TlsSettings
from tests.relay.messages import TARGETS, Request
from tests.relay.scene import ANSWER, ASK, CHUNKED, FIRST
from tests.relay.wire import DEADLINE, RawUpstream, Relay, until
from tests.spool.made import read_all, spools

DRAINING = 2.0
"""Seconds a worker has to drain; what must not wait for that is done in half of it."""


@pytest.fixture
def relay(tmp_path: Path, upstream: RawUpstream) -> Iterator[Relay]:
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", drain_seconds=DRAINING) as made:
        yield made


def records(relay: Relay) -> list[SpoolRecord]:
    found = []
    for spool in spools(relay.directory):
        found += read_all(spool)
        spool.close()
    return found


def statuses(relay: Relay) -> list[WorkerStatus]:
    return [record for record in records(relay) if isinstance(record, WorkerStatus)]


def told_to_stop(relay: Relay) -> None:
    """SIGTERM was sent and has been seen."""
    relay.process.terminate()
    until(lambda: any(status.reason == "draining" for status in statuses(relay)), "the worker to drain")


def test_it_says_once_a_second_how_it_is(relay: Relay, upstream: RawUpstream) -> None:
    upstream.will("wait for the end")
    relay.call().send(ASK.sent(relay.host))
    upstream.received()
    until(lambda: any(status.in_flight for status in statuses(relay)), "a status with an open exchange")
    first = statuses(relay)[0]
    assert (first.worker_id, first.ready, first.reason, first.in_flight) == ("w0", True, None, 0)
    assert all(0 <= status.loop_lag < 1 for status in statuses(relay))
    relay.forget_callers()
    assert relay.stop() == 0
    assert [(status.ready, status.reason) for status in statuses(relay)][-1] == (False, "draining")


def test_open_streams_end_before_it_does(relay: Relay, upstream: RawUpstream) -> None:
    go_on = threading.Event()
    upstream.will(CHUNKED + FIRST, go_on, FIRST + b"0\r\n\r\n")
    caller = relay.call()
    caller.send(ASK.sent(relay.host))
    upstream.received()
    caller.read(len(CHUNKED + FIRST))
    told_to_stop(relay)
    go_on.set()
    assert caller.read_to_end() == (FIRST + b"0\r\n\r\n", False)
    assert relay.stop() == 0
    assert [m.outcome for m in relay.measured()] == ["completed"]


@pytest.mark.parametrize("used", [False, True], ids=["new connections", "used connections"])
def test_who_had_asked_before_it_was_told_to_end_is_served(relay: Relay, upstream: RawUpstream, used: bool) -> None:
    callers = [relay.call() for _ in range(8)]
    for caller in callers:
        upstream.will(ANSWER.raw)
        caller.send(ASK.sent(relay.host))
        upstream.received()
        caller.read(len(ANSWER.raw))
    relay.process.send_signal(signal.SIGSTOP)
    if not used:
        callers = [relay.call() for _ in range(8)]
    for caller in callers:
        upstream.will(ANSWER.raw)
        caller.send(ASK.sent(relay.host))
    relay.process.send_signal(signal.SIGTERM)
    relay.process.send_signal(signal.SIGCONT)
    assert [caller.read_to_end() for caller in callers] == [(ANSWER.raw, False)] * 8
    assert relay.stop() == 0


def test_a_request_that_is_still_arriving_is_served(relay: Relay, upstream: RawUpstream) -> None:
    caller = relay.call()
    raw = ASK.sent(relay.host)
    caller.send(raw[:-1])
    until(lambda: relay.seen() == 1, "the request's head to be read")
    told_to_stop(relay)
    upstream.will(ANSWER.raw)
    caller.send(raw[-1:])
    upstream.received()
    assert caller.read_to_end() == (ANSWER.raw, False)
    assert relay.stop() == 0
    assert [m.outcome for m in relay.measured()] == ["completed"]


def test_idle_connections_are_closed_at_once(relay: Relay, upstream: RawUpstream) -> None:
    caller = relay.call()
    upstream.will(ANSWER.raw)
    caller.send(ASK.sent(relay.host))
    upstream.received()
    caller.read(len(ANSWER.raw))
    never_used = relay.call()
    before = time.monotonic()
    assert relay.stop() == 0
    assert time.monotonic() - before < DRAINING / 2
    assert caller.read_to_end() == never_used.read_to_end() == (b"", False)


def test_a_connection_that_is_idle_for_too_long_is_ended_and_meets_no_reset(tmp_path: Path, upstream: RawUpstream) -> None:
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", keepalive=0.3) as relay:
        caller = relay.call()
        upstream.will(ANSWER.raw)
        caller.send(ASK.sent(relay.host))
        upstream.received()
        caller.read(len(ANSWER.raw))
        assert caller.sock.recv(1) == b""
        caller.send(ASK.sent(relay.host))
        assert caller.read_to_end() == (b"", False)


def test_what_came_before_the_idle_time_was_noticed_to_be_over_is_served(tmp_path: Path, upstream: RawUpstream) -> None:
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", keepalive=0.5) as relay:
        caller = relay.call()
        upstream.will(ANSWER.raw)
        caller.send(ASK.sent(relay.host))
        upstream.received()
        caller.read(len(ANSWER.raw))
        relay.process.send_signal(signal.SIGSTOP)
        upstream.will(ANSWER.raw)
        caller.send(ASK.sent(relay.host))
        before = time.monotonic()
        until(lambda: time.monotonic() > before + 0.7, "more than the idle time")
        relay.process.send_signal(signal.SIGCONT)
        assert caller.read(len(ANSWER.raw)) == ANSWER.raw


@pytest.mark.parametrize("fast", [True, False])
def test_what_is_still_open_at_the_end_of_draining_is_cut_off_and_measured(tmp_path: Path, upstream: RawUpstream, fast: bool) -> None:
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", drain_seconds=0.2, fast_path=fast) as relay:
        upstream.will(CHUNKED + FIRST, "wait for the end")
        streaming, silent, uploading = relay.call(), relay.call(), relay.call()
        streaming.send(ASK.sent(relay.host))
        upstream.received()
        streaming.read_head()
        upstream.will("wait for the end")
        silent.send(ASK.sent(relay.host))
        upstream.received()
        uploading.send(ASK.sent(relay.host)[:-1])
        until(lambda: relay.seen() == 3, "three exchanges")
        assert relay.stop() == 0
        assert not streaming.read_to_end()[0].endswith(b"0\r\n\r\n")
        assert silent.read_to_end()[0] == b""
        measured = relay.measured()
        assert [(m.outcome, m.side) for m in measured] == [("proxy_error", "proxy")] * 3
        assert all(connection.ended.wait(5) for connection in upstream.connections)
        assert relay.log.read_text() == ""


def test_a_slow_reader_does_not_hold_up_the_end(relay: Relay, upstream: RawUpstream) -> None:
    upstream.will(b"HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n", bytes(50_000_000))
    caller = relay.call(receive_buffer=65_536)
    caller.send(ASK.sent(relay.host))
    upstream.received()
    caller.read_head()
    before = time.monotonic()
    assert relay.stop() == 0
    assert time.monotonic() - before < 3.0
    assert [m.outcome for m in relay.measured()] == ["proxy_error"]


def test_it_ends_when_its_parent_has_gone(relay: Relay) -> None:
    assert relay.process.stdin is not None
    until(lambda: statuses(relay), "the first status")
    relay.process.stdin.close()
    assert relay.process.wait(10) == 0


def test_a_killed_worker_leaves_what_it_had_begun(relay: Relay, upstream: RawUpstream) -> None:
    upstream.will(CHUNKED, "wait for the end")
    caller = relay.call()
    caller.send(Request(b"POST", TARGETS[0], (), b"{}").sent(relay.host))
    upstream.received()
    caller.read_head()
    until(lambda: any(type(record).__name__ == "Started" for record in records(relay)), "the record of the beginning")
    relay.process.kill()
    relay.process.wait(10)
    assert upstream.connections[-1].ended.wait(5)
    assert (relay.seen(), relay.measured()) == (1, [])


def test_small_segments_are_not_held_back_on_the_applications_side(relay: Relay, upstream: RawUpstream) -> None:
    caller = relay.call()
    gaps = []
    for _ in range(5):
        steps = [threading.Event() for _ in range(2)]
        upstream.will(CHUNKED, steps[0], b"1\r\na\r\n", steps[1], b"1\r\nb\r\n0\r\n\r\n")
        caller.send(ASK.sent(relay.host))
        upstream.received()
        caller.read(len(CHUNKED))
        before = time.perf_counter()
        steps[0].set()
        caller.read(6)
        steps[1].set()
        caller.read(11)
        gaps.append(time.perf_counter() - before)
    # Nagle's algorithm with a delayed acknowledgement would cost 40 ms.
    assert min(gaps) < 0.02
    assert caller.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def test_a_worker_whose_certificate_cannot_be_read_says_so_and_does_not_serve(tmp_path: Path, upstream: RawUpstream) -> None:
    gone = TlsSettings(str(tmp_path / "gone.pem"), str(tmp_path / "gone.key"))
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", tls=gone) as relay:
        assert relay.process.wait(DEADLINE) == 4
        assert "this worker cannot serve: tls.cert_file: " in relay.log.read_text()
        assert "Traceback" not in relay.log.read_text()
