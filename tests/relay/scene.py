"""One worker with its upstream, and the exchange that a test is about."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamgauge.records import Measurement
from tests.relay.messages import TARGETS, Request, Response
from tests.relay.wire import Caller, RawUpstream, Relay

ASK = Request(b"POST", TARGETS[0], ((b"Content-Type", b"application/json"),), b"{}")
ANSWER = Response(b"HTTP/1.1 200 OK", ((b"content-type", b"application/json"),), "length", b'{"a": 1}')
CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
FIRST = b"9\r\ndata: 1\n\n\r\n"


class Scene:
    """A worker, its upstream, and the measurements of the test that runs now."""

    def __init__(self, relay: Relay, upstream: RawUpstream, *, fast: bool) -> None:
        self.relay, self.upstream, self.fast = relay, upstream, fast
        self._before = 0

    def begin(self) -> None:
        self._before = self.relay.seen()

    def end(self) -> None:
        self.relay.forget_callers()
        self.upstream.forget()

    def measured(self) -> Measurement:
        """The one measurement of this test's one exchange."""
        m = self.relay.last(self._before + 1)
        assert self.relay.seen() == self._before + 1
        return m

    def asks(self, request: Request = ASK) -> Caller:
        caller = self.relay.call()
        caller.send(request.sent(self.relay.host))
        return caller

    def never_asked(self) -> bool:
        """Nothing has reached the upstream that was not expected."""
        return self.upstream.requests.empty()


@contextmanager
def scene_in(directory: Path, *, fast: bool, **settings: Any) -> Iterator[Scene]:
    """A worker for many tests. Whatever they did: each exchange has its one measurement, and the log has nothing to say."""
    upstream = RawUpstream()
    with Relay(directory, f"http://127.0.0.1:{upstream.port}", fast_path=fast, **settings) as relay:
        yield Scene(relay, upstream, fast=fast)
        upstream.close()
        assert relay.stop() == 0
        assert len(relay.measured()) == relay.seen() > 0
        assert relay.log.read_text() == ""


def reply(raw: bytes) -> tuple[bytes, dict[bytes, bytes], str]:
    """(status line, headers, message) of a local reply."""
    head, _, body = raw.partition(b"\r\n\r\n")
    start, *lines = head.split(b"\r\n")
    headers = {line.partition(b": ")[0]: line.partition(b": ")[2] for line in lines}
    assert int(headers[b"content-length"]) == len(body)
    return start, headers, json.loads(body)["message"]
