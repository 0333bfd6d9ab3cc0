"""What is run: each scenario is a load, what the fake upstream answers to it, who is measured under it, and how often.

Streams are paced at 25 chunks/s, 200 bytes a chunk, the first after 30 ms. Latency scenarios are open loop: calls arrive at a fixed rate
whatever the answers do. Closed loops are for CPU and throughput only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ALL = ("direct", "nginx", "streamgauge")
OWN = ("streamgauge",)

CHUNKS_PER_SECOND = 25
FIRST_CHUNK_MS = 30
JITTER_PERCENT = 20
UNARY_PLAN = "unary s=2000"
UNARY_CALLERS = 32
UNARY_OUTPUT_TOKENS = 400
"""What the fake upstream reports for a unary call; a stream's is its number of chunks (see src/answers.c)."""

SUSTAINED_RATE = 2050
"""A little above the goal of 2,000/s, so that a window of whole seconds cannot miss it by one call."""

Kind = Literal["load", "gone", "idle"]
Placement = Literal["apart", "shared"]
"""``apart``: the relay worker is alone on its core, everything else of the product is on the lab's; ``shared``: all of it on one core."""


@dataclass(frozen=True)
class Load:
    """One run of the load generator; seconds. ``rate`` (calls/s, open loop) or ``callers`` (closed loop), never both."""

    plan: str
    warm: float
    window: float
    drain: float
    output_tokens: int
    rate: float | None = None
    callers: int | None = None
    ramp: float | None = None

    def arguments(self) -> list[str]:
        """As ``loadgen`` takes them."""
        pace = ["-r", f"{self.rate:g}"] if self.rate is not None else ["-c", str(self.callers)]
        ramp = [] if self.ramp is None else ["-R", f"{self.ramp:g}"]
        return ["-m", self.plan, *pace, *ramp, "-w", f"{self.warm:g}", "-d", f"{self.window:g}", "-D", f"{self.drain:g}"]


@dataclass(frozen=True)
class Scenario:
    """``load`` is ``None`` for the kinds that drive the target themselves; ``count`` is how many streams those open.

    ``sampled``: how far the ledger lags behind the traffic is followed while the load runs.
    """

    name: str
    kind: Kind = "load"
    load: Load | None = None
    prelude: Load | None = None
    targets: tuple[str, ...] = ALL
    rounds: int = 1
    tls: bool = False
    placement: Placement = "apart"
    sampled: bool = False
    count: int = 0


def streams(count: int, *, chunks: int = 100, window: float = 5.0, warm: float | None = None) -> Load:
    """``count`` streams open at any time: as many arrivals as leave."""
    length = chunks / CHUNKS_PER_SECOND + FIRST_CHUNK_MS / 1000
    plan = f"stream n={chunks} s=200 d={1000 / CHUNKS_PER_SECOND:g} t={FIRST_CHUNK_MS} j={JITTER_PERCENT}"
    rate = count * CHUNKS_PER_SECOND / chunks
    return Load(plan, warm or length + 1, window, length * 2 + 2, chunks, rate=rate)


def one_stream(window: float) -> Load:
    """One stream after the other, short ones so that a few first chunks are seen."""
    plan = f"stream n=10 s=200 d={1000 / CHUNKS_PER_SECOND:g} t={FIRST_CHUNK_MS} j={JITTER_PERCENT}"
    return Load(plan, 1, window, 2, 10, callers=1, ramp=0)


def unary(warm: float, window: float, *, rate: float | None = None) -> Load:
    """2 KB answers at once: as fast as ``UNARY_CALLERS`` callers can, or at ``rate``."""
    callers = UNARY_CALLERS if rate is None else None
    return Load(UNARY_PLAN, warm, window, 5, UNARY_OUTPUT_TOKENS, rate=rate, callers=callers)


def held_open(count: int, *, ramp: float, window: float) -> Load:
    """``count`` streams opened over ``ramp`` seconds, all open during the window, a chunk every 2 s."""
    warm = ramp + 2
    chunks = int((warm + window) / 2) + 1
    return Load(f"stream n={chunks} s=200 d=2000 t=100", warm, window, chunks * 2 + 10, chunks, callers=count, ramp=ramp)


PRELUDE = streams(20, chunks=10, window=0.5, warm=0.5)
"""Before memory per stream is measured: what is loaded once at first use is not a stream's."""

CEILING_STEPS = (35_000, 40_000, 45_000, 50_000, 60_000)
"""Chunks/s offered, one scenario each, to find the most that still passes (see ``verdict.held``)."""


def ceiling(offered: int, rounds: int = 1) -> Scenario:
    """``offered`` chunks/s in paced streams."""
    return Scenario(f"ceiling-{offered // 1000}k", load=streams(offered // CHUNKS_PER_SECOND), rounds=rounds)


def full() -> list[Scenario]:
    """About half an hour."""
    return [
        Scenario("idle", kind="idle", targets=OWN),
        Scenario("unary", load=unary(1, 4), rounds=3),
        # At one rate for all: a fast target keeps both cores awake, a slow one pays for waking the other at each call.
        Scenario("unary-5000", load=unary(1, 4, rate=5000), rounds=3),
        Scenario("unary-tls", load=unary(1, 4), rounds=3, tls=True),
        Scenario("streams-1", load=one_stream(10), rounds=3),
        Scenario("streams-50", load=streams(50), rounds=3),
        Scenario("streams-200", load=streams(200), rounds=3),
        Scenario("streams-1000", load=streams(1000), rounds=3),
        Scenario("streams-1000-tls", load=streams(1000), rounds=3, tls=True),
        Scenario("streams-1000-shared", load=streams(1000), placement="shared"),
        Scenario("unary-shared", load=unary(1, 4), placement="shared"),
        *(ceiling(step) for step in CEILING_STEPS),
        Scenario("burst", load=unary(1, 30), targets=OWN, sampled=True),
        Scenario("sustained", load=unary(2, 30, rate=SUSTAINED_RATE), targets=OWN, sampled=True),
        Scenario("memory-5000", load=held_open(5000, ramp=10, window=4), prelude=PRELUDE, targets=("nginx", "streamgauge")),
        Scenario("gone", kind="gone", targets=("nginx", "streamgauge"), count=50),
    ]


def short() -> list[Scenario]:
    """About a minute: the same code with fewer rounds, shorter windows and streams, and without the scenarios that only fill the picture."""
    return [
        Scenario("idle", kind="idle", targets=OWN),
        Scenario("unary", load=unary(0.5, 1.5)),
        Scenario("streams-1000", load=streams(1000, chunks=40, window=2, warm=2)),
        Scenario("streams-1000-tls", load=streams(1000, chunks=40, window=2, warm=2), targets=("nginx", "streamgauge"), tls=True),
        Scenario("ceiling-35k", load=streams(1400, chunks=40, window=2, warm=2), targets=OWN),
        Scenario("burst", load=unary(0.5, 4), targets=OWN, sampled=True),
        Scenario("sustained", load=unary(0.5, 4, rate=SUSTAINED_RATE), targets=OWN, sampled=True),
        Scenario("memory-5000", load=held_open(5000, ramp=3, window=1), prelude=PRELUDE, targets=OWN),
        Scenario("gone", kind="gone", targets=OWN, count=10),
    ]
