"""The tables a person reads, and the result as one JSON document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.bench.goals import judge
from tests.bench.summary import Summary

COLUMNS = (
    ("calls/s", "calls_per_s", "{:,.0f}"),
    ("chunks/s", "chunks_per_s", "{:,.0f}"),
    ("CPU us", "cpu_us", "{:.1f}"),
    ("x nginx", "cpu_us_ratio", "{:.2f}"),
    ("whole us", "cpu_whole_us", "{:.1f}"),
    ("x nginx", "cpu_whole_us_ratio", "{:.2f}"),
    ("core", "cpu_share", "{:.0%}"),
    ("+TTFT p50", "added_ttft_p50_us", "{:,.0f}"),
    ("p99", "added_ttft_p99_us", "{:,.0f}"),
    ("+later p50", "added_later_p50_us", "{:,.0f}"),
    ("p99", "added_later_p99_us", "{:,.0f}"),
    ("B/stream", "bytes_per_stream", "{:,.0f}"),
    ("wake-ups", "wake_ups", "{:.2f}"),
)
"""Heading, figure, format. CPU is per chunk for streams and per call for unary; latencies are microseconds over direct.
Wake-ups are interrupts from one core to another, per chunk or call: what makes equal work cost unequally (see docs/explanation/overhead.md)."""

OTHER = (
    ("held_chunks_per_s", "most chunks/s held", "{:,.0f}"),
    ("backlog_rows", "rows behind when the load ended", "{:,.0f}"),
    ("drain_s", "seconds until all rows were written", "{:.2f}"),
    ("lag_max_s", "seconds the ledger was behind at most", "{:.2f}"),
    ("lag_growth_s", "growth of that, first to last third", "{:.2f}"),
    ("relay_mb", "worker idle, MB", "{:.1f}"),
    ("all_mb", "all processes idle, MB", "{:.1f}"),
    ("all_pss_mb", "the same, shared pages counted once, MB", "{:.1f}"),
    ("idle_cpu_share", "CPU of all processes when idle, of a core", "{:.2%}"),
    ("gone_p50_ms", "application gone to upstream closed, median, ms", "{:.2f}"),
    ("gone_max_ms", "the same, worst, ms", "{:.2f}"),
)


def result(form: str, machine: Mapping[str, Any], settings: Mapping[str, Any], summary: Summary) -> dict[str, Any]:
    """Everything a reader needs to judge or repeat the run."""
    return {
        "form": form,
        "machine": dict(machine),
        "settings": dict(settings),
        "goals": judge(summary.figures, summary.void, summary.doubts),
        **summary.as_dict(),
    }


def as_text(result: Mapping[str, Any]) -> str:
    """The whole report for a terminal."""
    parts = [_machine_line(result), _loads(result["figures"]), _others(result["figures"]), _goals(result["goals"])]
    parts += [_remarks("VOID", result["void"]), _remarks("doubtful", result["doubts"])]
    return "\n\n".join(part for part in parts if part)


def as_json(result: Mapping[str, Any]) -> str:
    """Figures rounded to five significant digits: more would only make two runs' files differ."""
    return json.dumps(_rounded(result), indent=1) + "\n"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, Mapping):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value


def _machine_line(result: Mapping[str, Any]) -> str:
    machine, settings = result["machine"], result["settings"]
    python = machine["python"]
    build = "with" if python.get("profile_guided") else "without"
    load = ", ".join(f"{one:.2f}" for one in machine["load_average"])
    return (
        f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, {machine['nginx']}\n"
        f"Python {python.get('version')} (built {build} profile-guided optimisation, {python.get('loop_ns', 0):.1f} ns a loop step), load average {load}, "
        f"{'real-time class' if settings['realtime'] else 'ordinary scheduling'}, form {result['form']}, code {settings['fingerprint']}"
    )


def _loads(figures: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    rows = [["scenario", "target", *(heading for heading, _, _ in COLUMNS)]]
    for scenario, targets in figures.items():
        rows += [[scenario, name, *_cells(figure)] for name, figure in targets.items() if "cpu_us" in figure]
    return table(rows) if len(rows) > 1 else ""


def _cells(figure: Mapping[str, float]) -> list[str]:
    return [form.format(figure[name]) if name in figure else "" for _, name, form in COLUMNS]


def _others(figures: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    rows = []
    for scenario, targets in figures.items():
        for target, figure in targets.items():
            rows += [[scenario, target, label, form.format(figure[name])] for name, label, form in OTHER if name in figure]
    return table([["scenario", "target", "figure", "value"], *rows]) if rows else ""


def _goals(goals: Sequence[Mapping[str, Any]]) -> str:
    rows = [["goal", "value", "to reach", ""]]
    for goal in goals:
        value = "" if goal["value"] is None else f"{goal['value']:,.2f}" if goal["value"] < 1000 else f"{goal['value']:,.0f}"
        rows.append([goal["goal"], value, goal["limit"], goal["verdict"] + (" *" if goal["doubtful"] else "")])
    note = "* doubtful, see below: repeat it while nothing else runs" if any(goal["doubtful"] for goal in goals) else ""
    return f"{table(rows)}\n{note}".rstrip()


def _remarks(title: str, by_scenario: Mapping[str, Iterable[str]]) -> str:
    return "\n".join(f"{title}  {scenario}: {one}" for scenario, all_of in by_scenario.items() for one in all_of)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, the first two to the left and the rest to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
