"""One line of ``prices quote``: a JSON object to facts, and a cost to a JSON object."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any, cast, get_args

from streamgauge.pricing.costing import Component, Cost
from streamgauge.pricing.facts import Facts
from streamgauge.pricing.money import usd_text
from streamgauge.pricing.rate import SCOPE_NAMES, SCOPES, instant, shown
from streamgauge.records import Outcome, UsageSource

COUNTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens")
"""Token counts of a Measurement that have a price."""

INSIDE = ("reasoning_tokens",)
"""Counts that are part of another one, and so cost nothing more."""

TEXTS = ("endpoint", "operation", "response_model", "latency_mode", "error_type", "finish_reason")
"""What may be said besides; as in a Measurement, but for ``endpoint``."""

FIELDS = ("model", "region", "scope", "tier", "at", "usage", *TEXTS, "outcome", "http_status", "usage_source", "id")

SERVICES = {"runtime": "bedrock-runtime", "mantle": "bedrock-mantle"}

MAX_COUNT = 10**15
"""Tokens of one call; beyond it somebody mistook a field."""

MAX_LINE = 1 << 20
"""Characters of a line; a question has some hundreds."""

_UNIT = re.compile(r"[a-z][A-Za-z0-9_]{0,63}(?::[A-Za-z0-9_]{1,64})?")


class BadLine(ValueError):
    """A line that asks nothing; the text says what is wrong with it."""


Question = tuple[Facts, datetime | None, Any]
"""(facts, time of the call or ``None`` for now, the line's own ``id``)."""


def read_question(line: str) -> Question:
    """What a line asks. Raises ``BadLine``."""
    if len(line) > MAX_LINE:
        raise BadLine(f"longer than {MAX_LINE:,} characters")
    try:
        asked = json.loads(line, parse_constant=_no_number, object_pairs_hook=_once)
    except RecursionError:
        raise BadLine("is nested too deep") from None
    except json.JSONDecodeError as error:
        raise BadLine(f"is no JSON ({error.msg} at column {error.colno})") from None
    if not isinstance(asked, dict):
        raise BadLine('is no JSON object such as {"model": "...", "region": "us-east-1", "usage": {"input_tokens": 1000}}')
    unknown = sorted(set(asked) - set(FIELDS))
    if unknown:
        raise BadLine(f"has a field {unknown[0][:40]!r} that means nothing here; there are {', '.join(FIELDS)}")
    counts, units = _usage(asked.get("usage"))
    endpoint = _word(asked, "endpoint", tuple(SERVICES))
    facts = Facts(
        service=SERVICES[endpoint] if endpoint else None,
        operation=_text(asked, "operation"),
        requested_model=_text(asked, "model", needed=True),
        response_model=_text(asked, "response_model"),
        region=_text(asked, "region"),
        scope=_scope(asked),
        service_tier=_text(asked, "tier"),
        latency_mode=_text(asked, "latency_mode"),
        outcome=cast("Outcome", _word(asked, "outcome", get_args(Outcome)) or "completed"),
        http_status=_whole(asked, "http_status"),
        error_type=_text(asked, "error_type"),
        finish_reason=_text(asked, "finish_reason"),
        usage_source=cast("UsageSource", _word(asked, "usage_source", get_args(UsageSource)) or "reported"),
        units=units,
        input_tokens=counts.get("input_tokens"),
        output_tokens=counts.get("output_tokens"),
        cache_read_tokens=counts.get("cache_read_tokens"),
        cache_write_tokens=counts.get("cache_write_tokens"),
        cache_write_1h_tokens=counts.get("cache_write_1h_tokens"),
    )
    return facts, _at(asked), asked.get("id")


def _no_number(name: str) -> float:
    raise BadLine(f"{name} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise BadLine(f"has {next(name for name in names if names.count(name) > 1)[:40]!r} twice")
    return found


def _text(asked: dict[str, Any], name: str, *, needed: bool = False) -> str | None:
    value = asked.get(name)
    if value is None and not needed:
        return None
    if not isinstance(value, str) or not value.strip():
        raise BadLine(f"{name} {'is missing' if value is None else 'is no text'}")
    return value.strip()


def _word(asked: dict[str, Any], name: str, allowed: tuple[str, ...]) -> str | None:
    value = _text(asked, name)
    if value is not None and value not in allowed:
        raise BadLine(f"{name} {value[:40]!r} is none of {', '.join(allowed)}")
    return value


def _scope(asked: dict[str, Any]) -> str | None:
    value = _text(asked, "scope")
    return SCOPE_NAMES[value.lower()] if value is not None and value.lower() in SCOPE_NAMES else _word(asked, "scope", SCOPES)


def _whole(asked: dict[str, Any], name: str) -> int | None:
    value = asked.get(name)
    if value is not None and not (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT):
        raise BadLine(f"{name} is no whole number from 0 up")
    return value


def _at(asked: dict[str, Any]) -> datetime | None:
    value = _text(asked, "at")
    try:
        return None if value is None else instant(value)
    except (ValueError, OverflowError):
        raise BadLine(f"at {value[:40]!r} is no date such as 2026-11-25 and no RFC 3339 time" if value else "at") from None


def _usage(usage: object) -> tuple[dict[str, int | None], dict[str, int]]:
    """Counts by the Measurement's names, and units by the book's kinds. What is not named is not used; ``null`` is unknown."""
    if not isinstance(usage, dict):
        raise BadLine("usage is missing" if usage is None else "usage is no table of counts")
    counts: dict[str, int | None] = {}
    units: dict[str, int] = {}
    for name in usage:
        count = _whole(usage, name)
        if name in COUNTS:
            counts[name] = count
        elif name in INSIDE or count is None:
            continue
        elif not _UNIT.fullmatch(name) or name.endswith("_tokens"):
            raise BadLine(
                f"usage has {name[:40]!r}; tokens are {', '.join((*COUNTS, *INSIDE))}, other units have the book's names of kinds"
            )
        else:
            units[name] = count
    if counts:
        counts = {"input_tokens": 0, "output_tokens": 0, **counts}
    return counts, units


def answer(cost: Cost) -> dict[str, Any]:
    """The cost as a flat object; amounts are texts, for JSON's numbers are not exact."""
    return {
        "cost_usd": cost.total_usd,
        "cost_status": cost.status,
        "components": [_component(component) for component in cost.components],
        "matched": _matched(cost),
        "list_usd": None if cost.list_pico is None else usd_text(cost.list_pico),
        "reasons": list(cost.reasons),
        "why": cost.why,
    }


def _component(component: Component) -> dict[str, Any]:
    priced = component.priced
    return {
        "kind": component.kind,
        "quantity": component.quantity,
        "usd": component.price,
        "per": None if priced is None else priced.rate.per,
        "unit": None if priced is None else priced.rate.unit,
        "cost_usd": None if component.pico is None else usd_text(component.pico),
        "list_usd": None if component.list_pico is None else usd_text(component.list_pico),
        "effective_from": None if priced is None or priced.rate.start is None else shown(priced.rate.start),
        "effective_to": None if priced is None or priced.rate.end is None else shown(priced.rate.end),
        "confidence": None if priced is None else priced.rate.confidence,
        "source": None if priced is None else priced.rate.source,
        "line": None if priced is None else priced.rate.line,
        "agreement": None if priced is None or priced.agreement is None else priced.agreement.line,
    }


def _matched(cost: Cost) -> dict[str, Any]:
    found: dict[str, Any] = {"book": cost.book_id, "rule": "none"}
    if cost.matched is not None:
        m = cost.matched
        found |= {"rule": m.rule, "model": m.model, "region": m.region, "scope": m.scope, "tier": m.tier, "context_gt": m.context_gt}
    return found
