"""SIGTERM while streams are open: they end, nobody new comes in, and every row is there when the proxy has gone."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from streamgauge.records import Measurement
from streamgauge.testing import Script, ScriptedUpstream
from streamgauge.testing.received import Received
from tests.chaos.callers import UNARY, Caller, Callers
from tests.chaos.serving import Serving, refused, until
from tests.recorder.driving import account

SHORT = Script(output_tokens=100, ttft=0.01, gap=0.02)
"""Two seconds: longer than it takes to stop listening, far shorter than the draining."""

BRIEF = Script(output_tokens=8, ttft=0.01, gap=0.02)
"""A small part of a draining of seconds, on a busy machine as well."""

LONG = Script(output_tokens=5_000, ttft=0.01, gap=0.02)
"""Minutes."""

BRIEF_STREAM, LONG_STREAM = "/model/brief/converse-stream", "/model/long/converse-stream"


def script(request: Received) -> Script:
    return {"brief": BRIEF, "long": LONG}.get(request.model or "", SHORT)


def by_call(serving: Serving) -> dict[str | None, Measurement]:
    return {row.sdk_invocation_id: row for row in serving.rows()}


@pytest.mark.parametrize("everybody", [False, True], ids=["to the supervisor", "to all processes at once"])
def test_open_streams_end_nobody_new_comes_in_and_every_row_is_there(tmp_path: Path, everybody: bool) -> None:
    with ScriptedUpstream(script) as upstream, Serving(tmp_path, upstream.url, drain_seconds=20.0) as serving:
        streams = [Caller(serving.address, f"s{number}") for number in range(8)]
        unary = Caller(serving.address, "unary", UNARY)
        upstream.wait_received(9)
        # A service manager may signal all of a service's processes.
        others = (*serving.pids("recorder"), *serving.pids("worker")) if everybody else ()
        serving.send(signal.SIGTERM, *others, serving.process.pid)
        until(lambda: refused(serving.address), "end of listening")
        assert not any(stream.over for stream in streams)
        made = [caller.result() for caller in (*streams, unary)]
        assert serving.process.wait(30) == 0
        assert serving.log.read_text() == ""
    assert Counter((one.became, one.status) for one in made) == {("whole", 200): 9}
    found = account(serving.ledger)
    assert (found.seen, found.unmeasured, found.finished) == (9, {}, True)
    assert {name: row.outcome for name, row in by_call(serving).items()} == {one.call_id: "completed" for one in made}


def test_a_stream_longer_than_the_draining_is_cut_and_measured(tmp_path: Path) -> None:
    with ScriptedUpstream(script) as upstream, Serving(tmp_path, upstream.url, drain_seconds=3.0) as serving:
        brief, endless = Caller(serving.address, "brief", BRIEF_STREAM), Caller(serving.address, "long", LONG_STREAM)
        upstream.wait_received(2)
        before = time.monotonic()
        assert serving.stop() == 0
        took = time.monotonic() - before
        results = brief.result(), endless.result()
    assert [one.became for one in results] == ["whole", "broken"]
    assert b"contentBlockDelta" in results[1].received
    assert b"messageStop" not in results[1].received
    rows = by_call(serving)
    assert {name: row.outcome for name, row in rows.items()} == {"brief": "completed", "long": "proxy_error"}
    cut = rows["long"]
    assert (cut.side, cut.http_status) == ("proxy", 200)
    assert cut.ttft is not None
    assert cut.e2e is not None
    assert 0 < cut.ttft < cut.e2e < took + 5.0
    assert cut.chunks is not None
    assert cut.chunks > 10
    assert account(serving.ledger).adds_up


def test_under_load_each_call_that_began_is_a_row_when_the_proxy_has_gone(tmp_path: Path) -> None:
    quick = Script(output_tokens=8, ttft=0.004, gap=0.002)
    with ScriptedUpstream(quick) as upstream, Serving(tmp_path, upstream.url, workers=2) as serving:
        with Callers(serving.address) as callers:
            until(lambda: callers.answered() > 100, "answers")
            assert serving.stop() == 0
            seen = serving.seen()
        reached = {request.header("amz-sdk-invocation-id") for request in upstream.received}
    calls = callers.calls
    found = account(serving.ledger)
    assert (found.seen, found.unmeasured, found.finished) == (seen, {}, True)
    assert found.outcomes == dict.fromkeys(found.outcomes, "completed")
    whole = {one.call_id for one in calls if one.became == "whole"}
    assert set(by_call(serving)) == whole == reached
    # An idle connection may be closed just when its caller sends the next request, which no worker sees then; nothing that began is broken.
    assert not any(one.began for one in calls if one.became == "broken")
