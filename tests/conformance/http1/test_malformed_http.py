"""Nothing ambiguous passes: neither on a fresh connection, nor on a used one, nor right behind another request, however it is cut."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.conformance.http1.cases import CUT_OFF, PASSED, REFUSED, TRAILERS
from tests.relay.scene import ANSWER, ASK, Scene, scene_in
from tests.relay.wire import Caller, until

AT = ("fresh", "used", "behind", "torn")
TEARS = (0.3, 0.6, 0.97)
"""Where a torn request is cut, as parts of its length."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene_in(tmp_path_factory.mktemp("worker"), fast=True, body_timeout=2.0) as made:
        yield made


@pytest.fixture
def scene(shared: Scene) -> Iterator[Scene]:
    shared.begin()
    yield shared
    shared.end()


def sent(scene: Scene, raw: bytes, at: str) -> tuple[Caller, int]:
    """(who sent it, answers that he gets before its own). A refused request may be answered before all of it has left."""
    raw = raw.replace(b"<us>", scene.relay.host)
    caller, before = scene.relay.call(), 0
    if at in ("used", "behind"):
        before = 1
        scene.upstream.will(ANSWER.raw)
    if at == "used":
        caller.send(ASK.sent(scene.relay.host))
        assert caller.read(len(ANSWER.raw)) == ANSWER.raw
    if at == "torn":
        cuts = [0, *(int(len(raw) * part) for part in TEARS), len(raw)]
        caller.send(*(raw[start:end] for start, end in itertools.pairwise(cuts)))
    else:
        caller.send((ASK.sent(scene.relay.host) if at == "behind" else b"") + raw)
    return caller, before


def rejected(scene: Scene) -> int:
    """Rows of requests that were the application's mistake."""
    return sum((m.outcome, m.side) == ("rejected", "downstream") for m in scene.relay.measured())


def heard(scene: Scene, count: int) -> list[bytes]:
    """All that reached the upstream, ``count`` valid requests left out."""
    for _ in range(count):
        assert scene.upstream.received() == ASK.arrives(scene.upstream.host)
    return list(scene.upstream.requests.queue)


@pytest.mark.parametrize("at", AT)
@pytest.mark.parametrize("raw", [*REFUSED.values(), *CUT_OFF.values()], ids=[*REFUSED, *CUT_OFF])
def test_what_two_readers_could_read_differently_reaches_no_upstream(scene: Scene, raw: bytes, at: str) -> None:
    if raw.startswith(b"CONNECT") and at == "behind":
        at = "used"  # aiohttp's parser takes nothing behind an offer to change protocols, and the connection ends
    rejected_before = rejected(scene)
    caller, before = sent(scene, raw, at)
    answer, broken = caller.read_to_end()
    if at == "behind":
        # What came in one read with it may be refused with it: aiohttp's parser forgets what it had found before.
        before = answer.startswith(ANSWER.raw)
        answer = answer[len(ANSWER.raw) * before :]
    assert (answer[:12], broken) in ((b"HTTP/1.1 400", False), (b"HTTP/1.1 403", False))
    assert answer.count(b"HTTP/1.1 4") == 1
    assert heard(scene, before) == []
    # Rows need not come in the order in which their calls ended.
    until(lambda: rejected(scene) == rejected_before + 1, "its row")
    assert scene.relay.seen() == scene._before + before + 1


@pytest.mark.parametrize("at", AT)
@pytest.mark.parametrize("name", PASSED)
def test_what_is_odd_and_clear_passes_as_it_is_and_so_does_what_follows(scene: Scene, name: str, at: str) -> None:
    raw, arrives = PASSED[name]
    if at == "behind" and b"chunked\r\n\r\n" in raw.lower():
        at = "torn"  # behind another request in the same read the borders of chunks are not known
    scene.upstream.will(ANSWER.raw)
    caller, before = sent(scene, raw, at)
    if at != "used":
        before_bytes = ANSWER.raw * before
        assert caller.read(len(before_bytes)) == before_bytes
    assert caller.read(len(ANSWER.raw)) == ANSWER.raw
    assert scene.upstream.requests.queue[-1] == arrives.replace(b"<it>", scene.upstream.host)
    if name == TRAILERS:
        assert caller.read_to_end() == (b"", False)  # aiohttp's parser would make a header of the next request of them
        return
    scene.upstream.will(ANSWER.raw)
    caller.send(ASK.sent(scene.relay.host))
    assert caller.read(len(ANSWER.raw)) == ANSWER.raw
    assert heard(scene, before) == [arrives.replace(b"<it>", scene.upstream.host), ASK.arrives(scene.upstream.host)]
