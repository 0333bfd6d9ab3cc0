"""What each side sees when the other one fails, through a real worker, on both upstream paths."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.relay.messages import TARGETS, Request
from tests.relay.scene import ANSWER, ASK, CHUNKED, FIRST, UNTIL_CLOSE, Scene, reply, scene_in
from tests.relay.wire import Caller, Relay, until


@pytest.fixture(scope="module", params=["fast", "slow"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene_in(tmp_path_factory.mktemp("worker"), fast=request.param == "fast", max_request_bytes=3_000_000) as made:
        yield made


@pytest.mark.parametrize("reset", [False, True])
def test_an_application_that_goes_away_ends_the_upstreams_work_at_once(scene: Scene, reset: bool) -> None:
    scene.upstream.will(CHUNKED + FIRST, "wait for the end")
    caller = scene.asks()
    scene.upstream.received()
    assert caller.read(len(CHUNKED + FIRST)) == CHUNKED + FIRST
    connection = scene.upstream.connections[-1]
    gone_at = time.perf_counter()
    caller.close(reset=reset)
    assert connection.ended.wait(5)
    assert time.perf_counter() - gone_at < 0.5
    m = scene.measured()
    assert (m.outcome, m.side, m.http_status, m.error_type) == ("client_cancelled", "downstream", 200, None)


def test_an_application_that_goes_away_before_the_answer_ends_the_upstreams_work_too(scene: Scene) -> None:
    scene.upstream.will("wait for the end")
    caller = scene.asks()
    scene.upstream.received()
    connection = scene.upstream.connections[-1]
    caller.close()
    assert connection.ended.wait(5)
    m = scene.measured()
    assert (m.outcome, m.http_status, m.ttfb) == ("client_cancelled", None, None)


@pytest.mark.parametrize("reset", [False, True])
def test_an_application_that_goes_away_within_its_request_asks_nothing(scene: Scene, reset: bool) -> None:
    caller = scene.relay.call()
    caller.send(Request(b"POST", TARGETS[0], (), b"x" * 1_000).sent(scene.relay.host)[:-1])
    until(lambda: scene.relay.seen() == scene._before + 1, "the request's head to be read")
    gone_at = time.perf_counter()
    caller.close(reset=reset)
    m = scene.measured()
    assert time.perf_counter() - gone_at < 2.0
    assert (m.outcome, m.side, m.http_status) == ("client_cancelled", "downstream", None)
    assert scene.never_asked()


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize(
    "said",
    [CHUNKED + FIRST, CHUNKED + FIRST + b"0\r\n", CHUNKED + FIRST[:5], b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ndata: 1"],
    ids=["no last chunk", "half a last chunk", "half a chunk", "half a body"],
)
def test_a_broken_stream_is_passed_on_as_a_broken_stream(scene: Scene, said: bytes, how: str) -> None:
    heard = threading.Event()
    scene.upstream.will(said, heard, how)  # type: ignore[arg-type]
    caller = scene.asks()
    scene.upstream.received()
    head = caller.read_head()
    heard.set()
    got = head + caller.read_to_end()[0]
    # What was missing is still missing: no last chunk of ours, no byte made up.
    assert got == said if scene.fast else said.startswith(head)
    assert not got.endswith(b"0\r\n\r\n")
    m = scene.measured()
    assert (m.outcome, m.side, m.error_type) == ("stream_error", "upstream", "upstream_reset")


def test_a_body_without_a_stated_end_that_breaks_does_not_look_whole(scene: Scene) -> None:
    heard = threading.Event()
    scene.upstream.will(UNTIL_CLOSE + b"data: 1\n\n", heard, "reset")
    caller = scene.asks()
    scene.upstream.received()
    assert caller.read(len(UNTIL_CLOSE) + 9) == UNTIL_CLOSE + b"data: 1\n\n"
    heard.set()
    assert caller.read_to_end() == (b"", True)
    assert scene.measured().outcome == "stream_error"


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 20"], ids=["nothing", "half a head"])
def test_an_upstream_that_ends_before_its_answer_is_a_502_that_the_sdk_repeats(scene: Scene, said: bytes, how: str) -> None:
    scene.upstream.will(*([said] if said else []), how)  # type: ignore[arg-type]
    caller = scene.asks()
    scene.upstream.received()
    raw, broken = caller.read_to_end()
    start, headers, message = reply(raw)
    assert start == b"HTTP/1.1 502 Bad Gateway"
    assert (headers[b"x-streamgauge-reply"], headers[b"connection"], broken) == (b"upstream_reset", b"close", False)
    assert message == "streamgauge: 127.0.0.1 ended the connection before it answered"
    m = scene.measured()
    assert (m.outcome, m.side, m.error_type, m.http_status) == ("upstream_error", "upstream", "upstream_reset", 502)


def test_an_upstream_that_does_not_speak_http_is_a_502_that_says_so(scene: Scene) -> None:
    scene.upstream.will(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    caller = scene.asks()
    scene.upstream.received()
    start, headers, message = reply(caller.read_to_end()[0])
    assert (start, headers[b"x-streamgauge-reply"]) == (b"HTTP/1.1 502 Bad Gateway", b"upstream_protocol")
    assert message == "streamgauge: 127.0.0.1 answered with what is no HTTP/1.1 response"
    m = scene.measured()
    assert (m.outcome, m.side, m.error_type) == ("upstream_error", "upstream", "upstream_protocol")
    assert scene.upstream.connections[-1].ended.wait(5)


def test_a_stream_that_turns_into_nonsense_is_broken(scene: Scene) -> None:
    heard = threading.Event()
    scene.upstream.will(CHUNKED + FIRST, heard, b"+5\r\nhello\r\n0\r\n\r\n", "wait for the end")
    caller = scene.asks()
    scene.upstream.received()
    assert caller.read(len(CHUNKED + FIRST)) == CHUNKED + FIRST
    heard.set()
    assert caller.read_to_end()[0] == b""
    m = scene.measured()
    assert (m.outcome, m.side) == ("stream_error", "upstream")
    assert scene.upstream.connections[-1].ended.wait(5)


def test_a_kept_connection_that_the_upstream_closed_is_not_used_for_the_next_request(scene: Scene) -> None:
    caller = scene.relay.call()
    for _ in range(3):
        scene.upstream.will(ANSWER.raw, "close")
        caller.send(ASK.sent(scene.relay.host))
        scene.upstream.received()
        assert caller.read(len(ANSWER.raw)) == ANSWER.raw
        # The close reaches the worker before another request can: it comes on a connection that the worker watches.
        worker_sees_it(scene)
    caller.close()


def worker_sees_it(scene: Scene) -> None:
    """Let the worker take a turn: a request of its own goes through it and comes back."""
    other = scene.relay.call()
    other.send(b"nonsense\r\n\r\n")
    other.read_to_end()
    other.close()


def test_bytes_behind_an_answer_reach_no_later_caller(scene: Scene) -> None:
    caller = scene.relay.call()
    scene.upstream.will(ANSWER.raw + b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret")
    caller.send(ASK.sent(scene.relay.host))
    scene.upstream.received()
    assert caller.read(len(ANSWER.raw)) == ANSWER.raw
    assert scene.upstream.connections[-1].ended.wait(5)
    scene.upstream.will(ANSWER.raw)
    caller.send(ASK.sent(scene.relay.host))
    scene.upstream.received()
    assert caller.read(len(ANSWER.raw)) == ANSWER.raw
    caller.close()


def test_a_slow_reader_makes_the_upstream_wait_and_costs_no_memory(scene: Scene) -> None:
    warm = scene.asks()
    scene.upstream.will(ANSWER.raw)
    scene.upstream.received()
    warm.read(len(ANSWER.raw))
    scene.begin()
    size = 100_000_000
    scene.upstream.will(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size, *[bytes(100_000)] * 1_000)
    before = scene.relay.memory()
    caller = scene.relay.call(receive_buffer=65_536)
    caller.send(ASK.sent(scene.relay.host))
    scene.upstream.received()
    head = caller.read_head()
    sent = scene.upstream.connections[-1]
    until(lambda: stuck(sent.sock), "the upstream to be held up")
    assert scene.relay.memory() - before < 4_000_000
    total = 0
    while total < size:
        got = len(caller.read(min(1_000_000, size - total)))
        assert got
        total += got
    assert head.endswith(b"content-length: %d\r\n\r\n" % size)
    assert scene.relay.memory() - before < 8_000_000
    caller.close()
    m = scene.measured()
    assert m.outcome == "completed"
    assert m.downstream_wait is not None
    assert m.downstream_wait > 0


def stuck(sock: socket.socket) -> bool:
    """The kernel takes nothing more, over some while: the other side does not read."""
    return not any(select.select([], [sock], [], 0.05)[1] for _ in range(3))


def test_a_request_that_is_too_large_is_refused_with_a_reply_that_can_be_read(scene: Scene) -> None:
    caller = scene.relay.call()
    request = Request(b"POST", TARGETS[0], (), bytes(3_000_001)).sent(scene.relay.host)
    sender = threading.Thread(target=lambda: swallow(caller, request))
    sender.start()
    raw, broken = caller.read_to_end()
    start, headers, message = reply(raw)
    assert (start, headers[b"x-streamgauge-reply"], broken) == (b"HTTP/1.1 413 Content Too Large", b"body_too_large", False)
    assert "max_request_bytes" in message
    caller.close()
    sender.join()
    m = scene.measured()
    assert (m.outcome, m.side, m.error_type, m.http_status) == ("rejected", "downstream", "body_too_large", 413)
    assert scene.never_asked()


def test_a_chunked_request_that_becomes_too_large_is_refused_as_well(scene: Scene) -> None:
    caller = scene.relay.call()
    request = Request(b"POST", TARGETS[0], (), bytes(6_000_000), (100_000,) * 60).sent(scene.relay.host)
    sender = threading.Thread(target=lambda: swallow(caller, request))
    sender.start()
    start, headers, _ = reply(caller.read_to_end()[0])
    assert (start, headers[b"x-streamgauge-reply"]) == (b"HTTP/1.1 413 Content Too Large", b"body_too_large")
    caller.close()
    sender.join()
    assert scene.measured().outcome == "rejected"
    assert scene.never_asked()


def swallow(caller: Caller, data: bytes) -> None:
    """Send as far as the other side lets us."""
    try:
        caller.send(data)
    except OSError:
        pass


@pytest.mark.parametrize(
    "target", [b"http://evil.example/model/x/converse", b"https://169.254.169.254/latest/meta-data", b"http://localhost:1/"]
)
def test_a_target_that_is_not_allowed_is_refused_and_not_looked_up(scene: Scene, target: bytes) -> None:
    caller = scene.relay.call()
    caller.send(Request(b"POST", target, (), b"x" * 100_000).sent(b"evil.example"))
    raw, broken = caller.read_to_end()
    start, headers, _ = reply(raw)
    assert (start, headers[b"x-streamgauge-reply"], broken) == (b"HTTP/1.1 403 Forbidden", b"target_not_allowed", False)
    m = scene.measured()
    assert (m.outcome, m.side, m.error_type) == ("rejected", "downstream", "target_not_allowed")
    assert scene.never_asked()


def test_an_upstream_at_which_nobody_listens_is_a_502(tmp_path: Path) -> None:
    for fast in (True, False):
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
            directory = tmp_path / str(fast)
            directory.mkdir()
            with Relay(directory, f"http://127.0.0.1:{port}", fast_path=fast) as relay, relay.call() as caller:
                caller.send(ASK.sent(relay.host))
                start, headers, message = reply(caller.read_to_end()[0])
                assert (start, headers[b"x-streamgauge-reply"]) == (b"HTTP/1.1 502 Bad Gateway", b"upstream_unreachable")
                assert f"127.0.0.1:{port} cannot be reached" in message
                m = relay.last(1)
                assert (m.outcome, m.side, m.error_type, m.http_status) == ("upstream_error", "upstream", "connect_error", 502)
                assert relay.stop() == 0


def test_an_upstream_slower_than_a_second_is_no_timeout(scene: Scene) -> None:
    answer = threading.Event()
    scene.upstream.will(answer, ANSWER.raw)
    caller = scene.asks()
    scene.upstream.received()
    ticks = time.monotonic() + 2.2  # the worker looks for timeouts once a second
    until(lambda: time.monotonic() > ticks, "two ticks")
    answer.set()
    assert caller.read(len(ANSWER.raw)) == ANSWER.raw
    caller.close()
    assert scene.measured().outcome == "completed"
