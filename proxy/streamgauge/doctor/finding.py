"""What a look at one thing brought: one sentence, and where something is wrong, how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "note", "finding"]
"""``note``: something to know that is not wrong by itself."""


@dataclass(frozen=True, slots=True)
class Finding:
    """``subject``: what was looked at, one word. ``text``: what was seen, without any secret. ``fix``: what to do; every ``finding`` has one."""

    subject: str
    verdict: Verdict
    text: str
    fix: str | None = None


def ok(subject: str, text: str) -> Finding:
    """All is well."""
    return Finding(subject, "ok", text)


def note(subject: str, text: str, fix: str | None = None) -> Finding:
    """Something to know."""
    return Finding(subject, "note", text, fix)


def finding(subject: str, text: str, fix: str) -> Finding:
    """Something is wrong."""
    return Finding(subject, "finding", text, fix)
