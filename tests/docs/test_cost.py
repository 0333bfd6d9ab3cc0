"""The costs as the documentation shows them: nothing made up, nothing that does not count, nothing hidden."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.bench import report
from tests.bench.made import Piece, changed, piece, times
from tests.bench.summary import summarise
from tests.docs.cost import between, figures, lines, saved

MACHINE = {
    "cpu": "a CPU", "cores": 2, "memory_bytes": 2**34, "kernel": "6", "system": "Debian", "nginx": "nginx/1", "openssl": "OpenSSL 3 (Library: x)",
    "python": {"version": "3.11", "profile_guided": True, "packages": {"aiohttp": "3.14"}}, "load_average": (0.1, 0.2, 0.3),
}  # fmt: skip
SETTINGS = {"date": "2026-01-02", "command": "tests/bench/run.py --full", "realtime": True, "fingerprint": "abc"}


def unary(target: str, cpu: float) -> Piece:
    one = piece(target, cpu=cpu)
    one["load"]["later_transit"] = times(0, 0, n=0)
    return one


def idle() -> Piece:
    found = piece("streamgauge") | {"memory": {"relay": {"rss": 40e6, "pss": 30e6}}, "idle_cpu_share": {"relay": 0.001}}
    del found["load"]
    return found


def result(**more: Any) -> Any:
    rounds: dict[str, Any] = {
        "idle": [[idle()]],
        "unary": [[unary("nginx", 0.1), unary("streamgauge", 0.9)]],
        "unary-5000": [[unary("nginx", 0.5), unary("streamgauge", 1.0)]],
        "streams-1000": [
            [piece("direct"), piece("nginx", cpu=1.0), piece("streamgauge", cpu=1.5, ttft=400)],
            [piece("direct"), piece("nginx", cpu=1.0), piece("streamgauge", cpu=1.3, ttft=400)],
        ],
        "memory-5000": [[piece("nginx"), piece("streamgauge")]],
    }
    found = report.result("full", MACHINE, SETTINGS, summarise(rounds | more))
    return json.loads(report.as_json(found))


def test_without_a_saved_result_both_pages_say_how_to_measure() -> None:
    assert "make bench BENCH_ARGS='--full --save docs/explanation/overhead-results.json'" in figures(None)
    assert "docs/explanation/overhead.md" in lines(None)
    assert saved(Path("no-such-file.json")) is None


def test_the_front_page_says_the_costs_in_four_lines() -> None:
    told = lines(result()).splitlines()
    assert len(told) == 4
    assert "1.40 times the CPU" in told[0]
    assert "0.30 ms (p50) and 3.00 ms (p99)" in told[0]
    assert "2.0 times nginx's CPU at 5,000 calls" in told[1]
    assert "and 9.0 times where" in told[1]
    assert "40 MB when idle" in told[2]
    assert "2026-01-02 with `tests/bench/run.py --full`" in told[3]


def test_the_page_shows_machine_date_command_and_every_goal_with_its_verdict() -> None:
    text = figures(result())
    assert "| date | 2026-01-02 |" in text
    assert "| command | `tests/bench/run.py --full` |" in text
    assert "| CPU per chunk, 1,000 streams | `streams-1000` | PASS" in text
    assert "| CPU per unary call | `unary` | **MISS**" in text
    assert "| sustained unary calls/s | `sustained` | not run |" in text


def test_a_ratio_of_several_rounds_is_shown_with_its_spread() -> None:
    assert "1.40 (1.30-1.50)" in figures(result())


def test_the_cost_of_no_proxy_is_not_shown_as_the_cost_of_one() -> None:
    row = next(line for line in figures(result()).splitlines() if "`streams-1000`" in line and "| direct |" in line)
    assert row.split(" | ")[4:8] == ["", "", "", ""]


def test_figures_that_do_not_count_are_not_shown_and_the_reason_is() -> None:
    torn = result(**{"streams-1000": [[piece("nginx"), changed("ledger", rows=1)]]})
    assert "| `streams-1000` | nginx |" not in figures(torn)
    assert "`streams-1000` does not count: round 1, streamgauge: 1 rows for 10000 calls" in figures(torn)
    assert "1,000 streams" not in lines(torn)


def test_a_disturbed_run_is_marked_and_explained() -> None:
    disturbed = piece("streamgauge")
    disturbed["target_core"]["busy"] = 0.9
    text = figures(result(**{"streams-1000": [[piece("nginx"), disturbed]]}))
    assert "| `streams-1000` \\* |" in text
    assert "\\* Doubtful" in text


def test_only_what_is_between_the_marks_is_replaced() -> None:
    assert between("a\n<!-- x -->\nold\n<!-- /x -->\nb\n", "x", "new \\1\n") == "a\n<!-- x -->\nnew \\1\n<!-- /x -->\nb\n"
    with pytest.raises(ValueError, match="no marks"):
        between("a", "x", "new")
