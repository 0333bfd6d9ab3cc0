"""Workers are replaced again and again while applications connect anew for each call: none of them notices, and every call is a row."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest

from streamgauge.testing import Script, ScriptedUpstream
from streamgauge.testing.received import Received
from tests.chaos.callers import Callers
from tests.chaos.serving import Serving, until
from tests.recorder.driving import account

SCRIPT = Script(output_tokens=8, ttft=0.004, gap=0.002)

WORKERS = 2

LONG = [pytest.mark.long, pytest.mark.timeout(3600)]


def restarted_by_sigterm(serving: Serving) -> int:
    """An operator, or the kernel's accountant, ends one worker."""
    worker = serving.pids("worker")[0]
    serving.send(signal.SIGTERM, worker)
    until(lambda: worker not in serving.pids("worker") and len(serving.pids("worker")) == WORKERS, "another worker in its place")
    return 1


def restarted_by_sighup(serving: Serving) -> int:
    """The settings are read again, and all workers replaced."""
    before = set(serving.pids("worker"))
    serving.send(signal.SIGHUP, serving.process.pid)
    until(lambda: len(now := serving.pids("worker")) == WORKERS and not before & set(now), "all workers replaced")
    return WORKERS


@pytest.mark.parametrize("restarts", [30, pytest.param(1000, marks=LONG)])
def test_no_application_notices_and_rows_are_what_the_upstream_counted(tmp_path: Path, restarts: int) -> None:
    done = 0
    reached: list[str] = []

    def script(request: Received) -> Script:
        reached.append(request.header("amz-sdk-invocation-id") or "")  # the upstream itself remembers only the newest
        return SCRIPT

    with ScriptedUpstream(script) as upstream, Serving(tmp_path, upstream.url, workers=WORKERS) as serving:
        with Callers(serving.address, keep=False) as callers:
            while done < restarts:
                enough = callers.answered() + 20
                done += (restarted_by_sighup if done % 4 == 2 else restarted_by_sigterm)(serving)
                until(lambda enough=enough: callers.answered() >= enough, "answers after a restart")  # type: ignore[misc]
        assert serving.stop() == 0
        assert serving.log.read_text() == ""
    calls = callers.calls
    print(f"{done} restarts, {len(calls)} calls on as many connections, the longest took {max(made.took for made in calls):.2f} s")
    assert Counter((made.became, made.status) for made in calls) == {("whole", 200): len(calls)}
    assert sorted(reached) == sorted(made.call_id for made in calls)
    found = account(serving.ledger)
    assert (found.seen, found.unmeasured, found.finished) == (len(calls), {}, True)
    rows = serving.rows()
    assert sorted(row.sdk_invocation_id or "" for row in rows) == sorted(reached)
    assert {row.outcome for row in rows} == {"completed"}
