"""What a piece is worth: whether it counts at all, what makes it doubtful, and the figures it gives. Pure: plain data in, plain data out.

A piece counts only when everything sent was answered, the upstream saw exactly what was sent, and the ledger holds one row for each call
with nothing unmeasured, the reported tokens exactly as the upstream stated them and, for streams, the time to the first token.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

Raw = Mapping[str, Any]

ENOUGH_MEASURED = 0.999
"""The share of rows that must carry TTFT (streams) and reported tokens."""
LAB_BUSY_DOUBT = 0.9
"""Of one core; above it the load generator and the fake upstream, not the target, may be what is measured."""
STOLEN_DOUBT = 0.01
FOREIGN_DOUBT = 0.05
CALIBRATION_DOUBT = 0.10
"""How much slower the core may be for one target than for another of the same round."""
KEPT_UP = 0.99
CEILING_TTFT_P99_US = 25_000
UNMERGED = 0.9
"""Reads per chunk at the reader: fewer means that chunks wait and arrive in lumps."""


def void_reasons(piece: Raw) -> list[str]:
    """Why this piece counts for nothing; empty when it counts."""
    if "failed" in piece:
        return [f"failed: {piece['failed']}"]
    reasons = _load_reasons(piece)
    requests = piece["upstream"]["requests"]
    if requests != piece["sent"]:
        reasons.append(f"the upstream saw {requests} calls of {piece['sent']} sent")
    if piece["target"] == "streamgauge":
        reasons += _ledger_reasons(piece)
    return reasons


def _load_reasons(piece: Raw) -> list[str]:
    load = piece.get("load")
    if not load:
        return []
    bad = {name: load[name] for name in ("connect_errors", "status_errors", "framing_errors", "unfinished") if load[name]}
    return [f"calls without a whole answer: {', '.join(f'{count} {name}' for name, count in bad.items())}"] if bad else []


def _ledger_reasons(piece: Raw) -> list[str]:
    ledger, sent, reasons = piece.get("ledger"), piece["sent"], []
    if not ledger:
        return ["no ledger was left"]
    if ledger["rows"] != sent:
        reasons.append(f"{ledger['rows']} rows for {sent} calls")
    if ledger["unmeasured"]:
        reasons.append(f"{ledger['unmeasured']} calls unmeasured")
    if ledger["seen"] != sent:
        reasons.append(f"the worker counted {ledger['seen']} calls of {sent}")
    if ledger["with_ttft"] < ENOUGH_MEASURED * ledger["streaming"]:
        reasons.append(f"only {ledger['with_ttft']} of {ledger['streaming']} streams carry a TTFT")
    return reasons + _token_reasons(piece, ledger)


def _token_reasons(piece: Raw, ledger: Raw) -> list[str]:
    if "load" not in piece:
        return []
    if ledger["reported"] < ENOUGH_MEASURED * ledger["rows"]:
        return [f"only {ledger['reported']} of {ledger['rows']} rows carry reported tokens"]
    if ledger["output_tokens"] != piece["expected_tokens"]:
        return [f"{ledger['output_tokens']} output tokens in the ledger, {piece['expected_tokens']} stated by the upstream"]
    if _streams(piece) and ledger["streaming"] != ledger["rows"]:
        return [f"only {ledger['streaming']} of {ledger['rows']} rows are streams"]
    return []


def doubts(pieces: Sequence[Raw]) -> list[str]:
    """What makes one round's figures less sure without making them void."""
    found = [doubt for piece in pieces if "failed" not in piece for doubt in _piece_doubts(piece)]
    speeds = [piece["calibration_ns"] for piece in pieces if "calibration_ns" in piece]
    if speeds and max(speeds) > (1 + CALIBRATION_DOUBT) * min(speeds):
        found.append(f"the core's own speed differed by {max(speeds) / min(speeds) - 1:.0%} between targets")
    return found


def _piece_doubts(piece: Raw) -> list[str]:
    found, name = [], piece["target"]
    load = piece.get("load")
    if piece["target_core"]["stolen"] > STOLEN_DOUBT:
        found.append(f"{name}: {piece['target_core']['stolen']:.1%} of the core went to other virtual machines")
    if not load:
        return found
    # In a closed loop the lab may well be the faster side that is always busy; there the target's CPU is exact all the same.
    if lab_busy(load) > LAB_BUSY_DOUBT and name != "direct":
        found.append(f"{name}: the lab was {lab_busy(load):.0%} busy")
    if name != "direct" and foreign_share(piece) > FOREIGN_DOUBT:
        found.append(f"{name}: other work took {foreign_share(piece):.0%} of the target's core")
    return found


def lab_busy(load: Raw) -> float:
    """CPU of load generator and fake upstream as a share of one core, over the window."""
    used = load["loadgen_cpu_s"] + load["groups"].get("upstream", {}).get("cpu_s", 0.0)
    return float(used / load["window_s"])


def foreign_share(piece: Raw) -> float:
    """Share of the target's core that was busy with something else than the target. Interrupts the kernel does not charge to anyone count as such."""
    core = piece["target_core"]
    own = (
        sum(piece["whole_cpu_s"].values())
        if piece["target"] != "streamgauge" or piece.get("placement") == "shared"
        else piece["whole_cpu_s"]["relay"]
    )
    return float(core["busy"] - own / core["seconds"])


def _streams(piece: Raw) -> bool:
    return bool(piece["load"]["later_transit"]["n"])


def load_units(load: Raw) -> tuple[int, str]:
    """How much work the window held, and of what: chunks for streams, calls for unary."""
    return (load["window_chunks"], "chunk") if load["later_transit"]["n"] else (load["window_done"], "call")


def figures(piece: Raw) -> dict[str, float]:
    """The figures of one piece that need no other piece. Times in microseconds, memory in bytes; per chunk for streams, per call for unary."""
    if "gone_ms" in piece:
        return {"gone_p50_ms": statistics.median(piece["gone_ms"]), "gone_max_ms": max(piece["gone_ms"])}
    if "memory" in piece:
        return _memory_figures(piece)
    return _load_figures(piece)


def _memory_figures(piece: Raw) -> dict[str, float]:
    memory = piece["memory"]
    return {
        "relay_mb": memory["relay"]["rss"] / 1e6,
        "all_mb": sum(role["rss"] for role in memory.values()) / 1e6,
        "all_pss_mb": sum(role["pss"] for role in memory.values()) / 1e6,
        "idle_cpu_share": sum(piece["idle_cpu_share"].values()),
    }


def _load_figures(piece: Raw) -> dict[str, float]:
    load, streams = piece["load"], _streams(piece)
    units, all_units = load_units(load)[0], load["chunks"] if streams else load["done"]
    relay = load["groups"]["relay"]
    others = sum(used for role, used in piece["whole_cpu_s"].items() if role != "relay")
    cpu = 1e6 * relay["cpu_s"] / max(units, 1)
    found = {
        "calls_per_s": load["window_done"] / load["window_s"],
        "chunks_per_s": load["window_chunks"] / load["window_s"],
        "cpu_us": cpu,
        "cpu_share": relay["cpu_s"] / load["window_s"],
        # The recorder works in batches and after the load too: its whole use is shared among all calls, not the window's among the window's.
        "cpu_whole_us": cpu + 1e6 * others / max(all_units, 1),
        "ttft_p50_us": load["ttft_transit"]["p50"],
        "ttft_p99_us": load["ttft_transit"]["p99"],
        "reads_per_chunk": load["window_reads"] / max(load["window_chunks"], 1),
        "relay_peak_mb": relay["rss_peak"] / 1e6,
        "lab_busy": lab_busy(load),
        "wake_ups": piece["wake_ups"] / max(all_units, 1),
    }
    if streams:
        found["bytes_per_stream"] = (relay["rss_mean"] - relay["rss_before"]) / max(load["open_most"], 1)
        found |= {"later_p50_us": load["later_transit"]["p50"], "later_p99_us": load["later_transit"]["p99"]}
    return found | _recorder_figures(piece)


def _recorder_figures(piece: Raw) -> dict[str, float]:
    found: dict[str, float] = {}
    if piece.get("backlog"):
        found |= {"backlog_rows": piece["backlog"]["rows"], "drain_s": piece["backlog"]["seconds"]}
    if piece.get("lag"):
        found |= lag_figures(piece["lag"])
    return found


def lag_figures(samples: Sequence[Sequence[float]]) -> dict[str, float]:
    """From ``[seconds, calls, rows]``: how many seconds the ledger is behind the traffic at most, and by how much that grew from the first
    third to the last. The lag of a sample is its missing rows divided by the mean rate of calls."""
    rate = (samples[-1][1] - samples[0][1]) / (samples[-1][0] - samples[0][0]) if len(samples) > 1 else 0.0
    lags = [(calls - rows) / rate for _, calls, rows in samples] if rate else []
    third = len(lags) // 3
    if not third:
        return {}
    return {"lag_max_s": max(lags), "lag_growth_s": statistics.median(lags[-third:]) - statistics.median(lags[:third])}


def compared(own: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """One round's figures by target, each with what it adds to ``direct`` and its ratios to ``nginx`` of the same round."""
    found = {}
    for name, one in own.items():
        more = dict(one)
        if name != "direct" and "direct" in own:
            more |= {f"added_{key}": one[key] - own["direct"][key] for key in _LATENCIES if key in one and key in own["direct"]}
        if name not in ("direct", "nginx") and "nginx" in own:
            more |= {f"{key}_ratio": one[key] / own["nginx"][key] for key in _RATIOS if key in one and own["nginx"].get(key)}
        found[name] = more
    return found


_LATENCIES = ("ttft_p50_us", "ttft_p99_us", "later_p50_us", "later_p99_us")
_RATIOS = ("cpu_us", "cpu_whole_us", "calls_per_s", "chunks_per_s", "bytes_per_stream")


def median_of(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Each figure's median over the rounds that have it: differences and ratios are taken within a round first."""
    names = {name for one in rounds for name in one}
    return {name: statistics.median(one[name] for one in rounds if name in one) for name in sorted(names)}


def held(figure: Mapping[str, float], offered: float) -> bool:
    """Whether a target kept up with ``offered`` chunks/s: all delivered, the first chunk in time, and chunks not merged into lumps."""
    kept_up = figure["chunks_per_s"] >= KEPT_UP * offered
    return kept_up and figure["ttft_p99_us"] < CEILING_TTFT_P99_US and figure["reads_per_chunk"] >= UNMERGED
