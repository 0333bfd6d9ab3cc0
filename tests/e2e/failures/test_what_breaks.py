"""Each row of the table of failures, made to happen: what each SDK sees, how it is booked, and that it is booked once."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from streamgauge.records import Measurement
from streamgauge.testing import Script, ScriptedUpstream
from streamgauge.testing.received import Received
from tests.e2e.conftest import KEY, SECRET
from tests.e2e.failures.callers import saw
from tests.e2e.failures.provoke import HAPPENINGS
from tests.e2e.failures.table import FAILURES, Failure
from tests.e2e.product import Product, wait_for
from tests.recorder.driving import account
from tests.relay.loopback import certificate
from tests.relay.scene import ANSWER
from tests.relay.wire import RawUpstream

BASE: dict[str, Any] = {"output_tokens": 6, "ttft": 0.01, "gap": 0.005}
IMPATIENT = {"relay.first_byte_timeout": 0.6, "relay.read_timeout": 0.6}
PLACES = ("scripted", "refused", "no name", "untrusted", "stale")
"""Where calls go, each by a listener of its own: 127.0.0.1, 127.0.0.2, ..."""


def scripted(received: Received) -> Script:
    """The base, with what the call's own header asks for besides."""
    asked = received.header("x-script")
    return Script(**BASE | json.loads(asked)) if asked else Script(**BASE)


@dataclass
class Stage:
    """The product with all its upstreams, and the rows that tests have seen."""

    product: Product
    full: Product
    stale: RawUpstream
    known: set[str] = field(default_factory=set)
    counted: int = 0
    bases: dict[str, str] = field(default_factory=dict)

    def prime(self) -> None:
        """A call that leaves a kept connection to the upstream that is about to close it."""
        self.stale.will(ANSWER.raw)
        self.stale.will("close")
        connection = http.client.HTTPConnection(self.bases["stale"].removeprefix("http://"), timeout=10)
        connection.request("POST", "/model/m/converse", b"{}", {"Content-Type": "application/json"})
        assert connection.getresponse().read() == ANSWER.body
        connection.close()
        self.row()

    def row(self) -> Measurement:
        """The one new row."""
        wait_for(lambda: True if len(self.product.rows()) > len(self.known) else None, "new row", 30.0)
        new = [m for m in self.product.rows() if m.exchange_id not in self.known]
        self.known |= {m.exchange_id for m in new}
        assert len(new) == 1, [(m.operation, m.outcome) for m in new]
        return new[0]

    def count(self, reason: str) -> None:
        """One more was counted instead of a row."""
        self.counted += 1

        def counted() -> bool | None:
            with urllib.request.urlopen(f"{self.full.admin}/api/v1/summary", timeout=10) as answer:
                said = json.load(answer)
            return True if said["unmeasured"] == {reason: self.counted} else None

        wait_for(counted, "count", 30.0)
        assert not self.full.supervisor.ledger.exists() or self.full.rows() == []


@contextlib.contextmanager
def tended(product: Product) -> Iterator[None]:
    """What died is started again, as ``streamgauge serve`` does while it waits for signals."""
    over = threading.Event()

    def tend() -> None:
        while not over.wait(0.02):
            product.supervisor.tend()

    thread = threading.Thread(target=tend)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        refused = nobody.getsockname()[1]
    directory = tmp_path_factory.mktemp("failures")
    _, tls = certificate(directory)
    stale = RawUpstream()
    with contextlib.ExitStack() as stack:
        environ = stack.enter_context(pytest.MonkeyPatch.context())
        environ.setenv("AWS_ACCESS_KEY_ID", KEY)
        environ.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        upstream = stack.enter_context(ScriptedUpstream(scripted))
        untrusted = stack.enter_context(ScriptedUpstream(Script(), ssl_context=tls))
        ways = {
            "refused": f"http://127.0.0.1:{refused}",
            "no name": "http://no-such-name.invalid",
            "untrusted": untrusted.url.replace("127.0.0.1", "localhost"),
            "stale": f"http://127.0.0.1:{stale.port}",
        }
        settings: dict[str, Any] = {
            "listen": tuple(f"127.0.0.{number}:0" for number in range(1, len(PLACES) + 1)),
            "targets.by_listener": {f"127.0.0.{PLACES.index(place) + 1}": url for place, url in ways.items()},
        }
        product = stack.enter_context(Product(directory / "one", upstream.url, **settings | IMPATIENT))
        full = stack.enter_context(Product(directory / "two", upstream.url, **{"spool.max_bytes": 1, "spool.segment_bytes": 1}))
        stack.enter_context(tended(product))
        made = Stage(product, full, stale)
        made.bases = {place: f"http://{address}" for place, address in zip(PLACES, product.supervisor.addresses, strict=True)}
        made.bases["full"] = full.url
        yield made
        stale.close()
    # Everything has ended in order by now.
    assert {m.exchange_id for m in product.rows()} == made.known
    assert account(product.supervisor.ledger).adds_up


@pytest.mark.parametrize(("failure", "sdk"), [pytest.param(f, sdk, id=f"{f.name}-{sdk}") for f in FAILURES for sdk in f.seen])
def test_what_breaks_is_seen_as_it_would_be_and_booked_once(stage: Stage, failure: Failure, sdk: str) -> None:
    caller, base = failure.speaks.get(sdk, sdk), stage.bases[failure.at]
    if failure.at == "stale":
        stage.prime()
    if failure.happens is not None:
        seen = HAPPENINGS[failure.happens](stage.product, caller, base, failure.knobs)
    else:
        seen = saw(caller, base, failure.knobs)
    assert seen == failure.seen[sdk]
    if failure.outcome is None:
        assert failure.error_type is not None
        stage.count(failure.error_type)
        return
    m = stage.row()
    error_type = failure.error_types.get(sdk, failure.error_type)
    assert (m.outcome, m.side, m.error_type, m.http_status) == (failure.outcome, failure.side, error_type, failure.status)


def test_every_row_of_the_table_has_a_name_of_its_own() -> None:
    assert len({failure.name for failure in FAILURES}) == len(FAILURES)
