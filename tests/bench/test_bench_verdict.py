"""What counts, and the arithmetic from raw pieces to verdicts."""

from __future__ import annotations

import pytest

from tests.bench.goals import GOALS, judge
from tests.bench.made import Piece, changed, piece, times
from tests.bench.report import as_json, as_text, result
from tests.bench.summary import summarise
from tests.bench.verdict import compared, doubts, figures, held, lag_figures, median_of, void_reasons


def test_a_piece_where_everything_adds_up_counts() -> None:
    assert [void_reasons(piece(name)) for name in ("direct", "nginx", "streamgauge")] == [[], [], []]


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (changed("ledger", rows=9_999), "9999 rows for 10000 calls"),
        (changed("ledger", unmeasured=1), "1 calls unmeasured"),
        (changed("ledger", seen=10_001), "the worker counted 10001 calls of 10000"),
        (changed("ledger", with_ttft=9_989), "only 9989 of 10000 streams carry a TTFT"),
        (changed("ledger", reported=9_989), "only 9989 of 10000 rows carry reported tokens"),
        (changed("ledger", output_tokens=99_999), "99999 output tokens in the ledger, 100000 stated by the upstream"),
        (changed("ledger", streaming=0, with_ttft=0), "only 0 of 10000 rows are streams"),
        (changed("load", status_errors=2), "2 status_errors"),
        (changed("load", unfinished=3), "3 unfinished"),
        (changed("upstream", requests=10_001), "the upstream saw 10001 calls of 10000 sent"),
        (changed(None, ledger=None), "no ledger was left"),
        ({"target": "streamgauge", "failed": "it does not start"}, "it does not start"),
    ],
)
def test_a_piece_is_void_when_anything_does_not_add_up(one: Piece, reason: str) -> None:
    assert reason in "; ".join(void_reasons(one))


def test_one_row_in_a_thousand_may_lack_its_ttft_or_its_tokens() -> None:
    assert void_reasons(changed("ledger", with_ttft=9_990, reported=9_990)) == []


def test_streams_that_were_left_on_purpose_need_no_tokens_but_do_need_rows() -> None:
    gone = piece("streamgauge") | {"gone_ms": [1.0, 3.0]}
    del gone["load"]
    gone["ledger"] |= {"reported": 0, "output_tokens": 0}
    assert void_reasons(gone) == []
    assert figures(gone) == {"gone_p50_ms": 2.0, "gone_max_ms": 3.0}


def test_cpu_is_per_chunk_for_streams_and_per_call_for_unary() -> None:
    streams, unary = piece("nginx", cpu=1.0), piece("nginx", cpu=1.0)
    unary["load"]["later_transit"] = times(0, 0, n=0)
    assert figures(streams)["cpu_us"] == pytest.approx(1000)
    assert figures(unary)["cpu_us"] == pytest.approx(10_000)


def test_wake_ups_are_per_call_too() -> None:
    unary = piece("nginx", calls=50)
    unary["load"]["later_transit"] = times(0, 0, n=0)
    assert figures(unary)["wake_ups"] == 2


def test_the_whole_product_is_the_relay_plus_everything_the_others_used_for_all_calls() -> None:
    one = piece("streamgauge", cpu=1.0)
    one["load"] |= {"chunks": 5_000}
    assert figures(one)["cpu_whole_us"] == pytest.approx(1000 + 0.5e6 / 5_000)


def test_differences_are_to_direct_and_ratios_to_nginx_of_the_same_round() -> None:
    own = {name: figures(one) for name, one in (("direct", piece("direct")), ("nginx", piece("nginx", cpu=0.5, ttft=150)),
                                                ("streamgauge", piece("streamgauge", cpu=0.6, ttft=250, later=90)))}  # fmt: skip
    found = compared(own)
    assert found["streamgauge"]["cpu_us_ratio"] == pytest.approx(1.2)
    assert (found["streamgauge"]["added_ttft_p50_us"], found["nginx"]["added_ttft_p50_us"]) == (150, 50)
    assert found["streamgauge"]["added_later_p99_us"] == 400
    assert "cpu_us_ratio" not in found["nginx"]
    assert "added_ttft_p50_us" not in found["direct"]


def test_the_median_is_taken_over_the_rounds_that_have_a_figure() -> None:
    assert median_of([{"a": 1.0, "b": 5.0}, {"a": 9.0}, {"a": 2.0}]) == {"a": 2.0, "b": 5.0}


def test_the_median_of_ratios_is_not_spoilt_by_a_round_in_which_everything_was_slow() -> None:
    slow = [piece("nginx", cpu=5.0), piece("streamgauge", cpu=6.0)]
    usual = [piece("nginx", cpu=1.0), piece("streamgauge", cpu=1.2)]
    found = summarise({"unary": [usual, slow, usual]})
    assert found.figures["unary"]["streamgauge"]["cpu_us_ratio"] == pytest.approx(1.2)


def test_a_lag_that_stays_is_told_from_one_that_grows() -> None:
    steady = [[float(t), 2000.0 * t, 2000.0 * t - 400] for t in range(1, 31)]
    growing = [[float(t), 2000.0 * t, 1500.0 * t] for t in range(1, 31)]
    assert lag_figures(steady) == {"lag_max_s": pytest.approx(0.2), "lag_growth_s": pytest.approx(0)}
    assert lag_figures(growing)["lag_growth_s"] == pytest.approx(5)
    assert lag_figures(growing)["lag_max_s"] == pytest.approx(7.5)
    assert lag_figures([[0.0, 1.0, 1.0]]) == {}


@pytest.mark.parametrize(
    ("change", "expected"),
    [({}, True), ({"chunks_per_s": 34_000.0}, False), ({"ttft_p99_us": 30_000.0}, False), ({"reads_per_chunk": 0.5}, False)],
)
def test_a_rate_is_held_when_all_is_delivered_in_time_and_not_in_lumps(change: dict[str, float], expected: bool) -> None:
    assert held({"chunks_per_s": 34_900.0, "ttft_p99_us": 900.0, "reads_per_chunk": 1.0} | change, 35_000) is expected


def test_the_ceiling_is_the_highest_step_below_which_none_failed() -> None:
    def step(offered: int, delivered: int) -> list[list[Piece]]:
        one = piece("streamgauge", calls=delivered * 2, chunks=1, ttft=100)
        one["load"]["window_s"] = 2.0
        return [[one]]

    found = summarise({"ceiling-35k": step(35_000, 35_000), "ceiling-40k": step(40_000, 30_000), "ceiling-45k": step(45_000, 45_000)})
    assert found.figures["ceiling"]["streamgauge"]["held_chunks_per_s"] == 35_000


def test_what_else_ran_on_the_core_is_told() -> None:
    quiet, disturbed = piece("nginx"), piece("streamgauge")
    disturbed["target_core"] |= {"busy": 0.9, "stolen": 0.03}
    disturbed["calibration_ns"] = 30.0
    assert doubts([quiet]) == []
    told = " ".join(doubts([quiet, disturbed]))
    assert all(part in told for part in ("other work took 40%", "3.0% of the core went to other virtual machines", "differed by 20%"))


def test_every_goal_names_a_figure_that_pieces_give() -> None:
    given = set(compared({name: figures(piece(name)) for name in ("direct", "nginx", "streamgauge")})["streamgauge"])
    given |= {"held_chunks_per_s", "lag_max_s", "lag_growth_s", "relay_mb", "all_mb", "gone_max_ms"}
    assert {goal.figure for goal in GOALS} <= given


def test_a_goal_is_reached_missed_void_or_not_run() -> None:
    rounds = {
        "unary": [[piece("nginx", cpu=1.0), piece("streamgauge", cpu=3.9)]],
        "streams-1000": [[piece("nginx", cpu=1.0), piece("streamgauge", cpu=1.5)]],
        "burst": [[changed("ledger", rows=1)]],
    }
    found = summarise(rounds)
    verdicts = {(goal["scenario"], goal["goal"]): goal["verdict"] for goal in judge(found.figures, found.void, found.doubts)}
    assert verdicts["unary", "CPU per unary call"] == "PASS"
    assert verdicts["streams-1000", "CPU per chunk, 1,000 streams"] == "MISS"
    assert verdicts["burst", "unary calls/s in a burst the spool absorbs"] == "VOID"
    assert verdicts["gone", "application gone to upstream closed, worst"] == "-"


def test_a_verdict_from_a_disturbed_run_is_marked_as_doubtful() -> None:
    disturbed = piece("streamgauge", cpu=1.2)
    disturbed["target_core"]["busy"] = 0.9
    found = summarise({"streams-1000": [[piece("nginx", cpu=1.0), disturbed]]})
    by_goal = {goal["goal"]: goal for goal in judge(found.figures, found.void, found.doubts)}
    chunk = by_goal["CPU per chunk, 1,000 streams"]
    assert (chunk["verdict"], chunk["doubtful"]) == ("PASS", True)
    assert not by_goal["CPU per unary call"]["doubtful"]


def test_the_report_shows_every_verdict_and_every_reason() -> None:
    machine = {
        "cpu": "a CPU",
        "cores": 2,
        "kernel": "6",
        "nginx": "nginx/1",
        "python": {"version": "3.11"},
        "load_average": (0.1, 0.2, 0.3),
    }
    found = summarise({"unary": [[piece("nginx", cpu=1.0), changed("ledger", rows=1)]]})
    told = result("short", machine, {"realtime": True, "fingerprint": "abc"}, found)
    text = as_text(told)
    assert "CPU per unary call" in text
    assert "VOID  unary: round 1, streamgauge: 1 rows for 10000 calls" in text
    assert '"verdict": "VOID"' in as_json(told)
