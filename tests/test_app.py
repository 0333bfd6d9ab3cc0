"""The supervisor: what dies is started again, sockets stay, what cannot work is refused by name, and the end comes in order."""

from __future__ import annotations

import http.client
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from streamgauge.app import Supervisor
from streamgauge.child import ENDING_SECONDS
from streamgauge.config import load
from streamgauge.errors import CouldNotRun, StreamgaugeError, UsageError
from streamgauge.relay.journal import SETTLED_SECONDS
from streamgauge.relay.leaving import LAST_SECONDS
from streamgauge.sinks.ledger_access import lock_ledger
from streamgauge.spool.writer import CLOSE_SECONDS
from streamgauge.supervisor.children import Child
from streamgauge.testing import Script, ScriptedUpstream
from tests.chaos.callers import UNARY, Caller
from tests.chaos.serving import refused, until
from tests.recorder.driving import account
from tests.supervisor.lives import child

NOWHERE = "http://127.0.0.1:1"


def supervisor(tmp_path: Path, upstream: str = NOWHERE, **settings: Any) -> Supervisor:
    usual: dict[str, Any] = {
        "listen": ("127.0.0.1:0",),
        "admin": "127.0.0.1:0",
        "ledger": str(tmp_path / "ledger.db"),
        "targets.upstreams": {"bedrock-runtime": upstream},
        "targets.default_region": "us-east-1",
        "relay.signing": "passthrough",
        "drain_seconds": 2.0,
        "log_level": "WARNING",
    }
    return Supervisor(load(None, usual | settings))


@contextmanager
def opened(tmp_path: Path, upstream: str = NOWHERE, **settings: Any) -> Iterator[Supervisor]:
    made = supervisor(tmp_path, upstream, **settings)
    made.open()
    try:
        yield made
    finally:
        made.stop()


def tended(proxy: Supervisor, condition: Callable[[], object], what: str) -> None:
    """Have the supervisor look around until the condition holds."""

    def looked() -> object:
        proxy.tend()
        return condition()

    until(looked, what)


# --- the whole ---------------------------------------------------------------------------------------------------------


def test_what_dies_is_started_again_on_the_same_sockets_once_its_pause_is_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedUpstream(Script(output_tokens=3)) as upstream, opened(tmp_path, upstream.url) as proxy:
        assert Caller(proxy.addresses[0], "first", UNARY).result().status == 200
        before, address = proxy.pids(), proxy.addresses[0]
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        with caplog.at_level(logging.ERROR):
            tended(proxy, lambda: not proxy.pids(), "death of all")
        proxy.tend()
        assert proxy.pids() == {}
        waiting = Caller(address, "second", UNARY)
        tended(proxy, lambda: waiting.over, "answer of the next worker")
        assert waiting.result().status == 200
        tended(proxy, lambda: set(proxy.pids()) == set(before), "all of them")
        assert not set(proxy.pids().values()) & set(before.values())
        assert proxy.addresses == [address]
    assert sorted(record.getMessage() for record in caplog.records) == [
        f"{name} ended with exit code -9; starting another in 0.2 s" for name in ("recorder", "worker 0")
    ]


def ask(address: str, path: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request("GET", path)
    response = connection.getresponse()
    body = json.load(response)
    connection.close()
    return response.status, body


def test_a_recorder_that_cannot_run_any_more_is_answered_for_and_traffic_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedUpstream(Script(output_tokens=3)) as upstream, opened(tmp_path, upstream.url) as proxy:
        until(lambda: ask(proxy.admin_address, "/readyz") == (200, {"status": "ready", "reasons": []}), "readiness")
        os.kill(proxy.pids()["recorder"], signal.SIGKILL)
        until(lambda: "recorder" not in proxy.pids() or proxy._recorder.process.poll() is not None, "death of the recorder")  # type: ignore[union-attr]
        other = lock_ledger(tmp_path / "ledger.db")
        tended(proxy, lambda: "exit code 4; starting another in 0.8 s" in caplog.text, "recorders that cannot run")
        answers: list[tuple[int, Any]] = []

        def asked() -> None:
            answers.extend(ask(proxy.admin_address, path) for path in ("/livez", "/readyz", "/api/v1/summary"))

        thread = threading.Thread(target=asked)
        thread.start()
        tended(proxy, lambda: not thread.is_alive(), "answers")
        assert answers[0] == (200, {"status": "alive"})
        assert (answers[1][0], answers[1][1]["status"]) == (200, "degraded")
        assert "there is no recorder, the log says why" in answers[1][1]["reasons"][0]
        assert answers[2][0] == 503
        assert Caller(proxy.addresses[0], "meanwhile", UNARY).result().status == 200
        os.close(other)
        tended(proxy, lambda: "recorder" in proxy.pids(), "another recorder")
    assert account(tmp_path / "ledger.db").outcomes.keys()


@pytest.mark.parametrize(("signing", "code", "status"), [("resign", 503, "not ready"), ("passthrough", 200, "ready")])
def test_without_the_role_that_everything_is_signed_by_traffic_cannot_be_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signing: str, code: int, status: str
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with opened(tmp_path, **{"relay.signing": signing}) as proxy:

        def said() -> tuple[int, str]:
            answered, body = ask(proxy.admin_address, "/readyz")
            return answered, body["status"]

        until(lambda: said() == (code, status) and ask(proxy.admin_address, "/readyz")[1]["reasons"] != ["no worker serves yet"], status)


def test_each_life_of_a_worker_has_a_name_of_its_own(tmp_path: Path) -> None:
    proxy = supervisor(tmp_path)
    proxy._listeners = [[]]
    worker = proxy._worker_child(0)
    assert worker.settings()["worker_id"] != worker.settings()["worker_id"]


def test_several_workers_share_one_port(tmp_path: Path) -> None:
    with ScriptedUpstream(Script(output_tokens=3)) as upstream:
        with opened(tmp_path, upstream.url, workers=2) as proxy:
            assert set(proxy.pids()) == {"recorder", "worker 0", "worker 1"}
            calls = [Caller(proxy.addresses[0], str(number), UNARY) for number in range(12)]
            assert [caller.result().status for caller in calls] == [200] * 12
        found = account(tmp_path / "ledger.db")
    assert (found.seen, found.finished) == (12, True)


def test_several_addresses_are_served_by_one_worker(tmp_path: Path) -> None:
    with (
        ScriptedUpstream(Script(output_tokens=3)) as upstream,
        opened(tmp_path, upstream.url, listen=("127.0.0.1:0", "localhost:0")) as proxy,
    ):
        assert len(set(proxy.addresses)) == 2
        assert [Caller(address, address, UNARY).result().status for address in proxy.addresses] == [200, 200]


def test_at_the_end_the_port_goes_first_then_the_workers_then_the_recorder(tmp_path: Path) -> None:
    proxy = supervisor(tmp_path)
    proxy.open()
    (worker,), recorder = proxy._workers.placed, proxy._recorder
    assert recorder is not None
    asked: list[str] = []
    for name, process in (("worker", worker.process), ("recorder", recorder.process)):
        assert process is not None

        def terminate(name: str = name, terminate: Callable[[], None] = process.terminate) -> None:
            alive = sorted(proxy.pids())
            asked.append(f"{name} while {' and '.join(alive)} live, port {'closed' if proxy._listeners[0][0].fileno() < 0 else 'open'}")
            terminate()

        process.terminate = terminate  # type: ignore[method-assign]
    proxy.stop()
    assert asked == ["worker while recorder and worker 0 live, port closed", "recorder while recorder live, port closed"]
    assert refused(proxy.addresses[0])
    assert refused(proxy.admin_address)
    proxy.stop()  # again: nothing
    assert proxy.pids() == {}


def test_a_worker_is_not_killed_before_it_could_have_ended() -> None:
    assert ENDING_SECONDS > LAST_SECONDS + SETTLED_SECONDS + CLOSE_SECONDS


def test_what_the_recorder_could_not_read_until_the_end_is_told_and_read_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("streamgauge.app.RECORDER_SECONDS", 0.2)
    with ScriptedUpstream(Script(output_tokens=3)) as upstream:
        proxy = supervisor(tmp_path, upstream.url)
        proxy.open()
        until(lambda: ask(proxy.admin_address, "/livez")[0] == 200, "recorder")
        os.kill(proxy.pids()["recorder"], signal.SIGSTOP)
        assert Caller(proxy.addresses[0], "c", UNARY).result().status == 200
        assert not proxy.stop()
    said = caplog.records[-1].getMessage()
    assert f"not everything is in the ledger {tmp_path / 'ledger.db'} yet: the spool {tmp_path / 'ledger.db.spool'} keeps " in said
    monkeypatch.undo()
    with opened(tmp_path) as again:
        until(lambda: ask(again.admin_address, "/api/v1/summary")[1]["rows"] == 1, "row of the first proxy's call")
        assert again.stop()


def test_a_child_that_does_not_end_is_killed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    proxy = supervisor(tmp_path, drain_seconds=0.1)
    stubborn = child(
        "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); sys.stdin.readline(); print(flush=True); signal.pause()"
    )
    stubborn.start()
    proxy._workers.placed = [stubborn]
    proxy.stop()
    assert stubborn.process is None
    assert [record.getMessage() for record in caplog.records] == ["child did not end within 7.1 s and is killed"]


# --- what cannot work --------------------------------------------------------------------------------------------------


def fails(proxy: Supervisor, kind: type[StreamgaugeError], match: str) -> None:
    """Opening is refused, and nothing is left behind."""
    with pytest.raises(kind, match=match):
        proxy.open()
    assert proxy.pids() == {}
    assert all(sock.fileno() < 0 for group in proxy._listeners for sock in group)


@pytest.mark.parametrize("key", ["listen", "admin"])
@pytest.mark.parametrize("shared", [False, True], ids=["plainly", "by somebody who would share it"])
def test_an_address_that_is_taken_is_named(tmp_path: Path, key: str, shared: bool) -> None:
    with closing(socket.socket()) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        taken: dict[str, Any] = {key: (address,) if key == "listen" else address}
        fails(supervisor(tmp_path, **taken), CouldNotRun, f"cannot listen on {address}")


def test_traffic_and_admin_do_not_share_a_port(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(UsageError, match=f"admin: '{address}' - is also in listen"):
        supervisor(tmp_path, listen=(address,), admin=address)


def test_an_address_that_is_not_this_machines_is_named(tmp_path: Path) -> None:
    fails(supervisor(tmp_path, admin="192.0.2.1:8788"), CouldNotRun, r"cannot listen on 192\.0\.2\.1:8788 \(Cannot assign")


def test_an_upstream_that_is_our_own_listener_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"targets\.upstreams\.bedrock-runtime: http://localhost:9787 is this proxy's own listener"):
        supervisor(tmp_path, "http://localhost:9787", listen=("127.0.0.1:9787",))


def test_a_ledger_that_is_a_directory_is_named(tmp_path: Path) -> None:
    fails(supervisor(tmp_path, ledger=str(tmp_path)), CouldNotRun, f"the ledger {tmp_path} is a directory")


def test_a_spool_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    fails(
        supervisor(tmp_path, spool_dir=str(tmp_path / "file" / "spool")),
        CouldNotRun,
        r"the spool directory .*file/spool cannot be made",
    )


def test_proxy_variables_that_lead_to_ourselves_do_not_hold_for_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://localhost:{port}")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    with opened(tmp_path, listen=(f"127.0.0.1:{port}",)):
        assert "HTTPS_PROXY" not in os.environ
        assert os.environ["HTTP_PROXY"] == "http://proxy.example:3128"


def test_a_child_that_cannot_be_started_is_tried_again_and_harms_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    child = Child("worker 0", ["/no/such/program"], dict, [])
    supervisor = Supervisor(load(None, {"ledger": str(tmp_path / "l.db")}))
    supervisor._workers.placed = [child]
    supervisor.tend()
    assert child.process is None
    assert "worker 0 cannot be started (No such file or directory); trying again in 0.2 s" in caplog.text
    child.restart_at = 0.0
    child.argv = [sys.executable, "-c", "input()"]
    supervisor.tend()
    assert supervisor.pids().keys() == {"worker 0"}
    supervisor.stop()
