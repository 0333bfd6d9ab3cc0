"""Which family a model is of, and what its line makes of a size."""

from __future__ import annotations

import pytest

from streamgauge.estimate.factors import Line, family, shipped_factors

FAMILIES = {
    "anthropic.claude-v2:1": "claude",
    "anthropic.claude-instant-v1": "claude",
    "anthropic.claude-3-5-sonnet-20241022-v2:0": "claude",
    "us.anthropic.claude-sonnet-4-20250514-v1:0": "claude",
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0": "claude",
    "claude-sonnet-4-6": "claude",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-1-20250805-v1:0": "claude",
    "claude-opus-4-7": "claude_4_7",
    "claude-opus-4-8": "claude_4_7",
    "anthropic.claude-sonnet-5": "claude_4_7",
    "global.anthropic.claude-opus-5-20260301-v1:0": "claude_4_7",
    "us.amazon.nova-micro-v1:0": "nova",
    "openai.gpt-oss-120b-1:0": "other",
    "us.meta.llama4-maverick-17b-instruct-v1:0": "other",
    "my-endpoint": "other",
    "": "other",
    None: "other",
}


@pytest.mark.parametrize("model", FAMILIES)
def test_a_models_family_is_told_from_its_name(model: str | None) -> None:
    assert family(model) == FAMILIES[model]


@pytest.mark.parametrize("model", FAMILIES)
def test_every_model_has_lines_that_grow_with_the_text(model: str | None) -> None:
    lines = shipped_factors().of(model)
    for line in (lines.tokenizer, lines.characters):
        assert 0 < line.tokens(10) < line.tokens(1000) < line.tokens(1_000_000)


def test_a_token_is_about_four_characters_whatever_the_family() -> None:
    for lines in shipped_factors().families.values():
        assert 2.5 < 1 / lines.characters.slope < 5.5
        assert 0.9 < lines.tokenizer.slope < 1.6


def test_no_text_is_no_tokens_and_a_little_text_is_at_least_one() -> None:
    assert Line(1.0, 3.0).tokens(0) == 0
    assert Line(0.01, 0.0).tokens(1) == 1
