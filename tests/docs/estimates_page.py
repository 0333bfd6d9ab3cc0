"""How wrong token estimates are, as the documentation shows it: from the saved fit (``tests/estimate/fit.py --save``) to Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.docs.cost import between
from tests.estimate.fit import RESULT

NAMES = {"claude": "Claude before 4.7", "claude_4_7": "Claude from 4.7", "nova": "Nova", "other": "other"}
MEASURES = {"tokenizer": "text", "characters": "size"}


def saved() -> Mapping[str, Any]:
    """The fit that ships."""
    found: Mapping[str, Any] = json.loads(RESULT.read_text(encoding="utf-8"))
    return found


def page(text: str, fit: Mapping[str, Any]) -> str:
    """The page with its two tables."""
    return between(between(text, "fit", _families(fit)), "prompts", _prompts(fit["prompts"]))


def _percent(value: float) -> str:
    return f"{value * 100:.0f} %"


def _signed(value: float) -> str:
    return f"{value * 100:+.0f} %".replace("-", "\u2212") if round(value * 100) else "0 %"


def _families(fit: Mapping[str, Any]) -> str:
    lines = [
        "| family | pairs | estimate from | tokens | median error | 90th percentile | error of the sum |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, family in fit["families"].items():
        for measure, word in MEASURES.items():
            line, off = family[measure], family[measure]["held_out"]
            unit = "count" if measure == "tokenizer" else "bytes"
            tokens = f"{line['slope']:.2f} \u00d7 {unit} + {line['constant']:.1f}"
            cells = [NAMES[name], str(family["pairs"]), word, tokens, _percent(off["median"]), _percent(off["p90"]), _signed(off["total"])]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _prompts(found: Mapping[str, Any]) -> str:
    lines = ["| the provider's count | from text | from size |", "|---|---|---|"]
    for (by_text, truth), (by_size, _) in zip(found["tokenizer"]["pairs"], found["characters"]["pairs"], strict=True):
        lines.append(f"| {truth} | {by_text} | {by_size} |")
    return "\n".join(lines) + "\n"
