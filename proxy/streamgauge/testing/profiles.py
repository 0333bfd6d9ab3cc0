"""Ready-made behaviours of the scripted upstream: which script answers which request.

Knows: models of different speed, sizes, a few faults, directives in a prompt.
Must not know: sockets, protocols.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

from streamgauge.testing.received import Received
from streamgauge.testing.script import Script

ScriptOf = Callable[[Received], Script]

CHARACTERS_PER_TOKEN = 4
"""The usual rule of thumb for English; the demo's prompts are made by it, so it is exact for them."""

_DIRECTIVE = re.compile(r"@@(\{.*?\})@@", re.DOTALL)
_KNOBS = {knob.name for knob in fields(Script)}


@dataclass(frozen=True)
class Speed:
    """How fast a model answers: seconds to the first token of an empty prompt, seconds more per 1,000 input tokens, tokens per second, tokens per delta."""

    first: float
    per_1000_input: float
    tokens_per_second: float
    tokens_per_frame: int = 1


DEMO_MODELS = {
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0": Speed(0.30, 0.12, 70, 2),
    "us.anthropic.claude-haiku-4-5-20251001-v1:0": Speed(0.15, 0.06, 120, 2),
    "us.amazon.nova-lite-v1:0": Speed(0.08, 0.03, 200, 3),
}
"""A large, a middle and a small model, at speeds of the order that public benchmarks report for them."""

_OTHER = Speed(0.1, 0.05, 100)


def plain(received: Received) -> Script:
    """Four words, at once; or what the prompt asks for by ``@@{"ttft": 0.3, "text": "..."}@@`` (any knobs of ``Script``).

    A directive that is no valid one is answered by 400, whose message says what is wrong.
    """
    found = _DIRECTIVE.search(received.prompt)
    if found is None:
        return Script()
    try:
        return directed(json.loads(found[1]))
    except ValueError as error:
        return Script(status=400, error_message=f"directive: {error}")


def directed(knobs: dict[str, Any]) -> Script:
    """A script from JSON members. Raises ``ValueError`` for a name that ``Script`` does not have."""
    if unknown := sorted(set(knobs) - _KNOBS):
        raise ValueError(f"unknown {', '.join(unknown)}; known are {', '.join(sorted(_KNOBS))}")
    return Script(**{name: _frozen(value) for name, value in knobs.items()})


def in_turn(*scripts: Script) -> ScriptOf:
    """The first request gets the first script, and so on; the last one stays."""
    rest = list(scripts)
    return lambda _: rest.pop(0) if len(rest) > 1 else rest[0]


def ramp(base: Script, *, over: float, factor: float) -> ScriptOf:
    """A slow degradation: from the first request on, all moments of ``base`` grow to ``factor`` times within ``over`` seconds, and stay."""
    begin: list[int] = []

    def script_for(received: Received) -> Script:
        begin.append(received.at) if not begin else None
        passed = min(1.0, (received.at - begin[0]) / 1e9 / over)
        return base.slower(1 + (factor - 1) * passed)

    return script_for


@dataclass
class Demo:
    """A service under mixed traffic: three speeds, latency that grows with the prompt, now and then a 429, once a broken stream.

    ``throttle_every``: each n-th request is refused. ``break_at``: from that request on, the first stream breaks. ``slow_model`` answers, from
    request ``slow_from`` on, ``slow_factor`` times as slowly (None: no degradation). Equal seeds and equal traffic give equal answers.
    """

    seed: int = 1
    throttle_every: int = 17
    break_at: int = 23
    slow_model: str | None = None
    slow_from: int = 0
    slow_factor: float = 6.0
    _count: int = 0
    _broken: bool = False
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - jitter, no secret

    def __call__(self, received: Received) -> Script:
        """The script for a request; to be called from one thread."""
        self._count += 1
        if self._count % self.throttle_every == 0:
            return Script(status=429, error_message="Too many requests, please wait before trying again.")
        script = self._answer(received)
        if received.model == self.slow_model and self._count >= self.slow_from:
            script = script.slower(self.slow_factor)
        if not self._broken and self._count >= self.break_at and "stream" in received.path:
            self._broken = True
            return replace(script, fault="cut_reset", fault_after=8)
        return script

    def _answer(self, received: Received) -> Script:
        speed = DEMO_MODELS.get(received.model or "", _OTHER)
        read = max(1, len(received.prompt) // CHARACTERS_PER_TOKEN)
        jitter = math.exp(self._random.gauss(0, 0.15))
        return Script(
            input_tokens=read,
            output_tokens=asked_tokens(received, 60),
            tokens_per_frame=speed.tokens_per_frame,
            ttft=(speed.first + speed.per_1000_input * read / 1000) * jitter,
            gap=speed.tokens_per_frame / speed.tokens_per_second,
        )


def asked_tokens(received: Received, default: int) -> int:
    """The request's limit on output tokens, in whichever protocol, at most 4,096."""
    body = received.json
    config = body.get("inferenceConfig")
    limits = [
        body.get("max_tokens"),
        body.get("max_output_tokens"),
        body.get("max_gen_len"),
        body.get("max_new_tokens"),
        *((config.get("maxTokens"), config.get("max_new_tokens")) if isinstance(config, dict) else ()),
    ]
    return next((min(limit, 4096) for limit in limits if isinstance(limit, int) and limit > 0), default)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(inner) for inner in value) if isinstance(value, list) else value
