"""The recorder stands still: traffic does not notice, and what the spool cannot keep is counted."""

from __future__ import annotations

import http.client
import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from streamgauge.testing import Script, ScriptedUpstream
from tests.chaos.callers import Callers
from tests.chaos.serving import Serving, until
from tests.recorder.driving import account

SCRIPT = Script(output_tokens=8, ttft=0.004, gap=0.002)


def summary(serving: Serving) -> Any:
    connection = http.client.HTTPConnection(serving.admin, timeout=30)
    connection.request("GET", "/api/v1/summary")
    said = json.load(connection.getresponse())
    connection.close()
    return said


@pytest.mark.parametrize("calls", [300, pytest.param(30_000, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_a_recorder_that_stands_still_hurts_no_call_and_records_all_of_them_afterwards(tmp_path: Path, calls: int) -> None:
    with ScriptedUpstream(SCRIPT) as upstream, Serving(tmp_path, upstream.url) as serving:
        with Callers(serving.address) as callers:
            until(lambda: len(serving.rows()) > 0, "first row")
            recorder = serving.pid("recorder")
            serving.send(signal.SIGSTOP, recorder)
            before = len(serving.rows())
            enough = callers.answered() + calls
            until(lambda: callers.answered() >= enough, "answers", 600)
        written = len(serving.rows())
        serving.send(signal.SIGCONT, recorder)
        until(lambda: summary(serving)["rows"] == len(callers.calls), "all rows", 300)
        assert serving.pids("recorder") == [recorder]
        assert serving.stop() == 0
    # A commit may have been under way when it was stopped; nothing came after that.
    assert written - before < calls // 2
    assert Counter(made.became for made in callers.calls) == {"whole": len(callers.calls)}
    found = account(serving.ledger)
    assert (found.seen, found.unmeasured, found.finished) == (len(callers.calls), {}, True)
    assert {row.outcome for row in serving.rows()} == {"completed"}


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param({"max_bytes": 40_000, "segment_bytes": 40_000}, id="one segment"),
        pytest.param({"max_bytes": 40_000, "segment_bytes": 8_000}, id="several"),
    ],
)
def test_when_the_spool_is_full_calls_go_on_and_are_counted_until_there_is_room_again(tmp_path: Path, limit: dict[str, int]) -> None:
    with ScriptedUpstream(SCRIPT) as upstream, Serving(tmp_path, upstream.url, spool=limit) as serving:
        with Callers(serving.address) as callers:
            until(lambda: len(serving.rows()) > 0, "first row")
            recorder = serving.pid("recorder")
            serving.send(signal.SIGSTOP, recorder)
            until(lambda: serving.unmeasured().get("spool_full", 0) > 50, "calls that were only counted")
            serving.send(signal.SIGCONT, recorder)
            until(lambda: summary(serving)["unmeasured"].get("spool_full", 0) > 50, "count in the summary")
            known = {row.sdk_invocation_id for row in serving.rows()} | {made.call_id for made in callers.calls}
            until(lambda: any(row.sdk_invocation_id not in known for row in serving.rows()), "row of a call made after the outage")
        assert serving.stop() == 0
    assert Counter(made.became for made in callers.calls) == {"whole": len(callers.calls)}
    found = account(serving.ledger)
    assert found.seen == len(callers.calls)
    assert found.adds_up
    assert found.finished
    assert set(found.unmeasured) == {"spool_full"}
    assert found.outcomes == dict.fromkeys(found.outcomes, "completed")
