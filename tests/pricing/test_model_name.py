from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pricing.model_name import ModelName, read_name, without_variant

HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"


@pytest.mark.parametrize("prefix", ["us", "eu", "apac", "au", "jp", "in", "ca", "sa", "us-gov"])
def test_a_geographic_prefix_is_a_scope_and_no_part_of_the_model(prefix: str) -> None:
    assert read_name(f"{prefix}.{HAIKU}") == ModelName("model", HAIKU, "geo", prefix)


def test_the_global_prefix_is_a_scope_of_its_own() -> None:
    assert read_name(f"global.{HAIKU}") == ModelName("model", HAIKU, "global", "global")


def test_a_plain_id_does_not_decide_the_scope() -> None:
    assert read_name(f" {HAIKU} ") == ModelName("model", HAIKU)


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        (f"arn:aws:bedrock:us-east-1::foundation-model/{HAIKU}", ModelName("foundation-model", HAIKU, "regional", None, "us-east-1")),
        (
            f"arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:inference-profile/us-gov.{HAIKU}",
            ModelName("inference-profile", HAIKU, "geo", "us-gov", "us-gov-west-1"),
        ),
        (
            "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc",
            ModelName("application-inference-profile", region="eu-west-1"),
        ),
        ("arn:aws:bedrock:eu-west-1:123456789012:inference-profile/abc", ModelName("application-inference-profile", region="eu-west-1")),
        ("arn:aws:bedrock:us-east-1:123456789012:default-prompt-router/meta.llama:1", ModelName("prompt-router", region="us-east-1")),
        ("arn:aws:bedrock:us-east-1:123456789012:prompt-router/abc", ModelName("prompt-router", region="us-east-1")),
        ("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abc", ModelName("provisioned-model", region="us-east-1")),
        ("arn:aws:bedrock:us-east-1:123456789012:imported-model/abc", ModelName("imported-model", region="us-east-1")),
        ("arn:aws:bedrock:us-east-1:123456789012:custom-model/abc", ModelName("custom-model", region="us-east-1")),
        ("arn:aws:bedrock:us-east-1:123456789012:custom-model-deployment/abc", ModelName("custom-model-deployment", region="us-east-1")),
        ("arn:aws:sagemaker:us-east-1:123456789012:endpoint/mine", ModelName("marketplace-endpoint", region="us-east-1")),
        ("arn:aws:bedrock:us-east-1:123456789012:marketplace/model-endpoint/x", ModelName("marketplace-endpoint", region="us-east-1")),
        ("arn:aws:bedrock:us-east-1:123456789012:guardrail/abc", ModelName("unknown")),
        ("arn:aws:s3:::bucket/key", ModelName("unknown")),
        ("", ModelName("unknown")),
        ("x" * 5_000, ModelName("unknown")),
    ],
)
def test_an_arn_tells_what_it_names(arn: str, expected: ModelName) -> None:
    assert read_name(arn) == expected


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("amazon.nova-pro-v1:0:300k", "amazon.nova-pro-v1:0"),
        ("amazon.titan-embed-image-v1:0:mm", "amazon.titan-embed-image-v1:0"),
        ("anthropic.claude-v2:1:18k", "anthropic.claude-v2:1"),
        ("amazon.titan-embed-text-v2:0", "amazon.titan-embed-text-v2:0"),
    ],
)
def test_a_context_length_is_no_part_of_a_model_but_its_version_is(model: str, expected: str) -> None:
    assert without_variant(model) == expected


@given(st.text(max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    assert read_name(text).form
