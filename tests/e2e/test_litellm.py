"""LiteLLM as a client: the same results as directly, in both address forms and under ``streamgauge run``, and each call a row."""

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
from tests.e2e.product import Product

ROOT = Path(__file__).resolve().parents[2]
CALLS = [sys.executable, "-m", "tests.e2e.litellm_calls"]
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
SCRIPT = Script(text="Two metres more than yesterday.", ttft=0.01, gap=0.002, input_tokens=31, cache_read_tokens=7)
RUNTIME, SAGEMAKER = "http://bedrock-runtime.us-east-1.amazonaws.com", "http://runtime.sagemaker.us-east-1.amazonaws.com"
BEDROCK_ROWS = [
    ("bedrock-runtime", "Converse", CLAUDE, False),
    ("bedrock-runtime", "ConverseStream", CLAUDE, True),
    ("bedrock-runtime", "InvokeModel", CLAUDE, False),
    ("bedrock-runtime", "InvokeModelWithResponseStream", CLAUDE, True),
    ("bedrock-runtime", "ChatCompletions", "gpt-made-up", False),
    ("bedrock-runtime", "ChatCompletions", "gpt-made-up", True),
]
SAGEMAKER_ROWS = [
    ("sagemaker-runtime", "InvokeEndpoint", "llama", False),
    ("sagemaker-runtime", "InvokeEndpointWithResponseStream", "llama", True),
]


def upstream() -> ScriptedUpstream:
    return ScriptedUpstream(SCRIPT, gate=Verifier({KEY: SECRET}, bearer_keys=["bedrock-long-term-key"]))


def environ(**more: str) -> dict[str, str]:
    """LiteLLM's table of prices comes with it; without this it asks the network for a newer one."""
    return os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"} | more


def check_rows(rows: list[Measurement], expected: list[tuple[str, str, str, bool]]) -> None:
    assert [(row.service, row.operation, row.requested_model or row.endpoint_name, row.streaming) for row in rows] == expected
    for row in rows:
        assert (row.outcome, row.input_tokens, row.cache_read_tokens, row.output_tokens) == ("completed", 31, 7, 5)
        assert row.usage_source == "reported"
        assert (row.ttft is not None and row.ttft >= 0.01) is row.streaming


def test_litellm_sees_through_the_proxy_what_it_sees_without_it_in_both_address_forms(tmp_path: Path) -> None:
    def urls(base: str) -> list[str]:
        return [base, f"{base}/openai/v1", base]

    with upstream() as server, Product(tmp_path, server.url) as product:
        targets = [*urls(server.url), *urls(product.url), RUNTIME, f"{RUNTIME}/openai/v1", SAGEMAKER]
        proxied = environ(HTTP_PROXY=product.url, NO_PROXY="127.0.0.1")
        done = subprocess.run([*CALLS, *targets], env=proxied, cwd=ROOT, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stderr
        product.stop()
        rows = product.rows()
    direct, base_url, forward = json.loads(done.stdout)
    assert [answer["choices"][0]["message"]["content"] for answer in direct[::2]] == [SCRIPT.text] * 4
    assert base_url == direct
    assert forward == direct
    check_rows(rows, [*BEDROCK_ROWS, *SAGEMAKER_ROWS] * 2)
    assert [row.signing for row in rows] == [*["resigned"] * 4, *["passthrough"] * 2, *["resigned"] * 2, *["passthrough"] * 8]


def test_run_measures_a_litellm_application_that_knows_nothing_of_it(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    with upstream() as server:
        command = [sys.executable, "-m", "streamgauge", "run", "--ledger", str(ledger), "--upstream", f"bedrock-runtime={server.url}"]
        done = subprocess.run([*command, "--", *CALLS, "-", "-", "-"], env=environ(), cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    told: list[Any] = json.loads(done.stdout.splitlines()[0])
    assert [answer["choices"][0]["message"]["content"] for answer in told[0][::2]] == [SCRIPT.text] * 3
    assert "6 exchanges from" in done.stderr
    engine = open_for_reading(ledger)
    with engine.connect() as connection:
        found = connection.execute(sa.select(exchanges).order_by(exchanges.c.started_at))
        check_rows([Measurement(**dict(row._mapping)) for row in found], BEDROCK_ROWS)
    engine.dispose()
