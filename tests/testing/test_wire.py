from __future__ import annotations

import asyncio

import pytest

from streamgauge.testing import Gone, Received, Reply, Script, ScriptedUpstream, Wire
from streamgauge.testing.wire import Gone as SameGone
from tests.testing.clients import connect, read_all, read_until, request

ASK = request("/model/m/converse-stream")


def _answered(reply: Reply, ask: bytes = ASK) -> bytes:
    with ScriptedUpstream(lambda _: reply) as upstream, connect(upstream.url) as sock:
        sock.sendall(ask)
        return read_all(sock)


def test_a_reply_of_ones_own_sends_any_bytes_at_any_moment() -> None:
    async def reply(_: Received, wire: Wire) -> None:
        await wire.raw(b"HTTP/1.1 200 OK\r\nContent-Le")
        await wire.until(0.05)
        await wire.raw(b"ngth: 2\r\n\r\nhi")
        wire.fin()

    assert _answered(reply) == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def test_frames_are_chunks_and_trailers_follow_the_last() -> None:
    async def reply(_: Received, wire: Wire) -> None:
        await wire.head(200, ())
        await wire.body(b"hello", ("output",))
        await wire.body(b"")
        await wire.end((("X-Sum", "7"),))
        wire.fin()

    assert _answered(reply).endswith(b"\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n")


def test_a_caller_of_http_1_0_gets_no_chunks_and_a_closed_connection() -> None:
    with ScriptedUpstream(Script(ttft=0.0, gap=0.0)) as upstream, connect(upstream.url) as sock:
        sock.sendall(ASK.replace(b"HTTP/1.1", b"HTTP/1.0"))
        data = read_all(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in head
    assert b"Connection: close" in head
    assert body[:3] == b"\x00\x00\x00"


def test_a_frame_is_stamped_by_the_write_that_completes_it() -> None:
    async def reply(_: Received, wire: Wire) -> None:
        wire.tcp_split, wire.split_gap = 3, 0.03
        await wire.head(200, (), close_delimited=True)
        await wire.body(b"abcdef", ("output",))
        await wire.end()

    with ScriptedUpstream(lambda _: reply) as upstream, connect(upstream.url) as sock:
        sock.sendall(ASK)
        assert read_all(sock).endswith(b"abcdef")
        (log,) = upstream.wait()
    assert log.head_at is not None
    assert log.outputs[0] - log.head_at >= 0.06e9
    assert log.writes == 4


def test_a_reader_that_does_not_read_holds_the_reply_up_and_is_noted_when_it_leaves() -> None:
    waiting = []

    async def reply(_: Received, wire: Wire) -> None:
        await wire.head(200, ())
        for _number in range(1000):
            await wire.body(b"x" * 65536)
        waiting.append("never held up")

    with ScriptedUpstream(lambda _: reply) as upstream:
        with connect(upstream.url) as sock:
            sock.sendall(ASK)
            read_until(sock, b"xxxx")
        (log,) = upstream.wait()
    assert waiting == []
    assert log.aborted_at is not None
    assert log.sent_bytes < 1000 * 65536


def test_writing_to_who_has_left_is_gone() -> None:
    raised: list[str] = []

    async def reply(_: Received, wire: Wire) -> None:
        wire.fin()
        try:
            await wire.raw(b"too late")
        except Gone as error:
            raised.append(type(error).__name__)
            raise

    assert _answered(reply) == b""
    assert raised == ["Gone"]
    assert Gone is SameGone


def test_a_reply_that_fails_breaks_the_connection_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def reply(_: Received, __: Wire) -> None:
        await asyncio.sleep(0)
        raise ValueError("a mistake in the test")

    with ScriptedUpstream(lambda _: reply) as upstream, connect(upstream.url) as sock:
        sock.sendall(ASK)
        assert sock.recv(1) == b""
    assert "a reply failed" in caplog.text
