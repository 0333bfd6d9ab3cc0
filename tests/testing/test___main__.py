from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamgauge.testing.__main__ import main
from streamgauge.testing.process import UpstreamProcess
from streamgauge.testing.profiles import DEMO_MODELS
from tests.testing.clients import QUESTION, aws


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """``main`` sets handlers; the test run gets its own back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_a_port_that_is_taken_is_exit_4_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--port", str(taken.getsockname()[1])]) == 4
    assert "in use" in capsys.readouterr().err


def test_a_log_that_cannot_be_opened_is_exit_4_with_its_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--log", str(tmp_path / "nowhere" / "sends.jsonl")]) == 4
    assert "nowhere" in capsys.readouterr().err


def test_the_demo_profile_answers_by_the_request_and_ends_at_sigint(tmp_path: Path) -> None:
    model = next(iter(DEMO_MODELS))
    with UpstreamProcess("--profile", "demo", "--slow-model", model, "--slow-factor", "2", log=tmp_path / "log") as upstream:
        with aws(upstream.url) as client:
            reply = client.converse(modelId=model, messages=QUESTION, inferenceConfig={"maxTokens": 3})
        assert reply["usage"]["outputTokens"] == 3
        os.kill(upstream.pid, signal.SIGINT)
        assert upstream.wait(10) == 0
    assert [log.operation for log in upstream.sends()] == ["Converse"]
