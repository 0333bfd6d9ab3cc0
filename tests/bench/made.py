"""Pieces as a run leaves them, made by hand."""

from __future__ import annotations

from typing import Any

Piece = dict[str, Any]


def times(p50: float, p99: float, n: int = 1000) -> dict[str, float]:
    return {"n": n, "mean": p50, "p50": p50, "p90": p99, "p99": p99, "p999": p99, "max": p99}


def piece(target: str, *, cpu: float = 1.0, ttft: float = 100, later: float = 50, calls: int = 100, chunks: int = 10) -> Piece:
    """A run of 2 s in which everything went well."""
    load = {
        "window_s": 2.0, "loadgen_cpu_s": 0.2, "sent": calls, "done": calls, "unfinished": 0, "connect_errors": 0, "status_errors": 0,
        "framing_errors": 0, "chunks": calls * chunks, "open_most": 10, "window_done": calls, "window_chunks": calls * chunks,
        "window_reads": calls * chunks,
        "groups": {"relay": {"cpu_s": cpu, "rss_before": 1e6, "rss_mean": 2e6, "rss_peak": 3e6, "rss_end": 2e6}, "upstream": {"cpu_s": 0.3}},
        "ttft_transit": times(ttft, 10 * ttft), "later_transit": times(later, 10 * later),
    }  # fmt: skip
    found: Piece = {
        "target": target, "placement": "apart", "calibration_ns": 25.0, "load": load, "sent": calls, "expected_tokens": calls * chunks,
        "whole_cpu_s": {"relay": cpu, "recorder": 0.5, "supervisor": 0.0} if target == "streamgauge" else {"relay": cpu},
        "upstream": {"requests": calls}, "wake_ups": 2 * calls, "target_core": {"seconds": 2.0, "busy": cpu / 2, "stolen": 0.0},
    }  # fmt: skip
    if target == "streamgauge":
        found["ledger"] = {
            "rows": calls, "streaming": calls, "with_ttft": calls, "reported": calls, "output_tokens": calls * chunks,
            "unmeasured": 0, "seen": calls, "completed": calls,
        }  # fmt: skip
    return found


def changed(group: str | None, **values: Any) -> Piece:
    one = piece("streamgauge", calls=10_000)
    (one[group] if group else one).update(values)
    return one
