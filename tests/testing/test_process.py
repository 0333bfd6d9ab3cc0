from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from streamgauge.testing.process import UpstreamProcess
from tests.testing.clients import CLAUDE, QUESTION, aws


def test_a_process_of_its_own_answers_and_writes_its_send_log_on_the_shared_clock(tmp_path: Path) -> None:
    before = time.perf_counter_ns()
    with UpstreamProcess(log=tmp_path / "sends.jsonl") as upstream, aws(upstream.url) as client:
        reply = client.converse_stream(modelId=CLAUDE, messages=QUESTION)
        list(reply["stream"])
    (log,) = upstream.sends()
    assert log.request_id == reply["ResponseMetadata"]["RequestId"]
    assert before < log.received_at < log.outputs[0] < (log.ended_at or 0) < time.perf_counter_ns()


def test_a_prompt_can_say_what_it_wants_to_be_answered() -> None:
    wish = '@@{"text": "Yes.", "stop_reason": "max_tokens", "ttft": 0.0, "gaps": [0.0, 0.001]}@@'
    with UpstreamProcess("--profile", "plain") as upstream, aws(upstream.url) as client:
        reply = client.converse(modelId=CLAUDE, messages=[{"role": "user", "content": [{"text": f"Please {wish} thanks"}]}])
    assert (reply["output"]["message"]["content"], reply["stopReason"]) == ([{"text": "Yes."}], "max_tokens")


def test_a_wish_that_cannot_be_met_is_refused_with_the_reason() -> None:
    with UpstreamProcess() as upstream, aws(upstream.url) as client, pytest.raises(ClientError, match="unknown tfft; known are"):
        client.converse(modelId=CLAUDE, messages=[{"role": "user", "content": [{"text": '@@{"tfft": 1}@@'}]}])


def test_a_process_that_does_not_come_up_is_an_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    upstream = UpstreamProcess("--port", "1", log=tmp_path / "nowhere" / "log")
    with pytest.raises(RuntimeError, match="did not say its address"):
        upstream.__enter__()
    assert upstream.wait(0) == 4


def test_without_a_log_there_are_no_sends_to_ask_for() -> None:
    with pytest.raises(ValueError, match="started without log=PATH"):
        UpstreamProcess().sends()


def test_it_ends_with_a_parent_that_was_killed() -> None:
    code = "import time; from streamgauge.testing.process import UpstreamProcess as U; u = U().__enter__(); print(u.pid, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        upstream = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    try:
        assert select.select([upstream], [], [], 10)[0], "the upstream outlived its parent"
    finally:
        os.close(upstream)
