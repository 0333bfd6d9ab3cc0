"""An application that goes away where the provider's counts are waited for: the row gets them, within bounds, and nothing nobody felt."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamgauge.records import Measurement
from tests.relay.messages import Request
from tests.relay.scene import CHUNKED, Scene, scene_in
from tests.relay.wire import until

CHAT = Request(b"POST", b"/v1/chat/completions", ((b"Content-Type", b"application/json"),), b'{"model": "m", "stream": true}')
WORD = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
COUNTS = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\ndata: [DONE]\n\n'
WHOLE = b'{"choices":[{"message":{"content":"a b"}}],"usage":{"prompt_tokens":3,"completion_tokens":2}}'


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


END = chunk(COUNTS) + b"0\r\n\r\n"
DRAINS: dict[str, Any] = {"on_client_disconnect": "drain", "disconnect_drain_bytes": 100_000}


@pytest.fixture(scope="module", params=["fast", "slow"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene_in(tmp_path_factory.mktemp("worker"), fast=request.param == "fast", **DRAINS) as made:
        yield made


def noticed(scene: Scene) -> None:
    """Return when the worker has read the end of a connection: it answers another, which came later."""
    later = scene.relay.call()
    later.send(b"GET http://other.example/ HTTP/1.1\r\nHost: h\r\n\r\n")
    assert later.read_head().startswith(b"HTTP/1.1 403 ")
    later.read_to_end()


def rows(scene: Scene) -> list[Measurement]:
    """What was measured of the calls, without what ``noticed`` asked."""
    return [m for m in scene.relay.measured() if m.outcome != "rejected"]


def row(scene: Scene) -> Measurement:
    """The row of the call that this test is about; it is the last that began."""
    until(lambda: len(scene.relay.measured()) == scene.relay.seen(), "the row")
    return max(rows(scene), key=lambda m: m.exchange_id)


@pytest.mark.parametrize("reset", [True, False])
def test_the_row_has_the_counts_that_came_after_the_application_had_gone(scene: Scene, reset: bool) -> None:
    gone = threading.Event()
    scene.upstream.will(CHUNKED + chunk(WORD), gone, chunk(WORD), END)
    caller = scene.asks(CHAT)
    scene.upstream.received()
    assert caller.read(len(CHUNKED + chunk(WORD))) == CHUNKED + chunk(WORD)
    caller.close(reset=reset)
    noticed(scene)
    gone.set()
    m = row(scene)
    assert (m.outcome, m.side, m.http_status) == ("client_cancelled", "downstream", 200)
    assert (m.input_tokens, m.output_tokens, m.usage_source, m.output_chunks) == (3, 2, "reported", 2)
    assert None not in (m.ttft, m.e2e, m.upstream_e2e, m.tpot)


def test_what_was_nobodys_first_token_is_none(scene: Scene) -> None:
    gone = threading.Event()
    scene.upstream.will(gone, CHUNKED + chunk(WORD) + END)
    caller = scene.asks(CHAT)
    scene.upstream.received()
    caller.close()
    noticed(scene)
    gone.set()
    m = row(scene)
    assert (m.outcome, m.input_tokens, m.output_tokens) == ("client_cancelled", 3, 2)
    assert (m.ttft, m.upstream_ttft, m.tpot, m.time_to_last_token) == (None, None, None, None)


def test_an_answer_in_one_piece_is_read_on_as_well_and_its_connection_serves_again(scene: Scene) -> None:
    gone = threading.Event()
    before = len(scene.upstream.connections)
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(WHOLE) + WHOLE
    scene.upstream.will(answer[:-1], gone, answer[-1:])
    caller = scene.asks(CHAT)
    scene.upstream.received()
    assert caller.read(len(answer) - 1) == answer[:-1]
    caller.close()
    noticed(scene)
    gone.set()
    m = row(scene)
    assert (m.outcome, m.input_tokens, m.output_tokens) == ("client_cancelled", 3, 2)
    scene.begin()
    scene.upstream.will(answer)
    assert scene.asks(CHAT).read(len(answer)) == answer
    assert len(scene.upstream.connections) - before <= 1


def test_no_more_is_read_than_allowed(scene: Scene) -> None:
    gone = threading.Event()
    scene.upstream.will(CHUNKED + chunk(WORD), gone, *[chunk(WORD * 1_000)] * 20, "wait for the end")
    caller = scene.asks(CHAT)
    scene.upstream.received()
    assert caller.read(len(CHUNKED + chunk(WORD))) == CHUNKED + chunk(WORD)
    caller.close()
    noticed(scene)
    gone.set()
    m = row(scene)
    assert (m.outcome, m.input_tokens, m.usage_source == "reported") == ("client_cancelled", None, False)
    assert scene.upstream.connections[-1].ended.wait(5)


def test_an_upstream_that_breaks_afterwards_changes_no_verdict(scene: Scene) -> None:
    gone = threading.Event()
    scene.upstream.will(CHUNKED + chunk(WORD), gone, "reset")
    caller = scene.asks(CHAT)
    scene.upstream.received()
    assert caller.read(len(CHUNKED + chunk(WORD))) == CHUNKED + chunk(WORD)
    caller.close()
    noticed(scene)
    gone.set()
    m = row(scene)
    assert (m.outcome, m.side, m.error_type) == ("client_cancelled", "downstream", None)


def test_who_did_not_read_is_not_waited_for_when_he_has_gone(scene: Scene) -> None:
    filler = chunk(b": " + b"x" * 1_000_000 + b"\n\n")
    scene.upstream.will(CHUNKED + chunk(WORD), *[filler] * 40, END)
    caller = scene.relay.call(receive_buffer=4_096)
    caller.send(CHAT.sent(scene.relay.host))
    scene.upstream.received()
    assert caller.read(len(CHUNKED)) == CHUNKED
    caller.close(reset=True)
    m = row(scene)
    assert (m.outcome, m.input_tokens) == ("client_cancelled", None)
    assert scene.upstream.connections[-1].ended.wait(5)


@pytest.mark.parametrize("fast", [True, False])
def test_it_is_waited_for_only_so_long(tmp_path: Path, fast: bool) -> None:
    with scene_in(tmp_path, fast=fast, on_client_disconnect="drain", disconnect_drain_seconds=0.2) as scene:
        scene.begin()
        scene.upstream.will(CHUNKED + chunk(WORD), "wait for the end")
        caller = scene.asks(CHAT)
        scene.upstream.received()
        assert caller.read(len(CHUNKED)) == CHUNKED
        caller.close()
        assert scene.upstream.connections[-1].ended.wait(5)
        m = row(scene)
        assert m.e2e is not None
        assert m.upstream_e2e is not None
        assert (m.outcome, m.e2e + 0.15 < m.upstream_e2e) == ("client_cancelled", True)


@pytest.mark.parametrize("fast", [True, False])
def test_a_worker_that_ends_waits_for_nobody_who_has_gone(tmp_path: Path, fast: bool) -> None:
    with scene_in(tmp_path, fast=fast, on_client_disconnect="drain") as scene:
        scene.begin()
        scene.upstream.will(CHUNKED + chunk(WORD), "wait for the end")
        caller = scene.asks(CHAT)
        scene.upstream.received()
        assert caller.read(len(CHUNKED)) == CHUNKED
        caller.close()
        assert scene.relay.stop() == 0
        assert row(scene).outcome == "client_cancelled"
