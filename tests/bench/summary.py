"""Puts the rounds of all scenarios together: figures by scenario and target, what is void and why, what is doubtful. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench.verdict import Raw, compared, doubts, figures, held, median_of, void_reasons

Rounds = Mapping[str, Sequence[Sequence[Raw]]]
"""Scenario -> rounds -> pieces, one per target."""


@dataclass
class Summary:
    """``figures``: scenario -> target -> figure. ``void``: scenario -> why it counts for nothing. ``spread``: the least and greatest value of
    each figure over the rounds, same shape as ``figures``."""

    figures: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    spread: dict[str, dict[str, dict[str, tuple[float, float]]]] = field(default_factory=dict)
    void: dict[str, list[str]] = field(default_factory=dict)
    doubts: dict[str, list[str]] = field(default_factory=dict)
    rounds: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For the result file."""
        return {"figures": self.figures, "spread": self.spread, "void": self.void, "doubts": self.doubts, "rounds": self.rounds}


def summarise(rounds: Rounds) -> Summary:
    """Scenarios of no round are left out. The figures of a void scenario are shown all the same: they help to find out why."""
    summary = Summary()
    for scenario, pieces in rounds.items():
        if pieces:
            _add(summary, scenario, pieces)
    _add_ceiling(summary)
    return summary


def _add(summary: Summary, scenario: str, rounds: Sequence[Sequence[Raw]]) -> None:
    by_target: dict[str, list[dict[str, float]]] = {}
    for number, pieces in enumerate(rounds):
        reasons = [f"round {number + 1}, {piece['target']}: {reason}" for piece in pieces for reason in void_reasons(piece)]
        summary.void.setdefault(scenario, []).extend(reasons)
        summary.doubts.setdefault(scenario, []).extend(f"round {number + 1}: {doubt}" for doubt in doubts(pieces))
        alive = {piece["target"]: figures(piece) for piece in pieces if "failed" not in piece}
        for name, figure in compared(alive).items():
            by_target.setdefault(name, []).append(figure)
    summary.figures[scenario] = {name: median_of(own) for name, own in by_target.items()}
    summary.spread[scenario] = {name: _spread(own) for name, own in by_target.items()}
    summary.rounds[scenario] = len(rounds)


def _spread(rounds: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    names = sorted({name for one in rounds for name in one})
    values = {name: [one[name] for one in rounds if name in one] for name in names}
    return {name: (min(found), max(found)) for name, found in values.items()}


def _add_ceiling(summary: Summary) -> None:
    """The scenario ``ceiling``: for each target the most chunks/s of the steps ``ceiling-Nk`` that it and all lower steps held."""
    steps = sorted(
        (int(name.removeprefix("ceiling-").removesuffix("k")) * 1000, name) for name in summary.figures if name.startswith("ceiling-")
    )
    if not steps:
        return
    targets = {target for _, name in steps for target in summary.figures[name]}
    summary.figures["ceiling"] = {target: {"held_chunks_per_s": _highest(summary, steps, target)} for target in sorted(targets)}
    # A step whose records do not add up is not held by streamgauge, and only a void lowest step leaves nothing to say.
    summary.void["ceiling"] = list(summary.void[steps[0][1]])
    summary.doubts["ceiling"] = [doubt for _, name in steps for doubt in summary.doubts[name]]


def _highest(summary: Summary, steps: Sequence[tuple[int, str]], target: str) -> float:
    highest = 0
    for offered, name in steps:
        figure = summary.figures[name].get(target)
        if figure is None or summary.void[name] or not held(figure, offered):
            break
        highest = offered
    return float(highest)
