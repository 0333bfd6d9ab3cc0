"""What is particular to the slow path; that it is as exact as the fast one is in ``test_walk.py``, its faults in ``test_walk_faults.py``."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.relay.loopback import certificate
from tests.relay.messages import TARGETS, Request, Response
from tests.relay.scene import ANSWER, ASK, Scene, reply, scene_in
from tests.relay.wire import RawUpstream, Relay, until


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene_in(tmp_path_factory.mktemp("worker"), fast=False) as made:
        yield made


def test_trailers_and_interim_responses_end_here(scene: Scene) -> None:
    answer = Response(b"HTTP/1.1 200 OK", ((b"Trailer", b"x-sum"),), "chunked", b"hello", (2,), b";a=b", b"x-sum: 1\r\n")
    scene.upstream.will(b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" + answer.raw)
    caller = scene.asks()
    scene.upstream.received()
    assert caller.read_head() == answer.head
    assert caller.read_chunked() == b"hello"
    assert scene.measured().outcome == "completed"


def test_what_is_read_leaves_as_a_chunk_of_its_own(scene: Scene) -> None:
    heard = threading.Event()
    scene.upstream.will(ANSWER.start + b"\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n", heard, b"1\r\nb\r\n1\r\nc\r\n0\r\n\r\n")
    caller = scene.asks()
    scene.upstream.received()
    caller.read_head()
    assert caller.read(6) == b"1\r\na\r\n"
    heard.set()
    assert caller.read_chunked() == b"bc"


def test_no_request_is_repeated(scene: Scene) -> None:
    scene.upstream.will(ANSWER.raw)
    caller = scene.relay.call()
    get = Request(b"GET", TARGETS[0], ())
    caller.send(get.sent(scene.relay.host))
    scene.upstream.received()
    caller.read(len(ANSWER.raw))
    # The kept connection dies under the next request: aiohttp itself would repeat a GET.
    scene.upstream.will("close")
    scene.upstream.will(ANSWER.raw)
    caller.send(get.sent(scene.relay.host))
    scene.upstream.received()
    assert reply(caller.read_to_end()[0])[1][b"x-streamgauge-reply"] == b"upstream_reset"
    assert scene.never_asked()


def test_a_switch_of_protocols_that_nobody_asked_for_is_no_answer(scene: Scene) -> None:
    scene.upstream.will(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", "wait for the end")
    caller = scene.asks()
    scene.upstream.received()
    assert reply(caller.read_to_end()[0])[1][b"x-streamgauge-reply"] == b"upstream_protocol"
    assert scene.upstream.connections[-1].ended.wait(5)


@pytest.mark.parametrize("fast", [True, False])
def test_a_failed_tls_session_is_told_and_counted(tmp_path: Path, fast: bool) -> None:
    upstream = RawUpstream()
    with Relay(tmp_path, f"https://127.0.0.1:{upstream.port}", fast_path=fast) as relay, relay.call() as caller:
        caller.send(ASK.sent(relay.host))
        until(lambda: upstream.connections, "the connection")
        upstream.connections[0].sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        _, headers, message = reply(caller.read_to_end()[0])
        assert headers[b"x-streamgauge-reply"] == b"upstream_unreachable"
        assert message.startswith(f"streamgauge: no trusted TLS session with 127.0.0.1:{upstream.port}")
        m = relay.last(1)
        assert (m.outcome, m.side, m.error_type) == ("upstream_error", "upstream", "tls_error")
    upstream.close()


@pytest.mark.parametrize("fast", [True, False])
def test_a_connection_that_does_not_come_in_time_is_a_504(tmp_path: Path, fast: bool) -> None:
    upstream = RawUpstream()
    with (
        Relay(tmp_path, f"https://127.0.0.1:{upstream.port}", fast_path=fast, connect_timeout=0.1, tls_timeout=0.1) as relay,
        relay.call() as caller,
    ):
        caller.send(ASK.sent(relay.host))
        start, headers, _ = reply(caller.read_to_end()[0])
        assert (start, headers[b"x-streamgauge-reply"]) == (b"HTTP/1.1 504 Gateway Timeout", b"upstream_timeout")
        assert relay.last(1).error_type == ("tls_timeout" if fast else "connect_timeout")  # aiohttp does not tell
    upstream.close()


@pytest.mark.parametrize("fast", [True, False])
def test_a_trusted_tls_upstream_is_reached(tmp_path: Path, fast: bool) -> None:
    cert, context = certificate(tmp_path)
    upstream = RawUpstream(context)
    with Relay(tmp_path, f"https://localhost:{upstream.port}", fast_path=fast, ca_file=str(cert)) as relay, relay.call() as caller:
        for _ in range(2):
            upstream.will(ANSWER.raw)
            caller.send(ASK.sent(relay.host))
            assert upstream.received() == ASK.arrives(b"localhost:%d" % upstream.port)
            assert caller.read(len(ANSWER.raw)) == ANSWER.raw
        assert len(upstream.connections) == 1
        # aiohttp does not tell which connection it took.
        assert relay.last(2).connection_reused is (True if fast else None)
    upstream.close()
