from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.dialects import read_request
from streamgauge.dialects.meaning.request import MAX_METADATA, MAX_REQUEST
from streamgauge.records import Operation, RequestFacts
from tests.dialects import shapes

NAMED = Operation("bedrock-runtime", "ConverseStream", "converse_stream", streaming=True, model="made.up-v1:0")


def facts_of(operation: Operation, body: Any, headers: dict[str, str] | None = None) -> RequestFacts:
    return read_request(operation, shapes.dumps(body), headers or {})


def test_converse() -> None:
    body = {
        "messages": [{"role": "user", "content": [{"text": "made up"}]}],
        "inferenceConfig": {"maxTokens": 512, "temperature": 0.5, "topP": 0.9},
        "toolConfig": {"tools": [{"toolSpec": {"name": "a"}}, {"toolSpec": {"name": "b"}}]},
        "guardrailConfig": {"guardrailIdentifier": "g1", "guardrailVersion": "1"},
        "serviceTier": {"type": "flex"},
        "performanceConfig": {"latency": "optimized"},
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    }
    expected = RequestFacts("made.up-v1:0", True, 512, 0.5, 1024, 2, "g1", "flex", "optimized")
    assert facts_of(NAMED, body) == expected


def test_anthropic_messages_name_model_and_streaming_in_the_body() -> None:
    body = {
        "model": "claude-made-up",
        "stream": True,
        "max_tokens": 512,
        "temperature": 1,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "tools": [{"name": "a"}],
        "service_tier": "auto",
    }
    assert facts_of(shapes.ANTHROPIC, body) == RequestFacts("claude-made-up", True, 512, 1.0, 1024, 1, service_tier="auto")


@pytest.mark.parametrize("name", ["max_completion_tokens", "max_output_tokens", "max_tokens"])
def test_openai_limits_its_tokens_under_three_names(name: str) -> None:
    body = {"model": "gpt-made-up", "messages": [], name: 512}
    assert facts_of(shapes.OPENAI_CHAT, body) == RequestFacts("gpt-made-up", False, 512)


@pytest.mark.parametrize(
    "body",
    [
        {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 512, "temperature": 0.5},
        {"prompt": "made up", "max_tokens_to_sample": 512, "temperature": 0.5},
        {"prompt": "made up", "max_gen_len": 512, "temperature": 0.5},
        {"prompt": "made up", "maxTokens": 512, "temperature": 0.5},
        {"inputText": "made up", "textGenerationConfig": {"maxTokenCount": 512, "temperature": 0.5}},
        {"schemaVersion": "messages-v1", "inferenceConfig": {"max_new_tokens": 512, "temperature": 0.5}},
        {"inputs": "made up", "parameters": {"max_new_tokens": 512, "temperature": 0.5}},
    ],
)
def test_each_family_says_it_in_its_own_words(body: dict[str, Any]) -> None:
    assert facts_of(shapes.INVOKE, body) == RequestFacts(streaming=False, max_tokens=512, temperature=0.5)


def test_request_metadata_is_kept_as_it_stands_within_bounds() -> None:
    assert read_request(NAMED, b'{"requestMetadata": {"tenant":"a"} ,"messages":[]}', {}).metadata == b'{"tenant":"a"}'
    assert facts_of(NAMED, {"messages": []}).metadata is None
    assert facts_of(NAMED, {"requestMetadata": {"a": "x" * MAX_METADATA}, "inferenceConfig": {"maxTokens": 1}}).metadata is None
    assert facts_of(NAMED, {"requestMetadata": ["odd"], "inferenceConfig": {"maxTokens": 1}}).max_tokens == 1


def test_the_head_goes_before_the_body() -> None:
    headers = {
        "x-amzn-bedrock-guardrailidentifier": "g1",
        "x-amzn-bedrock-service-tier": "priority",
        "x-amzn-bedrock-performanceconfig-latency": "optimized",
    }
    body = {"service_tier": "auto", "guardrailConfig": {"guardrailIdentifier": "g2"}, "performanceConfig": {"latency": "standard"}}
    facts = facts_of(shapes.INVOKE, body, headers)
    assert (facts.guardrail, facts.service_tier, facts.latency_mode) == ("g1", "priority", "optimized")


def test_the_path_goes_before_the_body() -> None:
    assert facts_of(NAMED, {"model": "other", "stream": False}) == RequestFacts("made.up-v1:0", True)


def test_reasoning_is_budgeted_under_two_names() -> None:
    for name in ("thinking", "reasoning_config"):
        assert facts_of(NAMED, {"additionalModelRequestFields": {name: {"budget_tokens": 1024}}}).reasoning_budget == 1024
    assert facts_of(NAMED, {"additionalModelRequestFields": {"top_k": 5}}).reasoning_budget is None


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b'{"model":"\xff"}', b'{"max_tokens":"many"}', b'{"x":' + b"[" * 50_000, b" " * MAX_REQUEST + b"{}"]
)
def test_a_body_that_cannot_be_read_leaves_path_and_head(body: bytes) -> None:
    tier = {"x-amzn-bedrock-service-tier": "flex"}
    assert read_request(NAMED, body, tier) == RequestFacts("made.up-v1:0", True, service_tier="flex")
    assert read_request(shapes.OPENAI_CHAT, body, {}) == RequestFacts()


def test_a_compressed_body_is_not_read() -> None:
    assert facts_of(shapes.OPENAI_CHAT, {"model": "m"}, {"content-encoding": "gzip"}) == RequestFacts()


@pytest.mark.parametrize("body", [{"max_tokens": -1}, {"max_tokens": 2**60}, {"model": "m" * 5000}])
def test_what_no_provider_would_take_is_not_kept(body: dict[str, Any]) -> None:
    assert facts_of(shapes.OPENAI_CHAT, body) == RequestFacts(streaming=False)


@given(st.binary(max_size=200), st.dictionaries(st.text(max_size=5), st.text(max_size=5)))
def test_no_request_raises(body: bytes, headers: dict[str, str]) -> None:
    read_request(shapes.OPENAI_CHAT, body, headers)


@pytest.mark.parametrize("text", ["how high is the river?", "a\nb", "x" * 3_000])
def test_free_text_where_a_name_belongs_is_not_kept(text: str) -> None:
    body = {"service_tier": text, "performanceConfig": {"latency": text}, "guardrailConfig": {"guardrailIdentifier": text}}
    facts = facts_of(shapes.CONVERSE, body)
    assert (facts.guardrail, facts.service_tier, facts.latency_mode) == (None, "_OTHER", "_OTHER")


def test_a_model_s_name_is_one_line() -> None:
    assert facts_of(shapes.OPENAI_CHAT, {"model": "made\nup"}).model is None
    assert facts_of(shapes.OPENAI_CHAT, {"model": "made-up/Name 3"}).model == "made-up/Name 3"


def test_an_asynchronous_invocation_and_a_reranking_name_their_model_in_the_body() -> None:
    started = Operation("bedrock-runtime", "StartAsyncInvoke", "opaque", streaming=False)
    assert facts_of(started, {"modelId": "made-up", "modelInput": {}}).model == "made-up"
    reranked = Operation("bedrock-agent-runtime", "Rerank", "opaque", streaming=False)
    configuration = {"modelConfiguration": {"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/made-up"}}
    body = {"rerankingConfiguration": {"type": "BEDROCK_RERANKING_MODEL", "bedrockRerankingConfiguration": configuration}}
    assert facts_of(reranked, body).model == "arn:aws:bedrock:us-east-1::foundation-model/made-up"
    assert facts_of(reranked, {"rerankingConfiguration": {}}).model is None


def test_whether_a_stream_shall_state_its_usage_is_asked_in_openais_words() -> None:
    for options, asked in (({"include_usage": True}, True), ({"include_usage": False}, False), ({}, False), (None, False)):
        assert facts_of(NAMED, {"stream": True, "stream_options": options}).stream_usage is asked
    assert not facts_of(NAMED, {"stream": True}).stream_usage
