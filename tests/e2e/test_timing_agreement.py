"""TTFT and TPOT of the ledger agree with the upstream's own log of what it sent when.

Both clocks are the machine's monotonic one. What lies between a moment in the upstream's log and ours is the way through the kernel and the
proxy's reading of it, and on a busy machine the wait of upstream or worker for a processor. The latter is nobody's measuring error, and nobody
can tell it from one. So a control goes along: a small client of its own that asks the upstream directly while the fifty streams go through the
proxy, and whose TTFT is compared with the same log in the same way. What it is off is the machine's share.

The upstream is a process of its own. In the tests' process it would share an interpreter whose collections of garbage take 15 to 100 ms
(measured: of a suite's half a million objects), and each of them would look like an error of the proxy.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

from streamgauge.records import Measurement
from streamgauge.testing.process import UpstreamProcess
from streamgauge.testing.received import SendLog
from tests.e2e.product import Product, wait_for

STREAMS, CONTROL = 50, 10
"""Streams through the proxy, and direct ones beside them: enough to see the machine, too few to be its load."""

P50_SECONDS, P99_SECONDS = 0.001, 0.003

QUIET_SECONDS = 0.002
"""A control that is never off by more has had a machine to itself: alone it is off by 0.3 to 1.2 ms, which is what the kernel's way and a Python
client's reading take. Then the proxy has no excuse."""

TRIES = 3
"""Of rounds, in the short form. A single late moment of a shared machine says nothing; an error in the measuring comes back each time."""

ROUNDS = 4
"""In the long form: the 99th percentile of 200 is not their worst moment."""

APART = {"head_after": 0.2, "start_after": 0.4, "ttft": 0.6, "gap": 0.02, "output_tokens": 40}
"""HTTP head, first frame and first token are three moments, 200 ms apart."""

WARM = {"ttft": 0.3, "output_tokens": 2}
"""Long enough that all fifty are open at once: connections and caches are those of a running proxy then."""


def _ttft_error(row: Measurement, log: SendLog) -> float:
    assert row.upstream_ttft is not None
    assert log.ttft is not None
    return abs(row.upstream_ttft - log.ttft)


def _tpot_error(row: Measurement, log: SendLog) -> float:
    assert row.tpot is not None
    assert log.tpot is not None
    return abs(row.tpot - log.tpot)


def _p50(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _p99(values: list[float]) -> float:
    return sorted(values)[math.ceil(0.99 * len(values)) - 1]


@dataclass
class Errors:
    """Seconds by which figures are off the upstream's log, one for each stream."""

    ttft: list[float] = field(default_factory=list)
    tpot: list[float] = field(default_factory=list)
    control: list[float] = field(default_factory=list)

    @property
    def allowed(self) -> float:
        """The 99th percentile that a round may have: the promise, and beside a control that was disturbed what that one was off."""
        disturbed = max(self.control)
        return P99_SECONDS if disturbed <= QUIET_SECONDS else P99_SECONDS + disturbed

    @property
    def agree(self) -> bool:
        """Whether this round's figures keep the promise at the 99th percentile."""
        return max(_p99(self.ttft), _p99(self.tpot)) <= self.allowed

    def __str__(self) -> str:
        shown = [f"{name} {_p50(values) * 1e3:.2f} / {_p99(values) * 1e3:.2f}" for name, values in asdict(self).items()]
        quiet = "quiet" if self.allowed == P99_SECONDS else "disturbed"
        return f"off at p50 / p99, ms: {', '.join(shown)}; the control was {quiet}, allowed at p99 are {self.allowed * 1e3:.2f}"


class Setting:
    """Upstream and product, each as processes of their own, and clients that read at one pace."""

    def __init__(self, upstream: UpstreamProcess, product: Product, pace: str) -> None:
        self._upstream, self._product, self._pace = upstream, product, pace
        self.rows: list[Measurement] = []
        self._seen = 0

    def warm(self) -> None:
        """Open all connections once."""
        _answers(self._client(STREAMS, "fast", self._product.url, WARM))
        self._seen = len(self._product.wait_rows(STREAMS))

    def round(self) -> Errors:
        """Fifty streams through the proxy and the control beside them."""
        ours = self._client(STREAMS, self._pace, self._product.url, APART)
        control = self._client(CONTROL, "fast", self._upstream.url, APART)
        direct = _answers(control)
        _answers(ours)
        rows = self._product.wait_rows(self._seen + STREAMS)[self._seen :]
        self._seen += len(rows)
        self.rows += rows
        wanted = {row.upstream_request_id or "" for row in rows} | {request_id for request_id, _ in direct}
        logs = wait_for(lambda: found if wanted <= (found := self._logs()).keys() else None, "send log of every stream")
        return Errors(
            [_ttft_error(row, logs[row.upstream_request_id or ""]) for row in rows],
            [_tpot_error(row, logs[row.upstream_request_id or ""]) for row in rows],
            [abs(seen - (logs[request_id].ttft or math.inf)) for request_id, seen in direct],
        )

    def _logs(self) -> dict[str, SendLog]:
        return {log.request_id: log for log in self._upstream.sends()}

    def _client(self, count: int, pace: str, url: str, knobs: dict[str, float]) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.e2e.streams", str(count), pace, url.removeprefix("http://"), json.dumps(knobs)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _answers(client: subprocess.Popen[str]) -> list[tuple[str, float]]:
    """(request id, TTFT as the client saw it) of all its streams, which must have come whole."""
    with client:
        written, _ = client.communicate(timeout=60)
    assert client.returncode == 0
    answers = json.loads(written)
    assert all(complete for _, _, complete in answers)
    return [(request_id, ttft) for request_id, ttft, _ in answers]


@pytest.fixture(params=["fast", "slow"])
def setting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Setting]:
    """Warm, with fast and with slow readers."""
    with (
        UpstreamProcess("--profile", "plain", log=tmp_path / "sends.jsonl") as upstream,
        Product(tmp_path, upstream.url, relay__signing="passthrough") as product,
    ):
        made = Setting(upstream, product, request.param)
        made.warm()
        yield made


def _each_moment_is_in_its_own_column(rows: list[Measurement]) -> None:
    assert all(row.outcome == "completed" and row.gap_reader == 0.0 for row in rows)
    apart = [((row.ttfc or 0) - (row.ttfb or 0), (row.upstream_ttft or 0) - (row.ttfc or 0)) for row in rows]
    assert 0.19 < _p50([first for first, _ in apart]) < 0.21
    assert 0.19 < _p50([second for _, second in apart]) < 0.21


def test_ttft_and_tpot_agree_with_the_upstreams_own_log(setting: Setting) -> None:
    rounds = [setting.round()]
    while not rounds[-1].agree and len(rounds) < TRIES:
        rounds.append(setting.round())
    told = "\n".join(str(one) for one in rounds)
    assert rounds[-1].agree, f"not in one of {TRIES} rounds:\n{told}"
    # The median is no matter of single moments: it holds whatever the machine does.
    assert max(_p50(rounds[-1].ttft), _p50(rounds[-1].tpot)) <= P50_SECONDS, told
    _each_moment_is_in_its_own_column(setting.rows)


@pytest.mark.long
def test_ttft_and_tpot_agree_plainly_over_many_streams(setting: Setting) -> None:
    whole = Errors()
    for _ in range(ROUNDS):
        one = setting.round()
        whole.ttft += one.ttft
        whole.tpot += one.tpot
        whole.control += one.control
    print(whole)
    assert max(_p50(whole.ttft), _p50(whole.tpot)) <= P50_SECONDS, str(whole)
    assert max(_p99(whole.ttft), _p99(whole.tpot)) <= P99_SECONDS, str(whole)
    _each_moment_is_in_its_own_column(setting.rows)


@pytest.mark.parametrize(
    ("errors", "agree"),
    [
        (Errors([0.0004] * 50, [0.0] * 50, [0.001] * 10), True),
        (Errors([0.0004] * 49 + [0.0031], [0.0] * 50, [0.001] * 10), False),
        (Errors([0.0004] * 50, [0.0] * 49 + [0.0031], [0.001] * 10), False),
        (Errors([0.0004] * 49 + [0.0070], [0.0] * 50, [0.001] * 9 + [0.005]), True),
        (Errors([0.0004] * 49 + [0.0081], [0.0] * 50, [0.001] * 9 + [0.005]), False),
    ],
)
def test_the_comparison_itself_can_fail(errors: Errors, agree: bool) -> None:
    assert errors.agree is agree
