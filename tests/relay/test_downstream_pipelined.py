"""Requests that come while an earlier one of their connection is under way: bounded, in order, and gone with who sent them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from streamgauge.relay.parsed import MAX_HEAD
from tests.relay.scene import ANSWER, Scene, scene_in

POST = b"POST /model/m/converse HTTP/1.1\r\nHost: h\r\n"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene_in(tmp_path_factory.mktemp("worker"), fast=True, body_timeout=0.3) as made:
        yield made


def test_a_head_behind_another_request_has_the_same_end_and_costs_no_more_memory(scene: Scene) -> None:
    answered = threading.Event()
    scene.upstream.will(answered, ANSWER.raw)
    caller = scene.asks()
    scene.upstream.received()
    before = scene.relay.memory()
    caller.send(POST, *(b"x-%d: %b\r\n" % (number, b"a" * 60_000) for number in range(200)))
    assert scene.relay.memory() - before < 6_000_000
    answered.set()
    raw, broken = caller.read_to_end()
    assert raw.startswith(ANSWER.raw + b"HTTP/1.1 400 Bad Request\r\n")
    assert not broken
    assert scene.never_asked()


def test_a_head_just_below_the_limit_may_come_behind_another_request(scene: Scene) -> None:
    answered = threading.Event()
    scene.upstream.will(answered, ANSWER.raw)
    scene.upstream.will(ANSWER.raw)
    caller = scene.asks()
    scene.upstream.received()
    filler = b"x: %b\r\n" % (b"a" * 60_000)
    caller.send(POST, filler, filler)
    assert MAX_HEAD - len(POST) - 2 * len(filler) > 0
    answered.set()
    assert caller.read(len(ANSWER.raw)) == ANSWER.raw
    caller.send(b"Content-Length: 2\r\n\r\n{}")
    assert caller.read(len(ANSWER.raw)) == ANSWER.raw
    assert filler * 2 in scene.upstream.received()


def test_a_head_begun_behind_another_request_is_waited_for_only_so_long_after_it(scene: Scene) -> None:
    answered = threading.Event()
    scene.upstream.will(answered, ANSWER.raw)
    caller = scene.asks()
    scene.upstream.received()
    caller.send(POST)
    later = scene.relay.call()
    later.send(POST)
    assert later.read_to_end()[0].startswith(b"HTTP/1.1 400 ")  # so long has passed by now, and the one under way is not harmed
    answered.set()
    assert caller.read_to_end()[0].startswith(ANSWER.raw + b"HTTP/1.1 400 ")
