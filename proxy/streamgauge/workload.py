"""Which workload class an exchange belongs to, and what decided it.

Knows: the operator's rules, and what tier, operation and streaming say by themselves.
Must not know: how a class is used. Latency objectives belong to classes, so a wrong guess would blame somebody: what nothing decides stays
``unclassified`` and has no objective.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgauge.records import Measurement

WorkloadClass = Literal["interactive", "realtime", "batch", "unclassified"]
"""``interactive``: a person reads along. ``realtime``: somebody waits and cannot, as in speech; only rules say so. ``batch``: nobody waits."""

Verdict = tuple[str, str | None]
"""The class, and what decided it: ``rule:<n>`` (n from 1, as in the settings), ``service_tier``, ``async``, ``streaming``, or nothing."""

BATCH_TIERS = frozenset({"flex"})
"""Tiers that are cheaper because the caller does not mind to wait."""

ASYNC_OPERATIONS = frozenset({"StartAsyncInvoke", "InvokeEndpointAsync", "InvokeInferenceRouterAsync"})
"""Calls that only hand work in. A test holds them to the routes."""

REMEMBERED = 4_096
"""Remembered verdicts of rules: apps x models x operations of a large site stay below it. Names come from callers, so there must be an end."""

UNCLASSIFIED: Verdict = ("unclassified", None)
BY_TIER: Verdict = ("batch", "service_tier")
BY_OPERATION: Verdict = ("batch", "async")
BY_STREAMING: Verdict = ("interactive", "streaming")


@dataclass(frozen=True)
class WorkloadRule:
    """One rule: what matches all its patterns is of ``workload_class``.

    Patterns are globs (``*``, ``?``, ``[a-z]``) and care about case; what is not given matches everything. ``route`` is
    ``service/region/model``, with the endpoint's name in place of the model for SageMaker.
    """

    workload_class: WorkloadClass
    tenant: str | None = None
    app: str | None = None
    route: str | None = None
    model: str | None = None
    operation: str | None = None


@dataclass(frozen=True)
class WorkloadSettings:
    """``rules`` are tried in their order, the first that matches decides."""

    rules: tuple[WorkloadRule, ...] = ()


class Workloads:
    """The rules, ready to ask. Without rules an answer takes about 0.1 us, with rules that were asked the same before about 0.4 us."""

    def __init__(self, settings: WorkloadSettings) -> None:
        self._rules = tuple(_compiled(number, rule) for number, rule in enumerate(settings.rules, 1))
        self._known: dict[tuple[str | None, ...], Verdict | None] = {}

    def classify(self, m: Measurement) -> Verdict:
        """Class and source of an exchange whose request's facts are known."""
        if self._rules:
            found = self._by_rule(m)
            if found is not None:
                return found
        if m.service_tier in BATCH_TIERS:
            return BY_TIER
        if m.operation in ASYNC_OPERATIONS:
            return BY_OPERATION
        return BY_STREAMING if m.streaming else UNCLASSIFIED

    def _by_rule(self, m: Measurement) -> Verdict | None:
        key = (m.tenant, m.app, m.service, m.region, m.requested_model, m.endpoint_name, m.operation)
        try:
            return self._known[key]
        except KeyError:
            pass
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        found = self._known[key] = self._first(m)
        return found

    def _first(self, m: Measurement) -> Verdict | None:
        facts = {
            "tenant": m.tenant or "",
            "app": m.app or "",
            "route": "/".join((m.service or "", m.region or "", m.requested_model or m.endpoint_name or "")),
            "model": m.requested_model or "",
            "operation": m.operation or "",
        }
        return next((verdict for patterns, verdict in self._rules if all(p.match(facts[name]) for name, p in patterns)), None)


def _compiled(number: int, rule: WorkloadRule) -> tuple[tuple[tuple[str, re.Pattern[str]], ...], Verdict]:
    return tuple((name, re.compile(translate(pattern))) for name, pattern in _patterns(rule)), (rule.workload_class, f"rule:{number}")


def _patterns(rule: WorkloadRule) -> Iterator[tuple[str, str]]:
    for name in ("tenant", "app", "route", "model", "operation"):
        pattern = getattr(rule, name)
        if pattern is not None:
            yield name, pattern
