"""The command: runs what has not been run yet, then reports everything that has."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import sysconfig
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench import machine, processes, profiling, report
from tests.bench.build import CannotRun, compile_lab, ensure_packages, make_certificate
from tests.bench.pieces import run_piece
from tests.bench.scenarios import Scenario, full, short
from tests.bench.store import Store, fingerprint
from tests.bench.summary import summarise
from tests.bench.targets import Bench
from tests.bench.verdict import void_reasons

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "bench"
EXIT_FINE, EXIT_MISSED, EXIT_USAGE, EXIT_CANNOT_RUN = 0, 1, 2, 4


def main(arguments: list[str] | None = None) -> int:
    """0: every goal that was run is reached; 1: one is missed or void; 2: usage; 4: could not run."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what was started is stopped
    try:
        return _bench(options)
    except CannotRun as error:
        print(f"bench: {error}", file=sys.stderr)
        return EXIT_CANNOT_RUN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tests/bench/run.py",
        description="Compares direct, nginx and streamgauge, interleaved in one run, on cores 0 (load) and 1 (target). Needs Linux, two cores and gcc.",
        epilog="Example: tests/bench/run.py --full --save docs/explanation/overhead-results.json",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--short", action="store_true", help="about two minutes, one round, always from the start (default)")
    form.add_argument(
        "--full", action="store_true", help="about half an hour, three rounds; a rerun goes on where it stopped while the code is the same"
    )
    parser.add_argument("--fresh", action="store_true", help="with --full: forget what was run before")
    parser.add_argument("--only", default="", metavar="NAME,...", help="only these scenarios")
    parser.add_argument("--rounds", type=int, help="rounds of each scenario instead of its own number")
    parser.add_argument("--targets", default="", metavar="NAME,...", help="only these of direct, nginx, streamgauge")
    parser.add_argument(
        "--streamgauge", type=Path, default=Path(sysconfig.get_path("scripts")) / "streamgauge", help="the program to measure"
    )
    parser.add_argument("--no-realtime", action="store_true", help="do not use the real-time class even when allowed to")
    parser.add_argument("--profile", metavar="NAME", help="instead: where the worker's CPU goes under that scenario (perf, py-spy)")
    parser.add_argument("--save", type=Path, metavar="FILE", help="also write the result as JSON there")
    return parser


def _bench(options: argparse.Namespace) -> int:
    form = "full" if options.full else "short"
    scenarios = _chosen(full() if options.full else short(), options)
    ensure_packages()
    WORK.mkdir(parents=True, exist_ok=True)
    realtime = processes.realtime_allowed() and not options.no_realtime
    settings: dict[str, Any] = {
        "command": _command(form, options),
        "date": datetime.now(UTC).date().isoformat(),
        "realtime": realtime,
        "fingerprint": fingerprint(),
    }
    store = Store(WORK / form, f"{settings['fingerprint']} {options.streamgauge} {realtime}")
    if (form == "short" or options.fresh) and not options.profile:
        store.clear()
    with tempfile.TemporaryDirectory(dir=WORK) as work:
        # Ours is a light process, but it must not be on the core that is measured.
        os.sched_setaffinity(0, {machine.LAB_CORE})
        lab, certificate = compile_lab(WORK), make_certificate(Path(work))
        bench = Bench(lab, Path(work), certificate, (str(options.streamgauge),), realtime)
        facts = machine.facts(_interpreter(options.streamgauge))
        if options.profile:
            print(profiling.profile(_named(options.profile, scenarios), bench))
            return EXIT_FINE
        _run_all(scenarios, bench, store, settings["fingerprint"])
    return _tell(form, facts, settings, scenarios, store, options.save)


def _command(form: str, options: argparse.Namespace) -> str:
    """How to run the same again: what the figures depend on, and no path of this machine."""
    named = [("--only", options.only), ("--rounds", options.rounds), ("--targets", options.targets)]
    chosen = [word for name, value in named if value for word in (name, str(value))]
    return shlex.join(["tests/bench/run.py", f"--{form}", *chosen, *(["--no-realtime"] if options.no_realtime else [])])


def _chosen(scenarios: list[Scenario], options: argparse.Namespace) -> list[Scenario]:
    names = [name for name in options.only.split(",") if name]
    unknown = set(names) - {scenario.name for scenario in scenarios}
    if unknown:
        raise CannotRun(f"no scenario {', '.join(sorted(unknown))}; there are: {', '.join(s.name for s in scenarios)}")
    chosen = [scenario for scenario in scenarios if not names or scenario.name in names]
    if options.rounds:
        chosen = [replace(scenario, rounds=options.rounds) for scenario in chosen]
    wanted = [name for name in options.targets.split(",") if name]
    if wanted:
        chosen = [replace(scenario, targets=tuple(t for t in scenario.targets if t in wanted)) for scenario in chosen]
    return [scenario for scenario in chosen if scenario.targets]


def _named(name: str, scenarios: list[Scenario]) -> Scenario:
    for scenario in scenarios:
        if scenario.name == name:
            return scenario
    raise CannotRun(f"no scenario {name}; there are: {', '.join(s.name for s in scenarios)}")


def _interpreter(program: Path) -> str:
    """The interpreter a console script names in its first line; ours when it names none."""
    try:
        first = program.open("rb").readline().decode(errors="replace").strip()
    except OSError as error:
        raise CannotRun(f"no program {program}: install the package (pip install -e .) or name another with --streamgauge") from error
    return first[2:].split()[0] if first.startswith("#!") and "python" in first else sys.executable


def _run_all(scenarios: list[Scenario], bench: Bench, store: Store, code: str) -> None:
    # Rounds outermost: what drifts over minutes then falls on every scenario alike.
    for number in range(max((scenario.rounds for scenario in scenarios), default=0)):
        for scenario in scenarios:
            if number < scenario.rounds and store.load(scenario.name, number) is None:
                pieces = _run_round(scenario, number, bench)
                if fingerprint() != code:
                    raise CannotRun("the code changed while it was measured: run again, best from a clone nobody works in")
                store.save(scenario.name, number, pieces)


def _run_round(scenario: Scenario, number: int, bench: Bench) -> list[dict[str, Any]]:
    """All targets one after the other, beginning with another one each round."""
    turn = number % len(scenario.targets)
    order = scenario.targets[turn:] + scenario.targets[:turn]
    return [_told(scenario, number, name, bench) for name in order]


def _told(scenario: Scenario, number: int, name: str, bench: Bench) -> dict[str, Any]:
    began = time.monotonic()
    try:
        piece = run_piece(name, scenario, bench)
    except (CannotRun, OSError) as error:
        # One target that fails must not take the others' rounds with it; the scenario is void and says why.
        piece = {"target": name, "scenario": scenario.name, "failed": str(error)}
    piece["placement"] = scenario.placement
    verdict = "; ".join(void_reasons(piece)) or "counts"
    print(
        f"{time.strftime('%H:%M:%S')}  {scenario.name} round {number + 1}  {name:12s} {time.monotonic() - began:5.1f} s  {verdict}",
        file=sys.stderr,
        flush=True,
    )
    return piece


def _tell(form: str, facts: dict[str, Any], settings: dict[str, Any], scenarios: list[Scenario], store: Store, save: Path | None) -> int:
    rounds = {scenario.name: _kept(store, scenario) for scenario in scenarios}
    result = report.result(form, facts, settings, summarise(rounds))
    print(report.as_text(result))
    for path in filter(None, (WORK / f"{form}.json", save)):
        path.write_text(report.as_json(result))
    return EXIT_MISSED if {"MISS", "VOID"} & {goal["verdict"] for goal in result["goals"]} else EXIT_FINE


def _kept(store: Store, scenario: Scenario) -> list[list[dict[str, Any]]]:
    return [pieces for number in range(scenario.rounds) if (pieces := store.load(scenario.name, number)) is not None]
