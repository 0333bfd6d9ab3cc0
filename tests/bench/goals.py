"""What is to be reached, one worker on one core with metering on, and whether a run reached it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Summary = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Scenario -> target -> figure."""


@dataclass(frozen=True)
class Goal:
    """``figure`` of streamgauge in ``scenario``, times ``scale``, must be at most (or ``at_least``) ``limit`` ``unit``."""

    name: str
    scenario: str
    figure: str
    limit: float
    unit: str = ""
    at_least: bool = False
    scale: float = 1.0

    def verdict(self, value: float) -> str:
        """``PASS`` or ``MISS``."""
        return "PASS" if (value >= self.limit if self.at_least else value <= self.limit) else "MISS"


GOALS = (
    Goal("CPU per chunk, 1,000 streams", "streams-1000", "cpu_us_ratio", 1.4, "x nginx"),
    Goal("CPU per chunk, 1,000 streams, TLS upstream", "streams-1000-tls", "cpu_us_ratio", 1.7, "x nginx"),
    Goal("CPU per unary call", "unary", "cpu_us_ratio", 4, "x nginx"),
    Goal("added TTFT p50, 1,000 streams", "streams-1000", "added_ttft_p50_us", 0.5, "ms", scale=1e-3),
    Goal("added TTFT p99, 1,000 streams", "streams-1000", "added_ttft_p99_us", 1.5, "ms", scale=1e-3),
    Goal("added delay of later chunks p50, 1,000 streams", "streams-1000", "added_later_p50_us", 60, "us"),
    Goal("added delay of later chunks p99, 1,000 streams", "streams-1000", "added_later_p99_us", 500, "us"),
    Goal("chunks/s on one core", "ceiling", "held_chunks_per_s", 35_000, "/s", at_least=True),
    Goal("unary calls/s in a burst the spool absorbs", "burst", "calls_per_s", 12_000, "/s", at_least=True),
    Goal("sustained unary calls/s", "sustained", "calls_per_s", 2_000, "/s", at_least=True),
    Goal("sustained: ledger behind the traffic at most", "sustained", "lag_max_s", 2, "s"),
    Goal("sustained: growth of that lag", "sustained", "lag_growth_s", 0.5, "s"),
    Goal("memory per open stream, 5,000 open", "memory-5000", "bytes_per_stream", 20, "KiB", scale=1 / 1024),
    Goal("memory of the idle worker", "idle", "relay_mb", 90, "MB"),
    Goal("memory of all processes, idle", "idle", "all_mb", 160, "MB"),
    Goal("application gone to upstream closed, worst", "gone", "gone_max_ms", 10, "ms"),
)


def judge(summary: Summary, void: Mapping[str, list[str]], doubts: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """Each goal with its value and ``PASS``, ``MISS``, ``VOID`` (its scenario does not count) or ``-`` (not run).

    ``doubtful``: the machine was not left alone or the lab was busy while it ran; the verdict then wants a quiet repetition.
    """
    return [_judged(goal, summary, void) | {"doubtful": bool(doubts.get(goal.scenario))} for goal in GOALS]


def _judged(goal: Goal, summary: Summary, void: Mapping[str, list[str]]) -> dict[str, Any]:
    raw = summary.get(goal.scenario, {}).get("streamgauge", {}).get(goal.figure)
    value = None if raw is None else raw * goal.scale
    ruled = "VOID" if void.get(goal.scenario) else "-" if value is None else goal.verdict(value)
    sign = ">=" if goal.at_least else "<="
    return {
        "goal": goal.name,
        "scenario": goal.scenario,
        "value": value,
        "limit": f"{sign} {goal.limit:g} {goal.unit}".strip(),
        "verdict": ruled,
    }
