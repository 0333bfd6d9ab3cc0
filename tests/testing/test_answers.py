"""Every shape is read by the SDK made for it, and says what the script says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from streamgauge.testing import Script, ScriptedUpstream
from tests.testing.clients import CHAT, CLAUDE, NOVA, QUESTION, aws, bedrock_anthropic, chat_openai, messages_anthropic

TEXT = "Zwei Meter höher — 水位 up."
SCRIPT = Script(
    text=TEXT,
    reasoning="Look at the gauge.",
    tool=("measure", '{"station": "Köln"}'),
    ttft=0.005,
    gap=0.0,
    input_tokens=31,
    output_tokens=17,
    cache_read_tokens=7,
    cache_write_tokens=5,
    reasoning_tokens=4,
    empty_delta=True,
    service_tier="priority",
    latency_mode="optimized",
)
INVOKE_BODY = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, "messages": CHAT})
CONVERSE_USAGE = {"inputTokens": 19, "outputTokens": 17, "totalTokens": 48, "cacheReadInputTokens": 7, "cacheWriteInputTokens": 5}


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(SCRIPT) as server:
        yield server


def test_converse_gives_boto3_text_reasoning_tool_call_and_counts(upstream: ScriptedUpstream) -> None:
    with aws(upstream.url) as client:
        reply = client.converse(modelId=CLAUDE, messages=QUESTION)
    reasoning, text, tool = reply["output"]["message"]["content"]
    assert reasoning["reasoningContent"]["reasoningText"]["text"] == "Look at the gauge."
    assert text == {"text": TEXT}
    assert tool["toolUse"]["input"] == {"station": "Köln"}
    assert reply["usage"] == CONVERSE_USAGE
    assert reply["serviceTier"] == {"type": "priority"}
    assert reply["performanceConfig"] == {"latency": "optimized"}


def test_converse_stream_gives_boto3_the_same_in_pieces(upstream: ScriptedUpstream) -> None:
    with aws(upstream.url) as client:
        events = list(client.converse_stream(modelId=CLAUDE, messages=QUESTION)["stream"])
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    assert "".join(delta.get("text", "") for delta in deltas) == TEXT
    assert "".join(delta.get("reasoningContent", {}).get("text", "") for delta in deltas) == "Look at the gauge."
    assert json.loads("".join(delta.get("toolUse", {}).get("input", "") for delta in deltas)) == {"station": "Köln"}
    assert [next(iter(event)) for event in (events[0], *events[-2:])] == ["messageStart", "messageStop", "metadata"]
    assert events[-1]["metadata"]["usage"] == CONVERSE_USAGE


def test_invoke_model_gives_bedrocks_own_counts_in_headers(upstream: ScriptedUpstream) -> None:
    with aws(upstream.url) as client:
        reply = client.invoke_model(modelId=CLAUDE, body=INVOKE_BODY)
        body = json.loads(reply["body"].read())
    headers = reply["ResponseMetadata"]["HTTPHeaders"]
    named = ("input", "output", "cache-read-input", "cache-write-input")
    assert [headers[f"x-amzn-bedrock-{name}-token-count"] for name in named] == ["19", "17", "7", "5"]
    assert body["usage"]["cache_read_input_tokens"] == 7
    assert reply["serviceTier"] == "priority"


@pytest.mark.parametrize("model", [CLAUDE, NOVA])
def test_invoke_stream_carries_the_familys_events_and_bedrocks_metrics(upstream: ScriptedUpstream, model: str) -> None:
    with aws(upstream.url) as client:
        reply = client.invoke_model_with_response_stream(modelId=model, body=INVOKE_BODY)
        chunks = [json.loads(event["chunk"]["bytes"]) for event in reply["body"]]
    deltas = [chunk.get("delta") or chunk.get("contentBlockDelta", {}).get("delta", {}) for chunk in chunks]
    metrics = chunks[-1]["amazon-bedrock-invocationMetrics"]
    assert "".join(delta.get("text", "") for delta in deltas) == TEXT
    assert (metrics["inputTokenCount"], metrics["outputTokenCount"], metrics["cacheReadInputTokenCount"]) == (19, 17, 7)
    assert reply["contentType"] == "application/json"


def test_a_nova_body_is_novas(upstream: ScriptedUpstream) -> None:
    with aws(upstream.url) as client:
        body = json.loads(client.invoke_model(modelId=NOVA, body="{}")["body"].read())
    assert body["output"]["message"]["content"] == [{"text": TEXT}]
    assert body["usage"]["inputTokens"] == 19


def test_anthropics_bedrock_client_reads_whole_and_streamed_answers(upstream: ScriptedUpstream) -> None:
    with bedrock_anthropic(upstream.url) as client:
        whole = client.messages.create(model=CLAUDE, max_tokens=50, messages=CHAT)
        with client.messages.stream(model=CLAUDE, max_tokens=50, messages=CHAT) as stream:
            streamed = stream.get_final_message()
    _is_the_message(whole)
    _is_the_message(streamed)


def test_anthropics_client_reads_the_messages_route(upstream: ScriptedUpstream) -> None:
    with messages_anthropic(upstream.url) as client:
        whole = client.messages.create(model="claude", max_tokens=50, messages=CHAT)
        with client.messages.stream(model="claude", max_tokens=50, messages=CHAT) as stream:
            streamed = stream.get_final_message()
    _is_the_message(whole)
    _is_the_message(streamed)


def _is_the_message(message: Any) -> None:
    thinking, text, tool = message.content
    assert (thinking.thinking, text.text, tool.input) == ("Look at the gauge.", TEXT, {"station": "Köln"})
    usage = message.usage
    counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens)
    assert counts == (19, 17, 7, 5)


def test_openais_client_reads_whole_answers_whose_input_contains_the_cached(upstream: ScriptedUpstream) -> None:
    with chat_openai(upstream.url) as client:
        reply: Any = client.chat.completions.create(model="m", messages=CHAT)
    assert reply.choices[0].message.content == TEXT
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (31, 17)
    assert reply.usage.prompt_tokens_details.cached_tokens == 7
    assert reply.usage.completion_tokens_details.reasoning_tokens == 4


@pytest.mark.parametrize("wanted", [True, False])
def test_a_chat_stream_says_counts_only_to_who_asked(upstream: ScriptedUpstream, wanted: bool) -> None:
    options: Any = {"stream_options": {"include_usage": True}} if wanted else {}
    with chat_openai(upstream.url) as client:
        chunks: list[Any] = list(client.chat.completions.create(model="m", messages=CHAT, stream=True, **options))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == TEXT
    stated = [chunk.usage for chunk in chunks if chunk.usage]
    assert [usage.prompt_tokens for usage in stated] == ([31] if wanted else [])
    assert (chunks[-1].choices == []) is wanted


@pytest.mark.parametrize("shift", [0, 1, 9, 10_000])
@pytest.mark.parametrize(
    ("body", "end"), [('{"inputs": "x"}', b'"inputs":null}}\n'), ('{"messages": [], "stream": true}', b"data: [DONE]\n\n")]
)
def test_a_sagemaker_stream_is_whole_however_its_parts_are_cut(body: str, end: bytes, shift: int) -> None:
    script = Script(text=TEXT, ttft=0.0, gap=0.0, part_shift=shift)
    with ScriptedUpstream(script) as upstream, aws(upstream.url, "sagemaker-runtime") as client:
        reply = client.invoke_endpoint_with_response_stream(EndpointName="ep", Body=body)
        parts = [event["PayloadPart"]["Bytes"] for event in reply["Body"]]
        [log] = upstream.wait(1)
    assert b"".join(parts).endswith(end)
    assert reply["InvokedProductionVariant"] == "AllTraffic"
    assert len(log.outputs) == len(script.words())
    if shift:
        assert not parts[0].endswith(end[-2:])


@pytest.mark.parametrize(("body", "key"), [('{"inputs": "x"}', "generated_text"), ('{"messages": []}', "choices")])
def test_an_endpoints_whole_body_is_its_containers(upstream: ScriptedUpstream, body: str, key: str) -> None:
    with aws(upstream.url, "sagemaker-runtime") as client:
        members = json.loads(client.invoke_endpoint(EndpointName="ep", Body=body)["Body"].read())
    assert key in members


def test_an_unknown_path_is_answered_as_bedrock_answers_it(upstream: ScriptedUpstream) -> None:
    with aws(upstream.url) as client, pytest.raises(client.exceptions.ClientError) as raised:
        client.count_tokens(modelId=CLAUDE, input={"invokeModel": {"body": b"{}"}})
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
