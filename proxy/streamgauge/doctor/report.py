"""Findings as lines for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from streamgauge.doctor.finding import Finding

MARKS = {"ok": "ok  ", "note": "note", "finding": "FIX "}


def as_text(findings: Iterable[Finding]) -> Iterator[str]:
    """A line each, and one more with the fix."""
    for each in findings:
        yield f"{MARKS[each.verdict]}  {each.subject}: {each.text}"
        if each.fix is not None:
            yield f"      fix: {each.fix}" if each.verdict == "finding" else f"      {each.fix}"


def as_json_lines(findings: Iterable[Finding]) -> Iterator[str]:
    """One JSON object each."""
    for each in findings:
        yield json.dumps(asdict(each), ensure_ascii=False)
