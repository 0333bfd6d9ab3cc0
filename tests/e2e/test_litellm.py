"""LiteLLM under ``streamgauge run``, told of nothing: each call a row. What it gets in each address form is the matrix's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from streamgauge.records import Measurement
from streamgauge.sinks.ledger_read import open_for_reading
from streamgauge.sinks.ledger_table import exchanges
from streamgauge.testing import Script, ScriptedUpstream
from streamgauge.testing.sigv4 import Verifier
from tests.e2e.conftest import KEY, SECRET
from tests.e2e.matrix.applications import PLAIN
from tests.e2e.matrix.callers import BEARER, MODEL

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Script(text="Two metres more than yesterday.", ttft=0.01, gap=0.002, input_tokens=31, cache_read_tokens=7)
ASKED = [{"streaming": streaming, "prompt": "How high is the river?"} for streaming in (False, True)]
JOBS: dict[str, dict[str, Any]] = {
    name: {"caller": name, "environ": {}, "calls": ASKED}
    for name in ("litellm bedrock/converse", "litellm bedrock/invoke", "litellm openai")
}
ROWS = [
    ("Converse", MODEL, False),
    ("ConverseStream", MODEL, True),
    ("InvokeModel", MODEL, False),
    ("InvokeModelWithResponseStream", MODEL, True),
    ("ChatCompletions", "gpt-oss", False),
    ("ChatCompletions", "gpt-oss", True),
]


def check_rows(rows: list[Measurement]) -> None:
    assert [(row.operation, row.requested_model, row.streaming) for row in rows] == ROWS
    for row in rows:
        assert (row.service, row.outcome, row.usage_source) == ("bedrock-runtime", "completed", "reported")
        assert (row.input_tokens, row.cache_read_tokens, row.output_tokens) == (31, 7, 5)
        assert (row.ttft is not None and row.ttft >= 0.01) is row.streaming


def test_run_measures_a_litellm_application_that_knows_nothing_of_it(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    run = [sys.executable, "-m", "streamgauge", "run", "--ledger", str(ledger)]
    said = "".join(json.dumps(job) + "\n" for job in JOBS.values())
    with ScriptedUpstream(SCRIPT, gate=Verifier({KEY: SECRET}, bearer_keys=[BEARER])) as server:
        command = [*run, "--upstream", f"bedrock-runtime={server.url}", "--", sys.executable, "-m", "tests.e2e.matrix.calls"]
        environ = os.environ | PLAIN | {"OPENAI_API_KEY": BEARER}
        done = subprocess.run(command, env=environ, cwd=ROOT, input=said, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    answers = [answer for line in done.stdout.splitlines() for answer in json.loads(line)]
    assert [(answer["error"], answer["text"]) for answer in answers] == [(None, SCRIPT.text)] * len(ROWS)
    assert "6 exchanges from" in done.stderr
    engine = open_for_reading(ledger)
    with engine.connect() as connection:
        found = connection.execute(sa.select(exchanges).order_by(exchanges.c.started_at))
        check_rows([Measurement(**dict(row._mapping)) for row in found])
    engine.dispose()
