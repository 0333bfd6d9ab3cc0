"""The traffic side of the demo: real boto3 calls of mixed sizes from several tenants, bounded in number and time.

Sizes and the rhythm of arrivals come from a production trace (see ``trace``), sped up.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any

from streamgauge.testing.profiles import CHARACTERS_PER_TOKEN, DEMO_MODELS
from streamgauge.testing.script import filler
from streamgauge.testing.trace import Row, sample

MIX = {"converse_stream": 0.7, "converse": 0.15, "invoke_model_with_response_stream": 0.15}
"""Shares of the boto3 methods; most traffic of an application that people wait for is streamed."""


@dataclass(frozen=True)
class Tenant:
    """An application with credentials of its own; the secret is a placeholder, no real key."""

    name: str
    access_key: str
    secret_key: str = "placeholder-secret"  # noqa: S105 - a placeholder by name


TENANTS = (Tenant("search", "AKIDDEMOSEARCH000000"), Tenant("support", "AKIDDEMOSUPPORT00000"), Tenant("reports", "AKIDDEMOREPORTS00000"))


@dataclass(frozen=True)
class TrafficSettings:
    """How much traffic. ``calls`` arrive within ``seconds`` (the trace's own gaps, compressed); nothing starts later than that.

    ``threads`` bound how many calls are open at once; a prompt has at most ``max_input`` tokens, an answer at most ``max_output``.
    ``mix`` has the share of each boto3 method in ``OPERATIONS``.
    """

    calls: int = 60
    seconds: float = 12.0
    threads: int = 12
    max_input: int = 4000
    max_output: int = 120
    read_timeout: float = 60.0
    seed: int = 1
    region: str = "us-east-1"
    models: tuple[str, ...] = tuple(DEMO_MODELS)
    mix: dict[str, float] = field(default_factory=lambda: dict(MIX))


@dataclass(frozen=True)
class Call:
    """One planned call; ``at`` is seconds after the first."""

    at: float
    operation: str
    model: str
    tenant: Tenant
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class CallResult:
    """How a call ended for the application. Seconds by its own clock; ``error`` is the SDK's code or exception name, None for a whole answer."""

    call: Call
    e2e: float
    ttft: float | None
    output_tokens: int | None
    request_id: str | None
    error: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the application got its answer."""
        return self.error is None


def drive(endpoint_url: str, *, calls: int, seconds: float, threads: int, seed: int) -> list[CallResult]:
    """``run`` in one line: that many calls, all begun within ``seconds``, and how each ended. A failed call is a result, never an exception."""
    timeout = min(TrafficSettings.read_timeout, max(5.0, seconds))
    return run(endpoint_url, TrafficSettings(calls=calls, seconds=seconds, threads=threads, seed=seed, read_timeout=timeout))


def schedule(rows: Sequence[Row], settings: TrafficSettings, tenants: Sequence[Tenant] = TENANTS) -> tuple[Call, ...]:
    """The calls to make, in order of time; the rows are gone through again if there are fewer. Equal seeds give equal schedules."""
    chosen = tuple(_endless(rows, settings.calls))
    span = max(chosen[-1].at, 1e-9) if chosen else 1.0
    rng = random.Random(settings.seed)  # noqa: S311 - a mix, no secret
    return tuple(
        Call(
            at=row.at / span * settings.seconds * 0.9,
            operation=rng.choices(list(settings.mix), list(settings.mix.values()))[0],
            model=rng.choice(settings.models),
            tenant=rng.choice(tenants),
            input_tokens=min(row.input_tokens, settings.max_input),
            output_tokens=max(2, min(row.output_tokens, settings.max_output)),
        )
        for row in chosen
    )


def _endless(rows: Sequence[Row], count: int) -> Iterator[Row]:
    round_length = rows[-1].at * len(rows) / max(1, len(rows) - 1)
    for number in range(count):
        row = rows[number % len(rows)]
        yield replace(row, at=row.at + number // len(rows) * round_length)


def run(
    endpoint_url: str, settings: TrafficSettings, on_result: Callable[[CallResult], None] | None = None, stop: Event | None = None
) -> list[CallResult]:
    """Make the calls through ``endpoint_url`` and return how each ended, in order of ending.

    Never raises for a call that fails. ``stop`` ends it early: nothing new starts, what is open is read to its end.
    """
    calls = schedule(sample(), settings)
    clients = {tenant: _client(endpoint_url, tenant, settings) for tenant in {call.tenant for call in calls}}
    results: list[CallResult] = []
    stop = stop or Event()
    begin = time.monotonic()

    def one(call: Call) -> None:
        # Threads may all be taken: what could not start in time is left out, so that the whole stays bounded.
        if stop.is_set() or time.monotonic() - begin > settings.seconds:
            return
        result = make(clients[call.tenant], call)
        results.append(result)
        if on_result is not None:
            on_result(result)

    with ThreadPoolExecutor(settings.threads, thread_name_prefix="traffic") as pool:
        for call in calls:
            if stop.wait(max(0.0, begin + call.at - time.monotonic())):
                break
            pool.submit(one, call)
    for client in clients.values():
        client.close()
    return results


def summary(results: Sequence[CallResult]) -> Counter[str]:
    """How many calls ended how: ``ok`` or the error."""
    return Counter(result.error or "ok" for result in results)


def make(client: Any, call: Call) -> CallResult:
    """Make one call and read its answer whole."""
    begin = time.perf_counter()
    try:
        reply, first, tokens = OPERATIONS[call.operation](client, call)
    except Exception as error:  # the SDK's exceptions have no common base; the name says which it was
        response = getattr(error, "response", {})
        code = response.get("Error", {}).get("Code") or type(error).__name__
        return CallResult(call, time.perf_counter() - begin, None, None, response.get("ResponseMetadata", {}).get("RequestId"), code)
    ttft = None if first is None else first - begin
    return CallResult(call, time.perf_counter() - begin, ttft, tokens, reply["ResponseMetadata"]["RequestId"])


_Read = tuple[dict[str, Any], float | None, int | None]


def _converse_stream(client: Any, call: Call) -> _Read:
    reply, first, tokens = client.converse_stream(**_converse_request(call)), None, None
    for event in reply["stream"]:
        if first is None and event.get("contentBlockDelta", {}).get("delta", {}).get("text"):
            first = time.perf_counter()
        if "metadata" in event:
            tokens = event["metadata"]["usage"]["outputTokens"]
    return reply, first, tokens


def _converse(client: Any, call: Call) -> _Read:
    reply = client.converse(**_converse_request(call))
    return reply, None, reply["usage"]["outputTokens"]


def _invoke_stream(client: Any, call: Call) -> _Read:
    reply = client.invoke_model_with_response_stream(modelId=call.model, body=json.dumps(_invoke_body(call)))
    first, tokens = None, None
    for event in reply["body"]:
        members = json.loads(event["chunk"]["bytes"])
        if first is None and (members.get("type") == "content_block_delta" or "contentBlockDelta" in members):
            first = time.perf_counter()
        if metrics := members.get("amazon-bedrock-invocationMetrics"):
            tokens = metrics["outputTokenCount"]
    return reply, first, tokens


OPERATIONS: dict[str, Callable[[Any, Call], _Read]] = {
    "converse_stream": _converse_stream,
    "converse": _converse,
    "invoke_model_with_response_stream": _invoke_stream,
}


def _converse_request(call: Call) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"text": prompt(call.input_tokens)}]}]
    return {"modelId": call.model, "messages": messages, "inferenceConfig": {"maxTokens": call.output_tokens}}


def _invoke_body(call: Call) -> dict[str, Any]:
    text = prompt(call.input_tokens)
    if "nova" in call.model:
        return {"messages": [{"role": "user", "content": [{"text": text}]}], "inferenceConfig": {"maxTokens": call.output_tokens}}
    return {"anthropic_version": "bedrock-2023-05-31", "max_tokens": call.output_tokens, "messages": [{"role": "user", "content": text}]}


def prompt(tokens: int) -> str:
    """Text of about that many tokens (four characters each). Different lengths begin differently: a cache of prefixes has little to find."""
    size = max(1, tokens) * CHARACTERS_PER_TOKEN
    return "".join(filler(size // 3 + 24)[tokens % 23 :])[:size]


def _client(endpoint_url: str, tenant: Tenant, settings: TrafficSettings) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=5,
        read_timeout=settings.read_timeout,
        max_pool_connections=settings.threads,
        retries={"mode": "standard", "total_max_attempts": 3},
        user_agent_appid=f"demo-{tenant.name}",
        # What the machine is set up for must not matter here: an outgoing proxy, a bearer key (which boto3 refuses over http).
        proxies={},
        signature_version="v4",
    )
    session = boto3.session.Session(tenant.access_key, tenant.secret_key, region_name=settings.region)
    return session.client("bedrock-runtime", endpoint_url=endpoint_url, config=config)
