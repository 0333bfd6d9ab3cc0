"""An application that leaves a connection which is not being read is noticed all the same."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.relay.scene import ASK, Scene, scene_in

POST = b"POST /model/m/converse HTTP/1.1\r\nHost: h\r\n"
LARGE = POST + b"Content-Length: 200000\r\n\r\n" + bytes(200_000)
"""More than is read of a body that nobody waits for, less than the kernel takes: only then does the end arrive behind it."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene_in(tmp_path_factory.mktemp("worker"), fast=True) as made:
        yield made


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("behind", [1, 9, 39, "a large one"])
def test_who_leaves_with_requests_still_queued_ends_the_upstreams_work_at_once(scene: Scene, behind: int | str, reset: bool) -> None:
    asked = ASK.sent(scene.relay.host)
    scene.upstream.will("wait for the end")
    caller = scene.relay.call()
    before = len(scene.relay.measured())
    caller.send(asked + (LARGE if isinstance(behind, str) else asked * behind))
    scene.upstream.received()
    at = time.perf_counter()
    caller.close(reset=reset)
    assert scene.upstream.connections[-1].ended.wait(5)
    assert time.perf_counter() - at < 0.5
    m = scene.relay.last(before + 1)
    assert (m.outcome, m.side) == ("client_cancelled", "downstream")
    assert scene.never_asked()
