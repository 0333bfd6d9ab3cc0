"""Calls whose provider states no counts, by real SDKs through the real product: their rows are estimates, and say so."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import openai
import pytest
from botocore.config import Config

from streamgauge.records import Measurement
from streamgauge.testing import Script, ScriptedUpstream
from tests.e2e.product import Product, wait_for

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
PAIRS = Path(__file__).parents[1] / "data" / "token_pairs" / "pairs.jsonl"
PAIR: dict[str, Any] = next(
    pair
    for pair in map(json.loads, PAIRS.read_text(encoding="utf-8").splitlines())
    if "sonnet-4-5" in pair["model"] and len(pair["text"]) > 1500
)
"""A real answer and the real count of its tokens."""

CANARY = "heron-lamplight-20461"
QUESTION = f"How high is the river at {CANARY}, and how high was it yesterday? " * 10


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(Script(text=PAIR["text"], ttft=0.005, gap=0.0, model=MODEL)) as server:
        yield server


@pytest.fixture(scope="module")
def product(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with Product(tmp_path_factory.mktemp("estimates"), upstream.url, relay__signing="passthrough") as running:
        yield running


def counters(product: Product) -> list[int]:
    """The counting processes: children of the workers."""
    found: list[int] = []
    for name, pid in product.supervisor.pids().items():
        if name.startswith("worker"):
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError):  # a thread may end meanwhile
                    found += map(int, (task / "children").read_text().split())
    return found


@contextlib.contextmanager
def chat(product: Product) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{product.url}/openai/v1", api_key="k", max_retries=0, timeout=60) as client:
        yield client


def ask(client: openai.OpenAI, **options: Any) -> str:
    chunks = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": QUESTION}], stream=True, **options)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def boto(service: str, product: Product) -> Any:
    return boto3.client(service, endpoint_url=product.url, region_name="us-east-1", config=Config(retries={"total_max_attempts": 1}))


def new_row(product: Product, before: int) -> Measurement:
    (row,) = product.wait_rows(before + 1, timeout=60)[before:]
    return row


def test_no_process_is_started_while_everything_is_reported(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with Product(tmp_path, upstream.url) as product, chat(product) as client:
        ask(client, stream_options={"include_usage": True})
        boto("bedrock-runtime", product).converse(modelId=MODEL, messages=[{"role": "user", "content": [{"text": "Hi"}]}])
        rows = product.wait_rows(2)
        assert {(row.usage_source, row.input_estimate, row.output_estimate) for row in rows} == {("reported", None, None)}
        assert counters(product) == []


def test_a_chat_stream_that_was_not_asked_for_its_usage_is_counted_from_its_text(product: Product) -> None:
    before = len(product.rows())
    with chat(product) as client:
        assert ask(client) == PAIR["text"]
    row = new_row(product, before)
    assert (row.outcome, row.usage_source, row.input_estimate, row.output_estimate) == ("completed", "estimated", "tokenizer", "tokenizer")
    assert row.output_tokens == pytest.approx(PAIR["provider_output_tokens"], rel=0.15)
    assert row.input_tokens == pytest.approx(len(QUESTION) / 3.2, rel=0.35)
    assert row.tpot is None  # a figure of the provider's speed is not made of an estimate
    assert len(counters(product)) == 1


def test_a_containers_stream_is_counted_from_its_text(product: Product, upstream: ScriptedUpstream) -> None:
    before = len(product.rows())
    body = json.dumps({"messages": [{"role": "user", "content": QUESTION}], "stream": True})
    with contextlib.closing(boto("sagemaker-runtime", product)) as client:
        reply = client.invoke_endpoint_with_response_stream(EndpointName="llama", Body=body, ContentType="application/json")
        assert sum(len(part["PayloadPart"]["Bytes"]) for part in reply["Body"]) > len(PAIR["text"])
    row = new_row(product, before)
    assert (row.usage_source, row.input_estimate, row.output_estimate) == ("estimated", "tokenizer", "tokenizer")
    assert row.output_tokens == pytest.approx(PAIR["provider_output_tokens"], rel=0.2)


def test_a_cancelled_stream_has_the_input_it_was_given_and_the_output_that_came(tmp_path: Path) -> None:
    words = [f"word{number} " for number in range(40)]
    script = Script(pieces=(*words, "never"), ttft=0.005, gaps=(*(0.0 for _ in words[1:]), 60.0))
    with ScriptedUpstream(script) as upstream, Product(tmp_path, upstream.url) as product:
        with contextlib.closing(boto("bedrock-runtime", product)) as client:
            reply = client.converse_stream(modelId=MODEL, messages=[{"role": "user", "content": [{"text": QUESTION}]}])
            texts: list[str] = []
            for event in reply["stream"]:
                texts += [event["contentBlockDelta"]["delta"]["text"]] if "contentBlockDelta" in event else []
                if len(texts) == len(words):
                    break
            reply["stream"].close()
        row = new_row(product, 0)
    assert row.outcome == "client_cancelled"
    assert (row.usage_source, row.input_estimate, row.output_estimate) == ("estimated", "tokenizer", "characters")
    assert row.input_tokens == pytest.approx(len(QUESTION) / 3.2, rel=0.35)
    assert row.output_tokens == pytest.approx(len("".join(words)) / 4.2 + 6, rel=0.1)


def test_counts_that_were_stated_before_a_stream_broke_off_stay_as_stated(tmp_path: Path) -> None:
    with (
        ScriptedUpstream(Script(text=PAIR["text"], gap=0.0, input_tokens=4321, fault="cut_reset")) as upstream,
        Product(tmp_path, upstream.url) as product,
    ):
        body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [{"role": "user", "content": QUESTION}]})
        with contextlib.suppress(Exception), contextlib.closing(boto("bedrock-runtime", product)) as client:
            list(client.invoke_model_with_response_stream(modelId=MODEL, body=body)["body"])
        row = new_row(product, 0)
    assert row.outcome == "stream_error"
    assert (row.input_tokens, row.input_estimate) == (4321, None)
    assert (row.usage_source, row.output_estimate) == ("estimated", "characters")


def test_switched_off_counts_stay_unknown_and_nothing_is_started(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with Product(tmp_path, upstream.url, relay__estimates__enabled=False) as product, chat(product) as client:
        ask(client)
        row = new_row(product, 0)
        assert (row.input_tokens, row.output_tokens, row.usage_source) == (None, None, "unknown")
        assert counters(product) == []


def test_a_counting_process_that_is_killed_again_and_again_costs_accuracy_and_no_row(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    calls, failed = 120, threading.Event()

    def call(product: Product, share: int) -> None:
        try:
            with chat(product) as client:
                for _ in range(share):
                    assert ask(client) == PAIR["text"]
        except BaseException:
            failed.set()
            raise

    with Product(tmp_path, upstream.url) as product:
        callers = [threading.Thread(target=call, args=(product, calls // 4)) for _ in range(4)]
        for caller in callers:
            caller.start()
        killed = 0
        while any(caller.is_alive() for caller in callers):
            for pid in counters(product):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
            callers[0].join(0.05)
        for caller in callers:
            caller.join()
        assert not failed.is_set()
        assert killed > 0
        rows = product.wait_rows(calls, timeout=60)
    assert len(rows) == calls
    assert {row.outcome for row in rows} == {"completed"}
    assert {row.usage_source for row in rows} == {"estimated"}
    assert {row.output_estimate for row in rows} <= {"tokenizer", "characters_late"}
    assert "characters_late" in {row.output_estimate for row in rows}
    for row in rows:
        assert row.output_tokens == pytest.approx(PAIR["provider_output_tokens"], rel=0.2)


def test_rows_that_wait_for_their_estimate_are_written_when_the_proxy_ends(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with Product(tmp_path, upstream.url) as product:
        with chat(product) as client:
            ask(client)  # the counting process has hardly begun to start
        product.stop()
        assert [row.usage_source for row in product.rows()] == ["estimated"]


def test_no_text_is_left_in_any_file_and_no_process_outlives_the_proxy(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with Product(tmp_path, upstream.url) as product:
        with chat(product) as client:
            ask(client)
        new_row(product, 0)
        left = counters(product)
        assert len(left) == 1
        product.stop()
    wait_for(lambda: True if not Path(f"/proc/{left[0]}").exists() else None, "the end of the counting process")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        assert CANARY.encode() not in content
        assert PAIR["text"][:40].encode() not in content
