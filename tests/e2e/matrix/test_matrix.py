"""Every caller in every address form and signing mode, whole and streamed, in success and failure: what the page of callers promises.

The page is made from this test's results: ``STREAMGAUGE_SAVE_CALLERS=1 python -m pytest tests/e2e/matrix`` and ``python docs/generate.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from streamgauge.records import Measurement
from streamgauge.testing import Script, ScriptedUpstream
from streamgauge.testing.received import Received
from streamgauge.testing.sigv4 import Verifier
from tests.e2e.conftest import KEY, SECRET
from tests.e2e.matrix import callers, results
from tests.e2e.matrix.applications import Applications
from tests.e2e.matrix.cells import KEPT, REFUSALS, RESIGNED, Cell, Mode, Refusal, by_way
from tests.e2e.matrix.forms import is_base_url, place_of, settings
from tests.e2e.product import Product

pytestmark = pytest.mark.timeout(600)
"""The first test of a fresh clone waits for the callers' installation."""

WORDS = "Two metres more than yesterday."
BASE: dict[str, Any] = {"text": WORDS, "ttft": 0.005, "gap": 0.001, "input_tokens": 31, "cache_read_tokens": 7}
ROWS_SECONDS = 30.0
"""A row takes a fifth of a second, on a machine that is busy with other things a few."""

THROTTLE, BREAK = "Throttle this.", "Break this off."
CALLS: list[dict[str, Any]] = [
    {"streaming": False, "prompt": "How high is the river?"},
    {"streaming": True, "prompt": "How high is the river?"},
    {"streaming": False, "prompt": THROTTLE},
    {"streaming": True, "prompt": BREAK},
]
WAYS = by_way()
OUTCOMES = ["completed", "completed", "throttled", "stream_error"]

_verifier = Verifier({callers.KEY: callers.SECRET, KEY: SECRET}, bearer_keys=[callers.BEARER])


def as_aws_would(received: Received) -> Any:
    """Known keys pass; everything else must be signed, by application or role, for the host that it names."""
    return None if received.header("x-api-key") == callers.BEARER else _verifier(received)


def scripted(received: Received) -> Script:
    """The same answer for all, unless the prompt asks for a fault."""
    if THROTTLE.encode() in received.body:
        return Script(**BASE, status=429, error_code="ThrottlingException")
    return Script(**BASE, fault="exception") if BREAK.encode() in received.body else Script(**BASE)


@dataclass(frozen=True)
class Saw:
    """What a cell's calls came to: for the caller, for the upstream, and how many rows there were before."""

    cell: Cell
    answers: list[dict[str, Any]]
    received: list[Received]
    before: int


class Matrix:
    """The upstream, a proxy for each signing mode, the applications, and what the cells came to."""

    def __init__(self, tmp: pytest.TempPathFactory) -> None:
        self._tmp, self._stack = tmp, ExitStack()
        self.upstream = self._stack.enter_context(ScriptedUpstream(scripted, gate=as_aws_would))
        self.applications = self._stack.enter_context(Applications())
        self._folder = tmp.mktemp("certificates")
        self._settings = settings(self._folder)
        self.results: dict[str, str] = {}
        self.rows: dict[Mode, int] = {}
        self.product = cache(self._product)
        self.direct = cache(self._direct)

    def _product(self, mode: Mode) -> Product:
        self.rows[mode] = 0
        return self._stack.enter_context(Product(self._tmp.mktemp(mode), self.upstream.url, relay__signing=mode, **self._settings))

    def _direct(self, name: str) -> list[dict[str, Any]]:
        """What a caller gets without a proxy."""
        caller = callers.CALLERS[name]
        environ = next(iter(caller.credentials().values())) | {caller.variable: self.upstream.url + caller.path}
        return self.applications.ask(name, environ, CALLS)

    def ask(self, cell: Cell) -> Saw:
        """Make the calls of a cell; ``rows`` in the answer are for later, when they are in the ledger."""
        product = self.product(cell.mode)
        before, already = len(product.rows()), len(self.upstream.received)
        answers = self.applications.ask(cell.name, cell.environ(place_of(product, self._folder)), CALLS)
        return Saw(cell, answers, self.upstream.received[already:], before)

    def rows_of(self, saw: Saw, count: int) -> list[Measurement]:
        """The rows of those calls, once there are so many."""
        self.rows[saw.cell.mode] += count
        return self.product(saw.cell.mode).wait_rows(saw.before + count, ROWS_SECONDS)[saw.before :]

    def close(self) -> None:
        """Stop all of it; every call is one row, and nothing else is."""
        with self._stack:
            for mode, count in self.rows.items():
                product = self.product(mode)
                product.stop()
                assert len(product.rows()) == count
        results.save(self.results)


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("AWS_ACCESS_KEY_ID", KEY)
        environ.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        made = Matrix(tmp_path_factory)
        yield made
        made.close()


@pytest.mark.parametrize("way", WAYS)
def test_a_caller_gets_through_the_proxy_what_it_gets_without_it(way: str, matrix: Matrix) -> None:
    for saw in [matrix.ask(cell) for cell in WAYS[way]]:
        refusal = saw.cell.refusal()
        if refusal:
            check_refused(matrix, saw, REFUSALS[refusal])
        else:
            check_works(matrix, saw)
        matrix.results[str(saw.cell)] = saw.cell.expected()


def check_works(matrix: Matrix, saw: Saw) -> None:
    """Same answers, same errors, the authorization that is promised, and each call its row."""
    cell, direct = saw.cell, matrix.direct(saw.cell.name)
    for answer in direct[:2]:
        assert answer["error"] is None
        assert (answer["text"], answer["usage"]) == (WORDS, [24, 5])
    assert [answer["error"] is not None for answer in direct[2:]] == [True, True]
    assert direct[3]["seen"]
    assert saw.answers == direct, cell
    assert [authorized(received) for received in saw.received] == [cell.signing()] * len(CALLS), cell
    if cell.signing() == KEPT and not is_base_url(cell.form):
        assert {received.header("host") for received in saw.received} == {cell.caller.service.host}
    check_rows(cell, matrix.rows_of(saw, len(CALLS)))


def authorized(received: Received) -> str:
    """Whose authorization reached the upstream."""
    said = received.header("authorization") or ""
    return RESIGNED if f"Credential={KEY}/" in said else KEPT


def check_rows(cell: Cell, rows: list[Measurement]) -> None:
    """Each call is the row it should be."""
    whole, streamed = cell.caller.operations
    assert [(row.operation, row.streaming, row.outcome) for row in rows] == list(
        zip([whole, streamed] * 2, [False, True] * 2, OUTCOMES, strict=True)
    ), cell
    for row in rows:
        assert (row.requested_model or row.endpoint_name) == cell.caller.model
        assert row.signing == {KEPT: "passthrough", RESIGNED: "resigned"}[cell.signing()]
        assert row.region == "us-east-1"
    for row in rows[:2]:
        assert (row.http_status, row.usage_source) == (200, "reported")
        assert (row.input_tokens, row.cache_read_tokens, row.output_tokens) == (31, 7, 5)
        assert (row.ttft is not None and row.ttft >= 0.005) is row.streaming


def check_refused(matrix: Matrix, saw: Saw, refusal: Refusal) -> None:
    """It is refused by whom the page says, with the error that it says, and what came by is a row."""
    rows = matrix.rows_of(saw, refusal.rows)
    assert [answer["error"] is not None for answer in saw.answers] == [True] * len(CALLS), saw.cell
    assert len(saw.received) == (len(CALLS) if refusal.by == "provider" else 0)
    if refusal.by == "provider":
        told = [(row.outcome, row.side, row.http_status, row.error_type, row.signing) for row in rows]
        assert told == [("client_error", "downstream", 403, refusal.error, "passthrough")] * len(CALLS), saw.cell
        return
    assert [(row.outcome, row.side) for row in rows] == [("rejected", "downstream")] * refusal.rows
    assert [answer["error"]["code"] or answer["error"]["type"] for answer in saw.answers] == [refusal.error] * len(CALLS), saw.cell
