"""Connections of real SDKs are ended for their age again and again: every call succeeds, and each is one row."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import boto3
import openai
import pytest

from streamgauge.testing import Script, ScriptedUpstream
from tests.e2e.conftest import KEY, SECRET
from tests.e2e.product import Product

MESSAGES: Any = [{"role": "user", "content": [{"text": "How high is the river?"}]}]
CHAT: Any = [{"role": "user", "content": "How high is the river?"}]

AGE = 0.2
"""Seconds; each connection is ended after a few calls."""

LONGEST_PAUSE = 0.15
"""Between two calls: connections are at rest at times, and often just about to be used."""


def _boto3(url: str) -> Callable[[], object]:
    client = boto3.client("bedrock-runtime", endpoint_url=url, region_name="us-east-1")
    return lambda: list(client.converse_stream(modelId="m", messages=MESSAGES)["stream"])


def _openai(url: str) -> Callable[[], object]:
    client = openai.OpenAI(base_url=f"{url}/openai/v1", api_key="k")
    return lambda: client.chat.completions.create(model="m", messages=CHAT)


def _anthropic(url: str) -> Callable[[], object]:
    client = anthropic.Anthropic(base_url=f"{url}/anthropic", api_key="k")
    return lambda: client.messages.create(model="m", max_tokens=5, messages=CHAT)


class Calling(threading.Thread):
    """Calls and pauses in turn until a moment; an exception of the SDK is kept."""

    def __init__(self, call: Callable[[], object], until: float, seed: int) -> None:
        super().__init__()
        self.calls = 0
        self._call, self._until, self._chance = call, until, random.Random(seed)
        self.error: Exception | None = None

    def run(self) -> None:
        pause = threading.Event()
        try:
            while time.monotonic() < self._until:
                self._call()
                self.calls += 1
                pause.wait(self._chance.uniform(0, LONGEST_PAUSE))
        except Exception as error:
            self.error = error


@pytest.mark.parametrize("seconds", [3.0, pytest.param(120.0, marks=[pytest.mark.long, pytest.mark.timeout(300)])])
def test_no_call_of_an_sdk_fails_because_a_connection_was_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    script = Script(output_tokens=3, ttft=0.001, gap=0.0005)
    with (
        ScriptedUpstream(script) as upstream,
        Product(tmp_path, upstream.url, relay__signing="passthrough", relay__connection_age=AGE) as product,
    ):
        until = time.monotonic() + seconds
        made = [Calling(client(product.url), until, seed) for seed, client in enumerate([_boto3, _openai, _anthropic] * 2)]
        for thread in made:
            thread.start()
        for thread in made:
            thread.join()
        product.stop()
        rows = product.rows()
        received = len(upstream.received)
    assert [thread.error for thread in made] == [None] * len(made)
    assert {row.outcome for row in rows} == {"completed"}
    assert len(rows) == received == sum(thread.calls for thread in made)
