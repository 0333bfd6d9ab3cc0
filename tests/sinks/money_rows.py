"""Rows with money in them, and what they add up to by another way than the product's."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from streamgauge.records import Measurement

MIDNIGHT = datetime(2026, 11, 25, tzinfo=UTC)
TEAMS, MODELS = ("search", "chat", None), ("m-one", "m-two")
OUTCOMES = ("completed", "completed", "completed", "throttled", "client_cancelled")


def stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def row(name: str, at: datetime = MIDNIGHT, **fields: Any) -> Measurement:
    return Measurement(**{"exchange_id": name, "started_at": stamp(at), "proxy_id": "p", "outcome": "completed", **fields})


def usd(pico: int) -> str:
    whole, rest = divmod(pico, 10**12)
    return f"{whole}.{rest:012d}".rstrip("0").rstrip(".")


def rows(count: int, seed: int = 1, prefix: str = "x", minutes: float = 180) -> list[Measurement]:
    """Exchanges spread around a midnight, some without a cost, some without counts, with amounts no float can hold."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        known = chance.random() < 0.9
        found.append(
            row(
                f"{prefix}-{seed}-{number:06d}",
                MIDNIGHT + timedelta(minutes=(number / count - 0.5) * minutes),
                team=chance.choice(TEAMS),
                requested_model=chance.choice(MODELS),
                outcome=chance.choice(OUTCOMES),
                service="bedrock-runtime",
                region=chance.choice(("eu-central-1", "us-east-1")),
                streaming=chance.random() < 0.5,
                sdk_attempt=chance.choice((None, 1, 1, 2)),
                usage_source="reported" if known else "unknown",
                input_tokens=chance.randrange(1, 200_000) if known else None,
                output_tokens=chance.randrange(1, 4_000) if known else None,
                cache_read_tokens=chance.choice((None, 0, 1000)),
                cost_usd=usd(chance.randrange(1, 3 * 10**12)) if known else None,
                cost_status="final" if known else "unpriced",
                ttft=chance.random(),
                usage_conflict={"output_tokens": number} if number % 50 == 0 else None,
            )
        )
    return found


def total_pico(rows: Iterable[Measurement]) -> int:
    """All costs, by fractions."""
    whole = sum((Fraction(row.cost_usd) for row in rows if row.cost_usd is not None), Fraction(0)) * 10**12
    assert whole.denominator == 1
    return int(whole)


def by_team_and_day(rows: Iterable[Measurement]) -> dict[tuple[str | None, str], tuple[int, int, int, int]]:
    """Exchanges, input tokens, output tokens and pico-dollars of each team and day."""
    found: dict[tuple[str | None, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for each in rows:
        sums = found[each.team, each.started_at[:10]]
        sums[0] += 1
        sums[1] += each.input_tokens or 0
        sums[2] += each.output_tokens or 0
        sums[3] += total_pico([each])
    return {group: (sums[0], sums[1], sums[2], sums[3]) for group, sums in found.items()}
