"""Kill -9 of any process, again and again, under load: every exchange that was seen has one row or one count, and few have a count."""

from __future__ import annotations

import random
import signal
import statistics
from collections import Counter
from pathlib import Path

import pytest

from streamgauge.testing import Script, ScriptedUpstream
from tests.chaos.callers import CALLERS, UNARY, Call, Caller, Callers
from tests.chaos.serving import Serving, until
from tests.recorder.driving import account

SCRIPT = Script(output_tokens=8, ttft=0.004, gap=0.002)

USUAL_WINDOW_SECONDS, WORST_WINDOW_SECONDS = 0.25, 2.0
"""What a killed worker may lose, in most kills and in any: a batch is 20 ms; the rest is for a machine so busy that the writing
thread waits its turn: with five processes to each core a tenth of a second was measured, and there is no bound."""

LATE_SECONDS = 0.5
"""A caller may notice the end of its answer so long after the worker that gave it was killed."""

LONG = [pytest.mark.long, pytest.mark.timeout(900)]


def killed_under_load(serving: Serving, callers: Callers, victims: tuple[str, ...], rounds: int, chance: random.Random) -> list[float]:
    """Kill one process of each kind of victim in each round, at some moment while calls are answered; when that was."""
    kills = []
    gone: tuple[int, ...] = ()
    for _ in range(rounds):
        for victim in victims:
            serving.pid(victim, not_one_of=gone)
        pids = tuple(chance.choice([pid for pid in serving.pids(victim) if pid not in gone]) for victim in victims)
        enough = callers.answered() + chance.randrange(10, 100)
        until(lambda enough=enough: callers.answered() >= enough, "answers after a kill")  # type: ignore[misc]
        kills.append(serving.kill(*pids))
        gone += pids
    for victim in victims:
        serving.pid(victim, not_one_of=gone)
    enough = callers.answered() + 20
    until(lambda: callers.answered() >= enough, "answers after the last kill")
    return kills


def windows(lost: list[Call], kills: list[float]) -> list[float]:
    """For each kill, how long before it the oldest of the ``lost`` calls had been answered; 0 where it lost none."""
    longest = dict.fromkeys(kills, 0.0)
    for made in lost:
        at = next(at for at in kills if made.ended_at - at < LATE_SECONDS)
        longest[at] = max(longest[at], at - made.ended_at)
    return list(longest.values())


@pytest.mark.parametrize("rounds", [3, pytest.param(40, marks=LONG)])
def test_a_recorder_that_is_killed_again_and_again_costs_no_call_and_no_row(tmp_path: Path, rounds: int) -> None:
    with ScriptedUpstream(SCRIPT) as upstream, Serving(tmp_path, upstream.url) as serving:
        with Callers(serving.address) as callers:
            killed_under_load(serving, callers, ("recorder",), rounds, random.Random(rounds))
        assert serving.stop() == 0
        seen = serving.seen()
    assert Counter(made.became for made in callers.calls) == {"whole": len(callers.calls)}
    found = account(serving.ledger)
    assert (found.seen, found.unmeasured, found.finished) == (len(callers.calls), {}, True)
    assert seen == len(callers.calls)
    rows = serving.rows()
    assert sorted(row.sdk_invocation_id or "" for row in rows) == sorted(made.call_id for made in callers.calls)
    assert {row.outcome for row in rows} == {"completed"}


@pytest.mark.parametrize(
    ("victims", "workers", "rounds"),
    [
        pytest.param(("worker",), 1, 3, id="worker"),
        pytest.param(("worker",), 2, 3, id="one of two workers"),
        pytest.param(("worker", "recorder"), 1, 3, id="both at once"),
        pytest.param(("worker",), 1, 40, marks=LONG, id="worker, long"),
        pytest.param(("worker", "recorder"), 2, 40, marks=LONG, id="both at once, long"),
    ],
)
def test_a_killed_worker_loses_its_last_batch_at_most_and_that_is_counted(
    tmp_path: Path, victims: tuple[str, ...], workers: int, rounds: int
) -> None:
    with ScriptedUpstream(SCRIPT) as upstream, Serving(tmp_path, upstream.url, workers=workers) as serving:
        with Callers(serving.address) as callers:
            kills = killed_under_load(serving, callers, victims, rounds, random.Random(rounds))
        assert serving.stop() == 0
        seen = serving.seen()
        reached = {request.header("amz-sdk-invocation-id") for request in upstream.received}
    calls = callers.calls
    found = account(serving.ledger)
    assert found.adds_up
    assert found.finished
    assert found.seen == seen
    # A worker began what its upstream received or its caller got an answer to; of the rest only the caller's sending is known.
    began = {made.call_id for made in calls if made.began} | reached
    assert len(began) <= seen <= len(calls)
    rows = serving.rows()
    assert len(rows) == len(found.outcomes)
    known = Counter(row.sdk_invocation_id for row in rows if row.sdk_invocation_id is not None)
    assert set(known.values()) <= {1}
    assert set(known) <= {made.call_id for made in calls}
    ended = {row.sdk_invocation_id: row.outcome for row in rows}
    # The stated window is the only loss.
    lost = [made for made in calls if made.became == "whole" and ended.get(made.call_id) != "completed"]
    window = windows(lost, kills)
    assert statistics.median(window) <= USUAL_WINDOW_SECONDS
    assert max(window) <= WORST_WINDOW_SECONDS
    assert set(found.unmeasured) <= {"worker_killed"}
    assert {row.outcome for row in rows} <= {"completed", "lost"}
    # Whoever came while no worker lived has waited, and nobody was turned away.
    assert Counter(made.became for made in calls)["refused"] == 0
    assert Counter(made.became for made in calls)["broken"] <= CALLERS * len(kills)


def test_connections_that_wait_while_no_worker_lives_are_served_by_the_next_one(tmp_path: Path) -> None:
    with ScriptedUpstream(SCRIPT) as upstream, Serving(tmp_path, upstream.url) as serving:
        assert Caller(serving.address, "first", UNARY).result().status == 200
        until(lambda: len(serving.rows()) == 1, "row of the first call")
        worker = serving.pid("worker")
        serving.send(signal.SIGSTOP, worker)
        waiting = [Caller(serving.address, f"before-{number}") for number in range(5)]
        serving.send(signal.SIGSTOP, serving.process.pid)
        serving.kill(worker)
        until(lambda: not serving.pids("worker"), "end of the worker")
        waiting += [Caller(serving.address, f"between-{number}") for number in range(5)]
        assert not any(caller.over for caller in waiting)
        serving.send(signal.SIGCONT, serving.process.pid)
        made = [caller.result() for caller in waiting]
        assert serving.stop() == 0
    assert [(one.became, one.status) for one in made] == [("whole", 200)] * 10
    assert account(serving.ledger).unmeasured == {}
    assert sorted(row.sdk_invocation_id or "" for row in serving.rows()) == sorted(["first", *(one.call_id for one in made)])


def test_a_recorder_killed_just_before_the_end_leaves_nothing_unread(tmp_path: Path) -> None:
    with ScriptedUpstream(SCRIPT) as upstream, Serving(tmp_path, upstream.url) as serving:
        with Callers(serving.address) as callers:
            until(lambda: callers.answered() > 50, "answers")
            recorder = serving.pid("recorder")
            serving.send(signal.SIGSTOP, recorder)
            enough = callers.answered() + 50
            until(lambda: callers.answered() > enough, "answers that no recorder reads")
        # Both before the supervisor may look: it learns of the death when it already stops.
        serving.send(signal.SIGSTOP, serving.process.pid)
        serving.kill(recorder)
        serving.process.terminate()
        serving.send(signal.SIGCONT, serving.process.pid)
        assert serving.process.wait(60) == 0
    found = account(serving.ledger)
    assert (found.seen, found.unmeasured, found.finished) == (len(callers.calls), {}, True)
    assert found.outcomes == dict.fromkeys(found.outcomes, "completed")


def test_without_their_supervisor_the_others_finish_what_is_open_and_record_it(tmp_path: Path) -> None:
    with ScriptedUpstream(Script(output_tokens=40, ttft=0.01, gap=0.02)) as upstream, Serving(tmp_path, upstream.url) as serving:
        caller = Caller(serving.address, "c")
        upstream.wait_received()
        left = (*serving.pids("worker"), *serving.pids("recorder"))
        serving.kill(serving.process.pid)
        serving.process.wait()
        assert caller.result().became == "whole"
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left), "end of worker and recorder")
    found = account(serving.ledger)
    assert (list(found.outcomes.values()), found.unmeasured, found.finished) == (["completed"], {}, True)
