"""Each row of the table of failures, made to happen: what each SDK sees, how it is booked, and that it is booked once."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from streamgauge.records import Measurement
from streamgauge.spool.layout import SEGMENT_SUFFIX
from streamgauge.testing import Script, ScriptedUpstream
from streamgauge.testing.received import Received
from tests.chaos.serving import Serving, until
from tests.e2e.conftest import KEY, SECRET
from tests.e2e.failures.callers import saw
from tests.e2e.failures.provoke import HAPPENINGS
from tests.e2e.failures.small_disk import SmallDisk, can_be_had
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
    full: Serving
    disk: SmallDisk | None
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

    def row(self, rows: Callable[[], list[Measurement]] | None = None) -> Measurement:
        """The one new row, of those that ``rows`` reads."""
        read = rows or self.product.rows

        def unknown() -> list[Measurement] | None:
            return [m for m in read() if m.exchange_id not in self.known] or None

        new = wait_for(unknown, "new row", 30.0)
        self.known |= {m.exchange_id for m in new}
        assert len(new) == 1, [(m.operation, m.outcome) for m in new]
        return new[0]

    def count(self, reason: str) -> None:
        """One more was counted instead of a row."""
        self.counted += 1
        until(lambda: self.full.unmeasured() == {reason: self.counted}, "count")
        assert self.full.seen() == self.counted


@contextlib.contextmanager
def without_room(directory: Path, upstream: str) -> Iterator[Serving]:
    """A proxy whose recorder stands still, and whose spool is full of what the worker has said of itself."""
    directory.mkdir()
    with Serving(directory, upstream, spool={"max_bytes": 1, "segment_bytes": 1}) as serving:
        serving.send(signal.SIGSTOP, serving.pid("recorder"))
        segments = Path(f"{serving.ledger}.spool")
        until(lambda: any(path.stat().st_size for path in segments.glob(f"[!.]*/*{SEGMENT_SUFFIX}")), "something in the spool")
        yield serving


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
        full = stack.enter_context(without_room(directory / "two", upstream.url))
        stack.enter_context(tended(product))
        (directory / "three").mkdir()
        disk = None
        if can_be_had(directory):
            disk = stack.enter_context(SmallDisk(directory / "three", upstream.url))
        made = Stage(product, full, disk, stale)
        made.bases = {place: f"http://{address}" for place, address in zip(PLACES, product.supervisor.addresses, strict=True)}
        made.bases |= {"full": f"http://{full.address}", "small disk": f"http://{disk.address}" if disk is not None else ""}
        yield made
        stale.close()
    # Everything has ended in order by now.
    assert {m.exchange_id for m in product.rows()} <= made.known
    assert account(product.supervisor.ledger).adds_up


@pytest.mark.parametrize(("failure", "sdk"), [pytest.param(f, sdk, id=f"{f.name}-{sdk}") for f in FAILURES for sdk in f.seen])
def test_what_breaks_is_seen_as_it_would_be_and_booked_once(stage: Stage, failure: Failure, sdk: str) -> None:
    caller, base = failure.speaks.get(sdk, sdk), stage.bases[failure.at]
    if failure.at == "stale":
        stage.prime()
    rows = None
    if failure.at == "small disk":
        if stage.disk is None:
            pytest.skip("no small disk can be mounted here")
        with stage.disk.full():
            seen = saw(caller, base, failure.knobs)
        rows = stage.disk.rows
    elif failure.happens is not None:
        seen = HAPPENINGS[failure.happens](stage.product, caller, base, failure.knobs)
    else:
        seen = saw(caller, base, failure.knobs)
    assert seen == failure.seen[sdk]
    if failure.outcome is None:
        assert failure.error_type is not None
        stage.count(failure.error_type)
        return
    m = stage.row(rows)
    error_type = failure.error_types.get(sdk, failure.error_type)
    assert (m.outcome, m.side, m.error_type, m.http_status) == (failure.outcome, failure.side, error_type, failure.status)


def test_every_row_of_the_table_has_a_name_of_its_own() -> None:
    assert len({failure.name for failure in FAILURES}) == len(FAILURES)
