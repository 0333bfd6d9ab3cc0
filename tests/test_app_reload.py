"""New settings on SIGHUP: taken over without an interruption, or not at all."""

from __future__ import annotations

import dataclasses
import http.client
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamgauge.app import Supervisor
from streamgauge.config import Config
from streamgauge.errors import UsageError
from streamgauge.testing import Script, ScriptedUpstream
from tests.chaos.callers import STREAM, UNARY, Caller
from tests.recorder.driving import account, ledger_rows
from tests.relay.loopback import certificate
from tests.test_app import opened, tended


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(Script(output_tokens=3)) as made:
        yield made


def reload(proxy: Supervisor, **changed: Any) -> Config:
    config = dataclasses.replace(proxy.config, **changed)
    proxy.reload(lambda: config)
    return config


def admin_status(proxy: Supervisor, token: str) -> int:
    connection = http.client.HTTPConnection(proxy.admin_address, timeout=30)
    connection.request("GET", "/api/v1/summary", headers={"Authorization": f"Bearer {token}"})
    status = connection.getresponse().status
    connection.close()
    return status


def call(proxy: Supervisor, name: str) -> int:
    return Caller(proxy.addresses[0], name, UNARY).result().status


def test_all_workers_get_the_new_settings_and_every_call_is_a_row(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    with opened(tmp_path, upstream.url, workers=2) as proxy:
        assert call(proxy, "before") == 200
        before = proxy.pids()
        new = reload(proxy, relay=dataclasses.replace(proxy.config.relay, site="over there"))
        tended(proxy, lambda: proxy.config is new, "the new settings")
        after = proxy.pids()
        assert after["recorder"] == before["recorder"]
        assert not {after["worker 0"], after["worker 1"]} & set(before.values())
        # Until they have ended, those before may still accept what comes this very moment.
        tended(proxy, lambda: len(proxy._workers.children()) == 2, "end of those before")
        assert call(proxy, "after") == 200
    assert {row.sdk_invocation_id: row.site for row in ledger_rows(tmp_path / "ledger.db")} == {"before": None, "after": "over there"}
    assert account(tmp_path / "ledger.db").finished


def test_a_stream_under_way_is_not_cut(tmp_path: Path) -> None:
    slow = Script(output_tokens=100, ttft=0.01, gap=0.03)
    with ScriptedUpstream(slow) as upstream, opened(tmp_path, upstream.url, drain_seconds=0.1) as proxy:
        stream = Caller(proxy.addresses[0], "stream", STREAM)
        upstream.wait_received()
        new = reload(proxy, drain_seconds=0.2)
        tended(proxy, lambda: proxy.config is new, "the new settings")
        assert not stream.over
        tended(proxy, lambda: stream.over, "its end")
        assert stream.result().became == "whole"


def test_the_recorder_gets_new_settings_too_and_goes_on_where_it_was(
    tmp_path: Path, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(tmp_path, upstream.url, admin_token="old") as proxy:
        assert call(proxy, "before") == 200
        before = proxy.pids()["recorder"]
        new = reload(proxy, admin_token="new")
        tended(proxy, lambda: proxy.config is new, "the new settings")
        tended(proxy, lambda: proxy.pids().get("recorder", before) != before, "another recorder")
        assert [admin_status(proxy, token) for token in ("old", "new")] == [200, 200]  # on loopback no token is asked for
        assert call(proxy, "after") == 200
        assert caplog.text == ""
    assert sorted(row.sdk_invocation_id or "" for row in ledger_rows(tmp_path / "ledger.db")) == ["after", "before"]


def test_what_has_changed_is_logged_by_name_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(tmp_path, admin_token="hunter2", log_level="INFO") as proxy, caplog.at_level(logging.INFO):
        new = reload(proxy, relay=dataclasses.replace(proxy.config.relay, site="over there"), admin_token="hunter3")
        tended(proxy, lambda: proxy.config is new, "the new settings")
    assert "SIGHUP: all workers have the new settings; changed: admin_token, relay.site" in caplog.text
    assert "hunter" not in caplog.text
    assert "over there" not in caplog.text


def test_settings_that_cannot_be_read_change_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(tmp_path) as proxy:
        before = proxy.config, proxy.pids()

        def reread() -> Config:
            raise UsageError("1 mistake(s) in the settings")

        proxy.reload(reread)
        proxy.tend()
        assert (proxy.config, proxy.pids()) == before
        assert "SIGHUP: all settings stay as they were: 1 mistake(s) in the settings" in caplog.text


@pytest.mark.parametrize(
    ("key", "value"),
    [("listen", ("127.0.0.1:1",)), ("admin", "127.0.0.1:1"), ("ledger", "/other"), ("spool_dir", "/other"), ("workers", 7)],
)
def test_what_holds_for_life_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture, key: str, value: Any) -> None:
    with opened(tmp_path) as proxy:
        before = proxy.config, proxy.pids()
        reload(proxy, **{key: value})
        proxy.tend()
        assert (proxy.config, proxy.pids()) == before
        assert f"SIGHUP: all settings stay as they were: {key} cannot change while the proxy runs" in caplog.text


def test_settings_with_which_no_worker_starts_change_nothing(
    tmp_path: Path, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(tmp_path, upstream.url) as proxy, caplog.at_level(logging.ERROR):
        before = proxy.config, proxy.pids()
        unreadable: Any = {"site": 7}
        reload(proxy, relay=dataclasses.replace(proxy.config.relay, **unreadable))
        tended(proxy, lambda: "not taken over" in caplog.text, "the end of the attempt")
        assert (proxy.config, proxy.pids()) == before
        assert call(proxy, "still there") == 200


def test_a_certificate_that_goes_after_it_was_checked_changes_nothing(
    tmp_path: Path, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, _ = certificate(tmp_path)
    files = {"tls.cert_file": str(cert), "tls.key_file": str(tmp_path / "localhost.key")}
    with opened(tmp_path, upstream.url, listen_tls=("127.0.0.1:0",), **files) as proxy, caplog.at_level(logging.ERROR):
        assert call(proxy, "before") == 200
        before = proxy.config, proxy.pids()
        cert.unlink()
        monkeypatch.setattr("streamgauge.app.server_context", lambda _: None)  # it was there a moment ago
        reload(proxy)
        tended(proxy, lambda: "not taken over" in caplog.text, "the end of the attempt")
        assert "ended with exit code 4 before it served" in caplog.text
        assert (proxy.config, proxy.pids()) == before
        assert call(proxy, "still there") == 200


def test_without_anything_to_read_again_that_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(tmp_path) as proxy:
        proxy.reload(None)
    assert "restart streamgauge" in caplog.text
