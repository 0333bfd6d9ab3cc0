from __future__ import annotations

import pytest

from streamgauge.testing import Script
from streamgauge.testing import shapes_families as families

GENERATING = [
    "us.meta.llama3-3-70b-instruct-v1:0",
    "amazon.titan-text-express-v1",
    "anthropic.claude-v2:1",
    "mistral.mistral-7b-instruct-v0:2",
    "cohere.command-text-v14",
    "cohere.command-r-v1:0",
    "us.deepseek.r1-v1:0",
    "us.writer.palmyra-x4-v1:0",
    "ai21.jamba-1-5-mini-v1:0",
    "openai.gpt-oss-20b-1:0",
    "qwen.qwen3-32b-v1:0",
    "arn:aws:bedrock:us-east-1:111122223333:imported-model/abcdef",
]


@pytest.mark.parametrize("model", GENERATING)
def test_a_stream_has_one_output_for_each_word_and_one_end_last(model: str) -> None:
    family = families.family_of(model)
    assert family is not None
    assert family.events is not None
    kinds = [event.kind for event in family.events(Script(output_tokens=6, empty_delta=True))]
    assert (kinds.count("output"), kinds.count("empty"), kinds[-1]) == (6, 1, "end")


@pytest.mark.parametrize("model", ["ai21.j2-ultra-v1", "amazon.titan-embed-text-v2:0", "cohere.embed-english-v3", "amazon.rerank-v1:0"])
def test_some_do_not_stream(model: str) -> None:
    family = families.family_of(model)
    assert family is not None
    assert family.events is None


@pytest.mark.parametrize("model", ["us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.amazon.nova-lite-v1:0", "unheard-of", None])
def test_claude_nova_and_strangers_are_no_family_of_this_kind(model: str | None) -> None:
    assert families.family_of(model) is None


@pytest.mark.parametrize("model", GENERATING)
def test_without_usage_no_body_has_a_count(model: str) -> None:
    family = families.family_of(model)
    assert family is not None
    said = repr(family.whole(Script(usage_reported=False)))
    assert not any(name in said for name in ("token_count", "TokenCount", "tokenCount", "usage"))
