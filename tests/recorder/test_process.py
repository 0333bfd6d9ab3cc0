from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamgauge.recorder.process import RecorderSettings
from streamgauge.sinks.ledger import LedgerSettings
from streamgauge.spool import SpoolSettings, SpoolWriter, find_workers
from tests.recorder.driving import RecorderProcess, account
from tests.spool.made import exchange, until


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def get(port: int, path: str) -> Any:
    """The answer, or ``None`` while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)
    except OSError:
        return None


@pytest.mark.parametrize("how", ["SIGTERM", "the supervisor is gone"])
def test_it_records_answers_ignores_a_terminals_interrupt_and_ends_with_everything_in_the_ledger(tmp_path: Path, how: str) -> None:
    port = free_port()
    recorder = RecorderProcess(tmp_path / "spool", tmp_path / "ledger.db", admin_port=port)
    until(lambda: get(port, "/livez") == {"status": "alive"})
    writer = SpoolWriter(tmp_path / "spool", SpoolSettings(), "w0")
    exchange(writer, "a")
    until(lambda: get(port, "/api/v1/summary")["rows"] == 1)
    assert [row["exchange_id"] for row in get(port, "/api/v1/exchanges")] == ["a"]
    recorder.process.send_signal(signal.SIGINT)
    exchange(writer, "b")
    assert writer.close()
    code, said = recorder.end() if how == "SIGTERM" else recorder.hang_up()
    assert code == 0, said
    found = account(tmp_path / "ledger.db")
    assert found.outcomes == {"a": "completed", "b": "completed"}
    assert (found.seen, found.finished, find_workers(tmp_path / "spool")) == (2, True, [])
    assert "GET" not in said


def test_it_serves_on_a_socket_it_inherits(tmp_path: Path) -> None:
    settings = {"spool_dir": str(tmp_path / "spool"), "ledger": {"path": str(tmp_path / "ledger.db")}}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamgauge.recorder.process"],
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            stderr=subprocess.PIPE,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(settings | {"admin_fd": listener.fileno()}).encode() + b"\n")
        process.stdin.flush()
        assert get(listener.getsockname()[1], "/livez") == {"status": "alive"}
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_a_second_recorder_of_a_ledger_ends_with_code_4_and_one_sentence(tmp_path: Path) -> None:
    port = free_port()
    first = RecorderProcess(tmp_path / "spool", tmp_path / "ledger.db", admin_port=port)
    until(lambda: get(port, "/livez"))
    code, said = RecorderProcess(tmp_path / "other", tmp_path / "ledger.db").hang_up()
    assert code == 4
    assert str(tmp_path / "ledger.db") in said
    assert f"process {first.process.pid}" in said
    assert "Traceback" not in said
    assert first.hang_up()[0] == 0


def test_an_admin_address_that_is_taken_ends_it_with_code_4(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = RecorderProcess(tmp_path / "spool", tmp_path / "ledger.db", admin_port=port).hang_up()
    assert code == 4
    assert f"127.0.0.1:{port}" in said


def test_it_loads_nothing_it_does_not_need() -> None:
    code = "import sys, streamgauge.recorder.process; print([m for m in ('boto3', 'botocore', 'pydantic', 'rich', 'typer') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30).stdout == "[]\n"


def test_settings_travel_as_json_and_the_token_is_not_shown() -> None:
    settings = RecorderSettings("/s", LedgerSettings("/l", 0.5), admin_token="secret")
    assert msgspec.json.decode(msgspec.json.encode(settings), type=RecorderSettings) == settings
    assert "secret" not in repr(settings)
