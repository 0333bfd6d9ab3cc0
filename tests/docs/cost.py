"""What the proxy costs, as the documentation shows it: from a saved result of the benchmark (``tests/bench/run.py --save``) to Markdown.

Without that file the pages say how to make it. Figures of a scenario that does not count are not shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.report import COLUMNS, OTHER

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "explanation" / "overhead-results.json"
COMMAND = "make bench BENCH_ARGS='--full --save docs/explanation/overhead-results.json'"

Result = Mapping[str, Any]

MICROSECONDS = {"CPU us": "CPU, µs", "whole us": "whole product, µs", "+TTFT p50": "+TTFT p50, µs", "+later p50": "+later p50, µs"}
HIDDEN = {"bytes_per_stream", "cpu_share"}
"""Memory per stream is only right where nearly all of it is streams: it is told from ``memory-5000`` alone."""
CALLS_ONLY = {"chunks_per_s", "added_later_p50_us", "added_later_p99_us"}
DOUBT = " \\*"


def saved(path: Path = RESULTS) -> Result | None:
    """The result that is published, or ``None``."""
    if not path.exists():
        return None
    found: Result = json.loads(path.read_text(encoding="utf-8"))
    return found


def between(page: str, name: str, text: str) -> str:
    """The page with ``text`` between its marks ``<!-- NAME -->`` and ``<!-- /NAME -->``. Raises ``ValueError`` when it has none."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"the page has no marks <!-- {name} --> and <!-- /{name} -->")
    return pattern.sub(lambda marks: marks[1] + text + marks[2], page)


def figures(result: Result | None) -> str:
    """All tables, for the page about the costs."""
    if result is None:
        return (
            "No figures are published with this version.\n\n"
            f"```sh\n{COMMAND}   # about half an hour, on a machine with nothing else to do\n"
            "make docs   # puts its tables here\n```\n"
        )
    parts = [_circumstances(result), "### Goals\n", _goals(result), "### Streams\n", _loads(result, streams=True)]
    parts += ["### Calls in one piece\n", _loads(result, streams=False), "### Memory, ledger, and an application that leaves\n"]
    parts += [_others(result), _remarks(result)]
    return "\n".join(part for part in parts if part)


def lines(result: Result | None) -> str:
    """The costs in at most four lines, for the front page."""
    if result is None:
        return "[What it costs](docs/explanation/overhead.md) says what is compared, where each microsecond goes, and how to measure it.\n"
    told = [line for sentence in (_streams_line, _calls_line, _memory_line) if (line := sentence(result))]
    reached = sum(goal["verdict"] == "PASS" for goal in result["goals"])
    told.append(
        f"Measured on {result['settings']['date']} with `{result['settings']['command']}`, {reached} of {len(result['goals'])} goals reached: "
        "[tables, and what they mean](docs/explanation/overhead.md)."
    )
    return "\n".join(told) + "\n"


# ---- the front page ----


def _own(result: Result, scenario: str) -> Mapping[str, float]:
    """What counts of streamgauge in that scenario; nothing when it was not run or is void."""
    found: Mapping[str, float] = {} if result["void"].get(scenario) else result["figures"].get(scenario, {}).get("streamgauge", {})
    return found


def _streams_line(result: Result) -> str:
    own = _own(result, "streams-1000")
    if "cpu_us_ratio" not in own or "added_ttft_p50_us" not in own:
        return ""
    return (
        f"With 1,000 streams of 25 chunks a second on one core, a chunk takes {own['cpu_us_ratio']:.2f} times the CPU it takes in nginx "
        f"({own['cpu_whole_us_ratio']:.2f} with recorder and supervisor), and the first token comes {own['added_ttft_p50_us'] / 1000:.2f} ms (p50) "
        f"and {own['added_ttft_p99_us'] / 1000:.2f} ms (p99) later than without a proxy."
    )


def _calls_line(result: Result) -> str:
    paced, closed = _own(result, "unary-5000"), _own(result, "unary")
    if "cpu_us_ratio" not in paced or "cpu_us_ratio" not in closed:
        return ""
    return (
        f"A call in one piece takes {paced['cpu_us_ratio']:.1f} times nginx's CPU at 5,000 calls a second, "
        f"and {closed['cpu_us_ratio']:.1f} times where callers ask as fast as they can."
    )


def _memory_line(result: Result) -> str:
    stream, idle = _own(result, "memory-5000"), _own(result, "idle")
    if not stream or not idle:
        return ""
    return f"An open stream takes {stream['bytes_per_stream'] / 1024:.0f} KiB, all processes together {idle['all_mb']:.0f} MB when idle."


# ---- the tables ----


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, words: int) -> str:
    """``words``: how many columns hold text; the rest are figures and stand to the right."""
    ruler = "|" + "---|" * words + "---:|" * (len(heads) - words)
    return "\n".join(["| " + " | ".join(heads) + " |", ruler, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def _circumstances(result: Result) -> str:
    machine, settings = result["machine"], result["settings"]
    python = machine["python"]
    packages = ", ".join(f"{name} {version}" for name, version in python["packages"].items())
    rows = [
        ["date", settings["date"]],
        ["command", f"`{settings['command']}`"],
        ["machine", f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB; one core for the load, one for what is measured"],
        ["system", f"{machine['system']}, Linux {machine['kernel']}, {machine['nginx']}, {machine['openssl'].partition(' (')[0]}"],
        ["interpreter", f"CPython {python['version']}, built {'with' if python['profile_guided'] else '**without**'} profile-guided optimisation"],
        ["packages", packages],
        ["code", settings["fingerprint"]],
        ["scheduling", "real-time class for load and relay" if settings["realtime"] else "ordinary"],
    ]  # fmt: skip
    return _table(["", ""], rows, words=2)


def _goals(result: Result) -> str:
    rows = []
    for goal in result["goals"]:
        value = "" if goal["value"] is None else f"{goal['value']:,.2f}" if goal["value"] < 1000 else f"{goal['value']:,.0f}"
        word = {"PASS": "PASS", "MISS": "**MISS**", "VOID": "void", "-": "not run"}[goal["verdict"]]
        rows.append([goal["goal"], f"`{goal['scenario']}`", word + (DOUBT if goal["doubtful"] else ""), value, goal["limit"]])
    return _table(["goal", "scenario", "verdict", "measured", "to reach"], rows, words=3)


def _loads(result: Result, *, streams: bool) -> str:
    hidden = HIDDEN | (set() if streams else CALLS_ONLY)
    columns = [column for column in COLUMNS if column[1] not in hidden]
    rows = []
    for scenario, targets in result["figures"].items():
        if result["void"].get(scenario) or any("cpu_us" not in figure for figure in targets.values()):
            continue
        if streams == any("later_p50_us" in figure for figure in targets.values()):
            rows += [[_marked(result, scenario), name, *_cells(result, scenario, name, columns)] for name in targets]
    heads = [MICROSECONDS.get(heading, heading) for heading, _, _ in columns]
    return _table(["scenario", "target", *heads], rows, words=2)


def _marked(result: Result, scenario: str) -> str:
    return f"`{scenario}`" + (DOUBT if result["doubts"].get(scenario) else "")


def _cells(result: Result, scenario: str, target: str, columns: Sequence[tuple[str, str, str]]) -> list[str]:
    figure = result["figures"][scenario][target]
    # Without a proxy the "CPU" would be the upstream's own: it says nothing about a proxy's cost.
    return [
        _with_spread(result, scenario, target, name, form) if name in figure and not (target == "direct" and name.startswith("cpu")) else ""
        for _, name, form in columns
    ]


def _with_spread(result: Result, scenario: str, target: str, name: str, form: str) -> str:
    """Of a ratio to nginx the least and the greatest of the rounds as well: that is what a reader compares."""
    told = form.format(result["figures"][scenario][target][name])
    least, greatest = (form.format(value) for value in result["spread"][scenario][target].get(name, (0.0, 0.0)))
    return f"{told} ({least}-{greatest})" if name.endswith("_ratio") and least != greatest else told


def _others(result: Result) -> str:
    labels: list[tuple[str, str, Callable[[float], str]]] = [(name, label, form.format) for name, label, form in OTHER]
    rows = []
    for scenario, targets in result["figures"].items():
        if result["void"].get(scenario):
            continue
        for target, figure in targets.items():
            rows += [[_marked(result, scenario), target, label, told(figure[name])] for name, label, told in labels if name in figure]
            if scenario == "memory-5000":
                rows.append([_marked(result, scenario), target, "memory per open stream, KiB", f"{figure['bytes_per_stream'] / 1024:.1f}"])
    return _table(["scenario", "target", "figure", "value"], rows, words=3)


def _remarks(result: Result) -> str:
    void = [f"- `{scenario}` does not count: {one}" for scenario, reasons in result["void"].items() for one in reasons]
    doubts = [f"- `{scenario}`: {one}" for scenario, reasons in result["doubts"].items() if scenario != "ceiling" for one in reasons]
    told = f"What was run does not count or is not shown:\n\n{chr(10).join(void)}\n" if void else ""
    if doubts:
        told += (
            ("\n" if told else "")
            + f"{DOUBT.strip()} Doubtful, for the machine was not left alone or the load programs were busy:\n\n"
            + "\n".join(doubts)
            + "\n"
        )
    return told
