"""The application's side of a real worker: what is no request, what comes too early, and what nobody must find in a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamgauge.relay.downstream import MAX_FIELD, MAX_HEADERS, MAX_LINE
from streamgauge.relay.local_reply import HTTP2_PREFACE, http2_refusal
from streamgauge.relay.parsed import MAX_HEAD
from tests.relay.messages import TARGETS, Request, Response
from tests.relay.wire import Caller, RawUpstream, Relay, until

CANARY = b"the-canary-sings"
"""Stands in every malformed request, and must be found nowhere."""

POST = b"POST /model/m/converse HTTP/1.1\r\nHost: h\r\n"
ASK = Request(b"POST", TARGETS[0], ((b"Content-Type", b"application/json"),), b"{}")
ANSWER = Response(b"HTTP/1.1 200 OK", (), "length", b"{}")


class Door:
    """A worker and the upstream that hears nothing of what it should not."""

    def __init__(self, relay: Relay, upstream: RawUpstream) -> None:
        self.relay, self.upstream = relay, upstream


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    upstream = RawUpstream()
    with Relay(tmp_path_factory.mktemp("door"), f"http://127.0.0.1:{upstream.port}") as relay:
        yield Door(relay, upstream)
        relay.forget_callers()
        upstream.close()
        assert relay.stop() == 0
        assert len(relay.measured()) == relay.seen() > 0
        assert relay.log.read_text() == ""
        for path in relay.directory.rglob("*"):
            assert path.is_dir() or CANARY not in path.read_bytes(), path


@pytest.fixture
def door(opened: Door) -> Iterator[Door]:
    yield opened
    opened.relay.forget_callers()
    heard = list(opened.upstream.requests.queue)
    opened.upstream.forget()
    assert heard == []


MALFORMED = {
    "no http": CANARY + b"\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + CANARY,
    "no version": b"POST /" + CANARY + b"\r\n\r\n",
    "HTTP/0.9": b"GET /" + CANARY + b" HTTP/0.9\r\nhost: h\r\n\r\n",
    "HTTP/2.0": b"GET /" + CANARY + b" HTTP/2.0\r\nhost: h\r\n\r\n",
    "HTTP/3": b"POST / HTTP/3.0\r\nhost: h\r\nx: " + CANARY + b"\r\n\r\n",
    "an unknown method": b"THECANARY / HTTP/1.1\r\nhost: h\r\nx: " + CANARY + b"\r\n\r\n",
    "no host": b"POST / HTTP/1.1\r\nx: " + CANARY + b"\r\n\r\n",
    "two hosts": POST + b"Host: i\r\nx: " + CANARY + b"\r\n\r\n",
    "two lengths": POST + b"content-length: 16\r\nContent-Length: 17\r\n\r\n" + CANARY,
    "length and coding": POST + b"content-length: 16\r\ntransfer-encoding: chunked\r\n\r\n" + CANARY,
    "length +16": POST + b"content-length: +16\r\n\r\n" + CANARY,
    "length 1_6": POST + b"content-length: 1_6\r\n\r\n" + CANARY,
    "length 0x10": POST + b"content-length: 0x10\r\n\r\n" + CANARY,
    "an unknown coding": POST + b"transfer-encoding: canary\r\n\r\n" + CANARY,
    "a coding behind chunked": POST + b"transfer-encoding: chunked, gzip\r\n\r\n" + CANARY,
    "obs-fold": POST + b"x: a\r\n " + CANARY + b"\r\n\r\n",
    "bare LF": POST + b"x: a\ny: " + CANARY + b"\r\n\r\n",
    "bare LF in the request line": b"POST / HTTP/1.1\nHost: h\nx: " + CANARY + b"\n\n",
    "bare CR": POST + b"x: a\ry: " + CANARY + b"\r\n\r\n",
    "NUL": POST + b"x: \x00" + CANARY + b"\r\n\r\n",
    "space before the colon": POST + b"content-length : 16\r\n\r\n" + CANARY,
    "no name": POST + b": " + CANARY + b"\r\n\r\n",
    "space in the target": b"POST /" + CANARY + b" x HTTP/1.1\r\nHost: h\r\n\r\n",
    "a byte in the target that is no URL's": b"POST /\xff" + CANARY + b" HTTP/1.1\r\nHost: h\r\n\r\n",
    "a target that is too long": b"POST /" + MAX_LINE * b"a" + CANARY + b" HTTP/1.1\r\nHost: h\r\n\r\n",
    "a header that is too long": POST + b"x: " + MAX_FIELD * b"a" + CANARY + b"\r\n\r\n",
    "too many headers": POST + (MAX_HEADERS + 1) * (b"x: " + CANARY + b"\r\n") + b"\r\n",
}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_request_gets_400_and_the_end_of_the_connection(door: Door, raw: bytes) -> None:
    seen = door.relay.seen()
    caller = door.relay.call()
    caller.send(raw)
    answer, broken = caller.read_to_end()
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"x-streamgauge-reply: bad_request\r\n" in answer
    assert answer.count(b"HTTP/1.1 400") == 1
    assert CANARY not in answer
    assert not broken
    m = door.relay.last(seen + 1)
    assert (m.outcome, m.side, m.error_type, m.http_status) == ("rejected", "downstream", "bad_request", 400)


BAD_BODIES = {
    "size +5": b"+5\r\n" + CANARY,
    "size 0x5": b"0x5\r\n" + CANARY,
    "size ' 5'": b" 5\r\n" + CANARY,
    "no size": b"\r\n" + CANARY,
    "a chunk that is longer": b"5\r\n" + CANARY,
    "bare LF": b"10\n" + CANARY,
}


@pytest.mark.parametrize("raw", BAD_BODIES.values(), ids=BAD_BODIES)
@pytest.mark.parametrize("together", [True, False])
def test_a_body_that_is_framed_wrongly_gets_400_at_once(door: Door, raw: bytes, together: bool) -> None:
    seen = door.relay.seen()
    caller = door.relay.call()
    head = POST + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"
    begun = time.perf_counter()
    if together:
        caller.send(head + raw)
    else:
        caller.send(head)
        wait_for(door, seen + 1)
        caller.send(raw)
    answer, _ = caller.read_to_end()
    assert time.perf_counter() - begun < 3.0
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    m = door.relay.last(seen + 1)
    assert (m.outcome, m.side, m.error_type) == ("rejected", "downstream", "bad_request")


def wait_for(door: Door, seen: int) -> None:
    until(lambda: door.relay.seen() == seen, "the request's head to be read")


def test_what_is_no_request_behind_one_that_is_does_not_harm_it(door: Door) -> None:
    caller = door.relay.call()
    nonsense_came = threading.Event()
    door.upstream.will(nonsense_came, ANSWER.raw)
    caller.send(ASK.sent(door.relay.host))
    assert door.upstream.received() == ASK.arrives(door.upstream.host)
    caller.send(CANARY + b"\r\n\r\n")
    pause(0.05)
    nonsense_came.set()
    answer, _ = caller.read_to_end()
    assert answer.startswith(ANSWER.raw + b"HTTP/1.1 400 Bad Request\r\n")


def test_who_speaks_http_2_without_asking_is_told_in_http_2(door: Door) -> None:
    seen = door.relay.seen()
    caller = door.relay.call()
    caller.send(HTTP2_PREFACE + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + CANARY)
    assert caller.read_to_end() == (http2_refusal(), False)
    m = door.relay.last(seen + 1)
    assert (m.outcome, m.side, m.error_type, m.http_status) == ("rejected", "downstream", "http2", None)


@pytest.mark.parametrize("raw", [b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"])
def test_a_target_that_is_no_path_is_refused(door: Door, raw: bytes) -> None:
    caller = door.relay.call()
    caller.send(raw)
    answer, broken = caller.read_to_end()
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert not broken


def test_a_head_has_an_end(door: Door) -> None:
    caller = door.relay.call()
    header = b"x-%d: " + CANARY + b"y" * 1_000 + b"\r\n"
    head = POST + b"".join(header % number for number in range(MAX_HEAD // 1_000 + 1))
    # All but the last bytes are taken without a word.
    caller.send(*(head[at : at + 10_000] for at in range(0, MAX_HEAD - 20_000, 10_000)))
    caller.send(head[MAX_HEAD - 20_000 :])
    answer, broken = caller.read_to_end()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert not broken


def test_a_head_that_does_not_come_to_its_end_is_waited_for_only_so_long(tmp_path: Path) -> None:
    upstream = RawUpstream()
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", body_timeout=0.2) as relay:
        caller = relay.call()
        caller.send(POST)
        assert caller.read_to_end()[0].startswith(b"HTTP/1.1 400 ")
        # Nor does one behind a request that was served.
        upstream.will(ANSWER.raw)
        caller = relay.call()
        caller.send(ASK.sent(relay.host))
        assert caller.read(len(ANSWER.raw)) == ANSWER.raw
        caller.send(POST)
        assert caller.read_to_end()[0].startswith(b"HTTP/1.1 400 ")
        upstream.close()
        assert relay.stop() == 0
        assert [m.error_type for m in relay.measured()] == ["bad_request", None, "bad_request"]


def test_a_head_that_came_slowly_but_in_time_is_served_however_long_that_takes(tmp_path: Path) -> None:
    upstream = RawUpstream()
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", body_timeout=0.2) as relay:
        go_on = threading.Event()
        upstream.will(go_on, ANSWER.raw)
        caller = relay.call()
        sent = ASK.sent(relay.host)
        caller.send(sent[:20], sent[20:])
        assert upstream.received() == ASK.arrives(upstream.host)
        later = relay.call()
        later.send(POST)
        assert later.read_to_end()[0].startswith(b"HTTP/1.1 400 ")  # so long has passed by now
        go_on.set()
        assert caller.read(len(ANSWER.raw)) == ANSWER.raw
        caller.close()
        upstream.close()
        assert relay.stop() == 0


def test_a_request_may_come_byte_by_byte(door: Door) -> None:
    caller = door.relay.call()
    door.upstream.will(ANSWER.raw)
    caller.send(*(bytes([byte]) for byte in ASK.sent(door.relay.host)))
    assert door.upstream.received() == ASK.arrives(door.upstream.host)
    assert caller.read(len(ANSWER.raw)) == ANSWER.raw


def test_empty_lines_before_a_request_are_passed_over(door: Door) -> None:
    caller = door.relay.call()
    door.upstream.will(ANSWER.raw)
    caller.send(b"\r\n" + ASK.sent(door.relay.host))
    assert door.upstream.received() == ASK.arrives(door.upstream.host)
    assert caller.read(len(ANSWER.raw)) == ANSWER.raw


def test_the_start_of_what_the_user_feels_is_when_the_head_was_read(door: Door) -> None:
    seen = door.relay.seen()
    caller = door.relay.call()
    raw = ASK.sent(door.relay.host)
    pause(0.3)  # an idle connection is nobody's waiting
    caller.send(raw[:-1])
    wait_for(door, seen + 1)
    pause(0.3)
    door.upstream.will(ANSWER.raw)
    caller.send(raw[-1:])
    door.upstream.received()
    assert caller.read(len(ANSWER.raw)) == ANSWER.raw
    m = door.relay.last(seen + 1)
    assert m.e2e is not None
    assert m.upload is not None
    assert m.overhead_request is not None
    assert 0.29 < m.upload < m.e2e < 0.58
    assert m.overhead_request < 0.1


def pause(seconds: float) -> None:
    """What an application does between two packets."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)


@pytest.mark.parametrize("count", [100])
def test_more_requests_at_once_than_are_queued_are_all_answered(door: Door, count: int) -> None:
    caller = door.relay.call()
    for _ in range(count):
        door.upstream.will(ANSWER.raw)
    caller.send(ASK.sent(door.relay.host) * count)
    assert caller.read(len(ANSWER.raw) * count) == ANSWER.raw * count
    assert [door.upstream.received() for _ in range(count)] == [ASK.arrives(door.upstream.host)] * count


def test_many_connections_at_once_are_served(door: Door) -> None:
    callers: list[Caller] = [door.relay.call() for _ in range(50)]
    for caller in callers:
        door.upstream.will(ANSWER.raw)
        caller.send(ASK.sent(door.relay.host))
    for caller in callers:
        assert caller.read(len(ANSWER.raw)) == ANSWER.raw
        door.upstream.received()
