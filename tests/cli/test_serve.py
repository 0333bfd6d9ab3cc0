"""``streamgauge serve`` as people and service managers meet it: what it prints, when it ends, and with which exit code."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from streamgauge.cli.serve import banner, upstreams
from streamgauge.errors import UsageError
from streamgauge.testing import Script, ScriptedUpstream
from tests.chaos.callers import UNARY, Caller
from tests.chaos.serving import Serving, refused, until


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end, which is expected to come by itself."""
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy") and not name.startswith("AWS_")}
    return subprocess.run(
        [sys.executable, "-m", "streamgauge", "serve", *arguments], env=clean, capture_output=True, text=True, timeout=60, check=False
    )


def test_it_prints_where_it_listens_and_what_to_set_and_serves_there(tmp_path: Path) -> None:
    with ScriptedUpstream(Script(output_tokens=3)) as upstream, Serving(tmp_path, upstream.url) as serving:
        assert serving.process.stdout is not None
        rest = serving.process.stdout
        said = [rest.readline().decode() for _ in range(8)]
        assert f"  export AWS_ENDPOINT_URL_BEDROCK_RUNTIME=http://{serving.address}\n" in said
        assert said[-1] == f"Then: streamgauge report latency --ledger {serving.ledger}\n"
        assert Caller(serving.address, "c", UNARY).result().status == 200
        assert not refused(serving.admin)
        assert serving.stop() == 0
    assert [row.sdk_invocation_id for row in serving.rows()] == ["c"]
    assert serving.log.read_text() == ""


def test_sighup_takes_over_a_changed_file_and_keeps_everything_if_it_is_wrong(tmp_path: Path) -> None:
    with ScriptedUpstream(Script(output_tokens=3)) as upstream, Serving(tmp_path, upstream.url) as serving:
        assert Caller(serving.address, "before", UNARY).result().status == 200
        worker = serving.pid("worker")
        serving.write(relay={"signing": "passthrough", "site": "over there"})
        serving.send(signal.SIGHUP, serving.process.pid)
        until(lambda: serving.pids("worker") not in ([], [worker]) and worker not in serving.pids("worker"), "another worker")
        assert Caller(serving.address, "after", UNARY).result().status == 200
        worker = serving.pid("worker")
        serving.write(relay={"sining": "auto"}, workers=0)
        serving.send(signal.SIGHUP, serving.process.pid)
        until(lambda: "workers: 0 - must be above zero" in serving.log.read_text(), "both mistakes")
        assert "SIGHUP: all settings stay as they were: 2 mistake(s) in the settings" in serving.log.read_text()
        assert serving.pids("worker") == [worker]
        assert Caller(serving.address, "still", UNARY).result().status == 200
        assert serving.stop() == 0
    assert {row.sdk_invocation_id: row.site for row in serving.rows()} == {"before": None, "after": "over there", "still": "over there"}


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_as_soon_as_it_listens_it_ends_in_order(tmp_path: Path, sig: signal.Signals) -> None:
    with Serving(tmp_path, "http://127.0.0.1:1") as serving:
        left = (*serving.pids("worker"), *serving.pids("recorder"))
        serving.send(sig, serving.process.pid)
        assert serving.process.wait(30) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in left)
    assert serving.log.read_text() == ""


def test_who_asks_a_second_time_does_not_wait_for_open_streams(tmp_path: Path) -> None:
    with (
        ScriptedUpstream(Script(output_tokens=5_000, gap=0.02)) as upstream,
        Serving(tmp_path, upstream.url, drain_seconds=2.0) as serving,
    ):
        caller = Caller(serving.address, "c")
        upstream.wait_received()
        left = (*serving.pids("worker"), *serving.pids("recorder"))
        serving.send(signal.SIGINT, serving.process.pid)
        until(lambda: refused(serving.address), "end of listening")
        serving.send(signal.SIGINT, serving.process.pid)
        assert serving.process.wait(10) == 130
        # The others go on to their end: the stream is cut after the draining, and measured.
        assert caller.result().became == "broken"
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left), "end of the others")
    assert [row.outcome for row in serving.rows()] == ["proxy_error"]


def test_mistakes_in_the_settings_are_all_named_before_anything_listens(tmp_path: Path) -> None:
    config = tmp_path / "streamgauge.yaml"
    config.write_text("lisen: ['127.0.0.1:0']\nrelay: {keepalive: -1}\n", encoding="utf-8")
    done = serve("--config", str(config), "--ledger", str(tmp_path / "ledger.db"))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"2 mistake(s) in the settings in {config}" in done.stderr
    assert "lisen: unknown key; did you mean listen?" in done.stderr
    assert "relay.keepalive: -1" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "ledger.db.spool").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--upstream", "bedrock-runtime"], "--upstream: expected SERVICE=URL"),
        (["--workers", "0"], "workers: 0 - must be above zero (an option)"),
        (["--workers", "all"], "workers: 'all' - must be a whole number or auto"),
        (["--config", "/no/such/file.yaml"], "the settings file /no/such/file.yaml cannot be read"),
        (["--listen", "8787"], "listen: '8787' - must be host:port"),
        (["--listen", "0.0.0.0:0"], "allow_unauthenticated"),
        (["--listen", "127.0.0.1:9787", "--upstream", "bedrock-runtime=http://127.0.0.1:9787"], "is this proxy's own listener"),
    ],
    ids=["upstream", "workers", "workers in words", "config", "listen", "exposed", "loop"],
)
def test_what_cannot_be_meant_is_a_usage_error(tmp_path: Path, arguments: list[str], expected: str) -> None:
    done = serve("--ledger", str(tmp_path / "ledger.db"), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert expected in done.stderr


def test_a_port_that_is_taken_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        done = serve("--listen", address, "--admin", "127.0.0.1:0", "--ledger", str(tmp_path / "ledger.db"))
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == (
        f"streamgauge: cannot listen on {address} (Address already in use): is another proxy running? Choose another address\n"
    )


def test_a_ledger_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = serve("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--ledger", str(tmp_path / "file" / "ledger.db"))
    assert (done.returncode, done.stdout) == (4, "")
    assert str(tmp_path / "file") in done.stderr
    assert "internal error" not in done.stderr


def test_a_ledger_or_a_spool_that_another_proxy_uses_is_named_with_its_user_and_nothing_listens(tmp_path: Path) -> None:
    with Serving(tmp_path, "http://127.0.0.1:1") as serving:
        until((tmp_path / "ledger.db").exists, "a ledger")
        recorder = serving.pid("recorder")
        held = f"{recorder}, started by process {serving.process.pid}"
        until(lambda: held in Path(f"{serving.ledger}.lock").read_text(), "the recorder's lock")
        spool = tmp_path / "other.yaml"
        spool.write_text(f"spool_dir: {serving.ledger}.spool\n")
        places = {
            f"ledger {serving.ledger} is being written by another": ["--ledger", str(serving.ledger)],
            f"spool {serving.ledger}.spool is read by another": ["--ledger", str(tmp_path / "other.db"), "--config", str(spool)],
        }
        for reason, place in places.items():
            done = serve("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", *place)
            assert (done.returncode, done.stdout) == (4, "")
            assert f"(process {held})" in done.stderr
            assert reason in done.stderr
        assert serving.stop() == 0


def test_a_ledger_of_a_newer_version_is_refused_before_anything_listens(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        connection.execute("PRAGMA user_version=99")
    done = serve("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--ledger", str(tmp_path / "ledger.db"))
    assert (done.returncode, done.stdout) == (4, "")
    assert "ledger.db was written by a newer streamgauge (schema 99" in done.stderr
    assert done.stderr.count("\n") == 1


def test_pairs_of_service_and_url_become_a_table() -> None:
    assert upstreams(["a=http://x", "b=http://y?c=d"]) == {"a": "http://x", "b": "http://y?c=d"}
    for wrong in ("a", "=http://x", "a="):
        with pytest.raises(UsageError, match="expected SERVICE=URL"):
            upstreams([wrong])


def test_every_line_of_the_banner_can_be_pasted() -> None:
    lines = [line.strip() for line in banner(["127.0.0.1:1"], ["127.0.0.1:3"], "127.0.0.1:2", Path("/l.db"), "/ca.pem").splitlines()]
    exports = [line for line in lines if line.startswith("export ")]
    assert len(exports) == 6
    assert all("=http://127.0.0.1:1" in line for line in exports[:4])
    assert "=https://127.0.0.1:3 " in exports[4]
    assert exports[5].startswith("export HTTPS_PROXY=http://127.0.0.1:1 ")


@pytest.mark.parametrize(
    "pair", ["https://user:hunter2@gw.corp/v1", "https://user:hunter2=x@gw.corp", "bedrock-runtime", "bedrock-runtime="]
)
def test_an_upstream_without_its_service_is_not_repeated(pair: str) -> None:
    with pytest.raises(UsageError, match="expected SERVICE=URL") as caught:
        upstreams([pair])
    assert "hunter2" not in str(caught.value)
