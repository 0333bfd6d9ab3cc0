"""Fit the factors of token estimates and say how wrong they are: ``python -m tests.estimate.fit [--save]``.

Pairs of a text and its provider's count (``tests/data/token_pairs``) give, for each family of models, the line with the least sum of
absolute log ratios: an estimate at half and at twice the truth are equally wrong, and no single odd pair moves the line far.
The error is that of pairs the line was not fitted on: five folds, all pairs of one recording in the same fold.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from streamgauge.estimate.factors import OTHER, Factors, Line, family
from streamgauge.estimate.size import text_bytes
from streamgauge.estimate.text import prompt_text
from streamgauge.tokens.encoding import NAME, count, load

ROOT = Path(__file__).parents[2]
PAIRS = ROOT / "tests" / "data" / "token_pairs" / "pairs.jsonl"
RECORDED = ROOT / "tests" / "data" / "recorded"
RESULT = ROOT / "proxy" / "streamgauge" / "data" / "token_factors.json"

FOLDS = 5
FEWEST = 10
"""A family with fewer pairs has no line of its own: five are not enough to see how wrong a line is."""

CLAUDE = ("claude", "claude_4_7")


class Point(NamedTuple):
    """One pair: the text's size by some measure, the provider's tokens, the recording it is from."""

    size: int
    tokens: int
    source: str


def fit(points: Sequence[Point]) -> Line:
    """The best line with a slope above and a constant not below zero. It goes through two points, or through one and the origin."""
    spots = sorted({point[:2] for point in points})
    lines = {(round(y / x, 4), 0.0) for x, y in spots}
    for (x1, y1), (x2, y2) in itertools.combinations(spots, 2):
        if x1 != x2:
            slope = (y2 - y1) / (x2 - x1)
            lines.add((round(slope, 4), round(y1 - slope * x1, 2)))
    usable = (Line(slope, constant) for slope, constant in sorted(lines) if slope > 0 and constant >= 0)
    return min(usable, key=lambda line: sum(abs(math.log((line.slope * x + line.constant) / y)) for x, y, _ in points))


def held_out(points: Sequence[Point]) -> dict[str, float]:
    """Median and 90th percentile of the relative error, and how far the sum is off, for pairs that the line has not seen."""
    fold_of = {source: at % FOLDS for at, source in enumerate(sorted({point.source for point in points}))}
    seen: list[tuple[int, int]] = []
    for fold in range(FOLDS):
        line = fit([point for point in points if fold_of[point.source] != fold])
        seen += [(line.tokens(point.size), point.tokens) for point in points if fold_of[point.source] == fold]
    return errors(seen)


def errors(seen: Sequence[tuple[int, int]]) -> dict[str, float]:
    """Of pairs of estimate and truth: relative errors, sorted, at the middle and at nine tenths, and the relative error of the sum."""
    off = sorted(abs(estimate - truth) / truth for estimate, truth in seen)
    total = sum(estimate for estimate, _ in seen) / sum(truth for _, truth in seen) - 1
    p90 = off[min(len(off) - 1, math.ceil(0.9 * len(off)) - 1)]
    return {"median": round(statistics.median(off), 3), "p90": round(p90, 3), "total": round(total, 3)}


def read(measure: Callable[[str], int]) -> dict[str, list[Point]]:
    """The pairs by family, for those that get a line; ``other`` has all pairs but Claude's."""
    rows = [json.loads(line) for line in PAIRS.read_text(encoding="utf-8").splitlines()]
    by_family: dict[str, list[Point]] = defaultdict(list)
    for row in rows:
        point = Point(measure(row["text"]), row["provider_output_tokens"], row["source"])
        name = family(row["model"])
        by_family[name].append(point)
        if name not in (*CLAUDE, OTHER):
            by_family[OTHER].append(point)
    return {name: points for name, points in sorted(by_family.items()) if name == OTHER or len(points) >= FEWEST}


def result() -> dict[str, Any]:
    """What is saved: the lines, and the errors that the documentation shows."""
    encoding = load()
    measures: dict[str, Callable[[str], int]] = {
        "tokenizer": lambda text: count(encoding, [text]),
        "characters": lambda text: len(text.encode()),
    }
    families: dict[str, dict[str, Any]] = defaultdict(dict)
    for measure, size in measures.items():
        for name, points in read(size).items():
            line = fit(points)
            entry = {"slope": line.slope, "constant": line.constant, "held_out": held_out(points)}
            families[name] |= {"pairs": len(points), measure: entry}
    return {"encoding": NAME, "families": families, "prompts": prompts(msgspec.convert({"families": families}, Factors))}


def saved_form(found: dict[str, Any]) -> str:
    """As it stands in the file."""
    return json.dumps(found, indent=2) + "\n"


def prompts(factors: Factors) -> dict[str, Any]:
    """The lines on recorded requests, whose input nobody fitted: how far from the provider's count of all input, its own frame included."""
    encoding = load()
    seen: dict[str, list[tuple[int, int]]] = {"tokenizer": [], "characters": []}
    for entry in json.loads((RECORDED / "manifest.json").read_text(encoding="utf-8")):
        request = RECORDED / f"{entry['name']}.request.json"
        if not request.exists():
            continue
        body, truth, lines = request.read_bytes(), entry["usage"]["inputTokens"], factors.of(entry["uri_path"])
        seen["tokenizer"].append((lines.tokenizer.tokens(count(encoding, prompt_text(body))), truth))
        seen["characters"].append((lines.characters.tokens(text_bytes(body)), truth))
    return {"requests": len(seen["tokenizer"]), **{name: {**errors(pairs), "pairs": pairs} for name, pairs in seen.items()}}


def main() -> None:
    """Print, and save if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--save", action="store_true", help=f"write {RESULT.relative_to(ROOT)}")
    save = parser.parse_args().save
    text = saved_form(result())
    if save:
        RESULT.write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
