"""Ledgers for the tests of everything that reads one: hand-made rows, and a plausible seeded week."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from streamgauge.records import Measurement, Outcome, Side
from streamgauge.sinks.ledger_access import SCHEMA_VERSION
from streamgauge.sinks.ledger_table import exchanges, metadata

BEGIN = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)

MODELS = {
    "anthropic.claude-sonnet-4-5-20250929-v1:0": (0.45, 0.017),
    "us.anthropic.claude-haiku-4-5-20251001-v1:0": (0.28, 0.008),
    "amazon.nova-pro-v1:0": (0.35, 0.011),
}
TEAMS = {"search": ("chat-ui", "rerank"), "support": ("assistant",), "batch": ("summaries",)}
Ending = tuple[Outcome, Side | None, str | None, int | None, float]

ENDINGS: tuple[Ending, ...] = (
    ("completed", None, None, 200, 0.955),
    ("throttled", "upstream", "ThrottlingException", 429, 0.02),
    ("client_cancelled", "downstream", None, 200, 0.012),
    ("upstream_error", "upstream", "ServiceUnavailableException", 503, 0.005),
    ("stream_error", "upstream", "ModelStreamErrorException", 200, 0.004),
    ("timeout", "upstream", "first_byte_timeout", None, 0.002),
    ("client_error", "downstream", "ValidationException", 400, 0.002),
)


def moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def exchange_id(at: datetime, chance: random.Random) -> str:
    digits = f"{int(at.timestamp() * 1000):012x}7{chance.getrandbits(12):03x}{0x8 | chance.getrandbits(2):x}{chance.getrandbits(60):015x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def measured(**fields: Any) -> Measurement:
    """A completed stream of 4 s: 0.1 upload, 0.001 proxy, 0.05 connect, first byte at 0.4, first token at 1.0, last at 3.9."""
    usual: dict[str, Any] = {
        "exchange_id": "019ac1f2-7b3c-7d2e-9f10-a1b2c3d4e5f6",
        "started_at": "2026-11-24T05:00:00.123456Z",
        "proxy_id": "p1",
        "outcome": "completed",
        "http_status": 200,
        "streaming": True,
        "team": "search",
        "tenant": "search",
        "app": "chat-ui",
        "workload_class": "interactive",
        "workload_source": "streaming",
        "service": "bedrock-runtime",
        "operation": "ConverseStream",
        "region": "us-east-1",
        "requested_model": "amazon.nova-pro-v1:0",
        "upload": 0.1,
        "overhead_request": 0.001,
        "connect": 0.05,
        "ttfb": 0.4,
        "ttft": 1.001 + 0.1,
        "upstream_ttft": 1.0,
        "time_to_last_token": 3.8,
        "upstream_e2e": 3.85,
        "e2e": 4.0,
        "overhead_tail": 0.004,
        "proxy_overhead": 0.006,
        "tpot": 0.028,
        "input_tokens": 900,
        "output_tokens": 101,
        "usage_source": "reported",
        "in_flight": 3,
    }
    return Measurement(**(usual | fields))


def write(path: Path, rows: Iterable[Measurement]) -> Path:
    """A ledger with these rows, as the recorder lays it out."""
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
        batch = [msgspec.structs.asdict(row) for row in rows]
        for start in range(0, len(batch), 5_000):
            connection.execute(exchanges.insert(), batch[start : start + 5_000])
    engine.dispose()
    return path


def day(count: int, seed: int = 7) -> list[Measurement]:
    """``count`` exchanges of a plausible day, in the order in which they began."""
    chance = random.Random(seed)
    step = timedelta(days=1) / count
    rows: list[Measurement] = []
    for i in range(count):
        row = _exchange(BEGIN + i * step, chance)
        rows.append(row)
        if row.outcome == "throttled" and chance.random() < 0.6:
            again = _exchange(BEGIN + i * step + timedelta(seconds=0.8), chance, ending=ENDINGS[0])
            again.sdk_invocation_id, again.sdk_attempt = row.sdk_invocation_id, 2
            rows.append(again)
    return rows


def _exchange(at: datetime, chance: random.Random, ending: Ending | None = None) -> Measurement:
    outcome, side, error_type, status, _ = ending or chance.choices(ENDINGS, [e[4] for e in ENDINGS])[0]
    team = chance.choices(list(TEAMS), [6, 3, 1])[0]
    model = chance.choices(list(MODELS), [5, 3, 2])[0]
    streaming = team != "batch"
    tokens = int(min(150_000, chance.lognormvariate(7.2, 1.2)))
    row = Measurement(
        exchange_id=exchange_id(at, chance),
        started_at=moment(at),
        proxy_id="gauge-1",
        upstream_request_id=f"{chance.getrandbits(128):032x}",
        sdk_invocation_id=f"{chance.getrandbits(64):016x}",
        sdk_attempt=1,
        tenant=team,
        team=team,
        app=chance.choice(TEAMS[team]),
        tenant_trust="declared",
        workload_class="interactive" if streaming else "unclassified",
        workload_source="streaming" if streaming else None,
        service="bedrock-runtime",
        operation="ConverseStream" if streaming else "Converse",
        region=chance.choices(["us-east-1", "eu-west-1"], [3, 1])[0],
        requested_model=model,
        streaming=streaming,
        http_status=status,
        outcome=outcome,
        side=side,
        error_type=error_type,
        in_flight=max(1, int(chance.lognormvariate(1.5, 0.9))),
        request_bytes=tokens * 4,
        connection_reused=chance.random() < 0.9,
        upload=chance.lognormvariate(-6, 1),
        overhead_request=chance.lognormvariate(-8.3, 0.3),
    )
    _times(row, chance, tokens, *MODELS[model])
    return row


def _times(row: Measurement, chance: random.Random, tokens: int, base: float, per_token: float) -> None:
    row.connect = 0.0 if row.connection_reused else chance.lognormvariate(-3, 0.3)
    assert row.upload is not None
    assert row.overhead_request is not None
    sent = row.upload + row.overhead_request
    first = row.connect + base * chance.lognormvariate(0, 0.45) + tokens * 1.5e-5
    row.proxy_overhead = row.overhead_request + 0.0004
    if row.outcome in ("throttled", "upstream_error", "client_error", "timeout"):
        row.upstream_e2e = 60.0 if row.outcome == "timeout" else 0.05
        row.ttfb = None if row.outcome == "timeout" else 0.05
        row.e2e = sent + row.upstream_e2e
        return
    out = max(1, int(chance.lognormvariate(5, 0.8)))
    stall = chance.lognormvariate(0.3, 0.5) if chance.random() < 0.01 else 0.0
    pace = per_token * chance.lognormvariate(0, 0.15)
    generation = pace * (out - 1) + stall
    slow = chance.lognormvariate(-0.5, 0.8) if chance.random() < 0.02 else 0.0
    row.usage_source = "reported"
    row.input_tokens, row.output_tokens = tokens, out
    if row.outcome != "completed":
        row.usage_source, row.output_tokens, row.undecoded = "unknown", None, None
    row.ttfb = first * 0.6 if row.streaming else first + generation
    row.upstream_e2e = first + generation + 0.01
    row.e2e = sent + row.upstream_e2e + slow + 0.0003
    row.downstream_wait = slow
    row.overhead_tail = 0.0003
    row.provider_latency = (row.upstream_e2e - row.connect) * 0.97
    if row.streaming:
        row.upstream_ttft, row.ttft = first, sent + first
        row.time_to_last_token = first + generation
        row.gap_reader, row.gap_proxy = 0.0, 0.0002
        row.stall_count, row.stall_time = (1, stall) if stall else (0, None)
        row.stall_side = "upstream" if stall else None
        row.tpot = generation / (out - 1) if out > 1 and row.outcome == "completed" else None
        row.itl_p50, row.itl_p95, row.itl_max = pace, pace * 1.6, max(pace * 2, stall)
