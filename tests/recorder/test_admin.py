from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from streamgauge.errors import CouldNotRun
from streamgauge.heartbeat import Heartbeats
from streamgauge.recorder.admin import is_loopback, listen, make_app
from streamgauge.recorder.recording import Recording
from streamgauge.sinks.ledger import LedgerSettings
from streamgauge.spool import SpoolSettings, SpoolWriter
from tests.spool.made import exchange, status, until

Answer = tuple[int, Any]


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    """One with two rows, driven by hand: no thread, so that what it answers stands still."""
    writer = SpoolWriter(tmp_path / "spool", SpoolSettings(batch_seconds=0.001), "w0")
    beats = Heartbeats.create(1)
    beats.beat(0, time.monotonic() + 60, True, None)
    made = Recording(str(tmp_path / "spool"), LedgerSettings(str(tmp_path / "ledger.db")), beats=beats)
    made._restore()
    exchange(writer, "a")
    exchange(writer, "b")
    writer.append(status(at=datetime.now(UTC).isoformat()))
    until(lambda: writer.backlog_bytes == 0)
    made._turn(stopping=True)
    made._commit()
    yield made
    writer.close()
    made._tail.close()
    made._ledger.close()
    os.close(made._spool_lock)
    beats.close()


def ask(
    recording: Recording, *paths: str, host: str = "127.0.0.1", token: str | None = None, headers: dict[str, str] | None = None
) -> list[Answer]:
    """What the admin server answers on a real socket bound to ``host``."""

    async def asked() -> list[Answer]:
        listener = listen(host, 0)
        port = listener.getsockname()[1]
        runner = web.AppRunner(make_app(recording, str(recording._ledger.path), token, is_loopback(listener)), access_log=None)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        answers: list[Answer] = []
        async with aiohttp.ClientSession() as session:
            for path in paths:
                async with session.get(f"http://127.0.0.1:{port}{path}", headers=headers) as response:
                    answers.append((response.status, await response.json()))
        await runner.cleanup()
        return answers

    return asyncio.run(asked())


def test_it_lives_and_is_ready_when_a_worker_is(recording: Recording) -> None:
    assert ask(recording, "/livez", "/readyz") == [(200, {"status": "alive"}), (200, {"status": "ready", "reasons": []})]


def test_it_says_why_it_is_not_ready_and_lives_on(recording: Recording) -> None:
    assert recording._beats is not None
    recording._ledger_error = "disk full"
    reasons = ["the ledger cannot be written, the spool keeps what comes: disk full"]
    assert ask(recording, "/readyz") == [(200, {"status": "degraded", "reasons": reasons})]
    recording._beats.beat(0, time.monotonic() + 60, False, "no role")
    alive, ready = ask(recording, "/livez", "/readyz")
    assert alive == (200, {"status": "alive"})
    assert ready == (503, {"status": "not ready", "reasons": ["no role", *reasons]})


def test_rows_and_sums_can_be_read(recording: Recording) -> None:
    (_, summary), (_, rows), (_, one) = ask(
        recording, "/api/v1/summary", "/api/v1/exchanges", "/api/v1/exchanges?limit=1&where=team=search&where=outcome=completed"
    )
    assert (summary["seen"], summary["rows"], summary["outcomes"]) == (2, 2, {"completed": 2})
    assert sorted(row["exchange_id"] for row in rows) == ["a", "b"]
    assert len(one) == 1
    assert one[0]["e2e"] == 2.5


def test_every_described_path_answers(recording: Recording) -> None:
    ((code, described),) = ask(recording, "/api/v1/openapi.json")
    assert code == 200
    assert [answer for answer, _ in ask(recording, *described["paths"])] == [200] * len(described["paths"])


@pytest.mark.parametrize(
    ("path", "code", "text"),
    [
        ("/api/v1/exchanges?limit=0", 400, "limit='0' is not a number"),
        ("/api/v1/exchanges?where=prompt=x", 400, "no field 'prompt'"),
        ("/nowhere", 404, "Not Found"),
    ],
)
def test_a_mistake_gets_a_sentence(recording: Recording, path: str, code: int, text: str) -> None:
    ((answered, said),) = ask(recording, path)
    assert answered == code
    assert text in said["error"]


def test_a_ledger_that_cannot_answer_in_time_or_is_asked_too_much_says_so(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("streamgauge.recorder.ledger_query.read_exchanges", slow)
    ((code, said),) = ask(recording, "/api/v1/exchanges")
    assert code == 504
    assert "ask for less" in said["error"]
    monkeypatch.setattr("streamgauge.recorder.ledger_query.MAX_UNDER_WAY", 0)
    ((code, said),) = ask(recording, "/api/v1/exchanges")
    assert code == 503
    assert "ask later" in said["error"]


CLOSED = ("/api/v1/summary", "/api/v1/exchanges", "/api/v1/openapi.json", "/nowhere")


def test_beyond_this_machine_only_health_answers_without_a_configured_token(recording: Recording) -> None:
    answers = ask(recording, "/livez", "/readyz", *CLOSED, host="0.0.0.0", headers={"Authorization": "Bearer None"})
    assert [code for code, _ in answers] == [200, 200, 403, 403, 403, 403]
    assert "configure one" in answers[-1][1]["error"]


@pytest.mark.parametrize("given", [None, "", "Bearer ", "Bearer wrong", "secret", "Bearer secret2", "Bearer sécret"])
def test_beyond_this_machine_a_wrong_token_is_refused(recording: Recording, given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given}
    answers = ask(recording, "/livez", *CLOSED, host="0.0.0.0", token="secret", headers=headers)
    assert [code for code, _ in answers] == [200, 401, 401, 401, 401]
    assert "secret" not in str(answers[1:])


def test_beyond_this_machine_the_token_opens_everything(recording: Recording) -> None:
    answers = ask(recording, *CLOSED, host="0.0.0.0", token="secret", headers={"Authorization": "Bearer secret"})
    assert [code for code, _ in answers] == [200, 200, 200, 404]


@pytest.mark.parametrize(
    ("host", "code"),
    [("localhost:8788", 200), ("127.0.0.1", 200), ("[::1]:8788", 200), ("[::1]", 200), ("evil.example:8788", 403), ("evil.example", 403)],
)
def test_a_web_page_that_gives_this_machine_another_name_reads_nothing(recording: Recording, host: str, code: int) -> None:
    ((answered, _),) = ask(recording, "/api/v1/summary", headers={"Host": host})
    assert answered == code


def test_an_address_that_is_taken_is_named() -> None:
    with closing(listen("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CouldNotRun, match=rf"127\.0\.0\.1:{port} cannot be used") as refused:
            listen("127.0.0.1", port)
        assert refused.value.exit_code == 4


def test_it_is_known_who_can_reach_a_listener(tmp_path: Path) -> None:
    with closing(listen("127.0.0.1", 0)) as near, closing(listen("0.0.0.0", 0)) as far, closing(socket.socket(socket.AF_UNIX)) as local:
        local.bind(str(tmp_path / "s"))
        assert [is_loopback(listener) for listener in (near, far, local)] == [True, False, True]
