from __future__ import annotations

import json

import pytest

from streamgauge.testing import shapes_errors as errors


@pytest.mark.parametrize(
    ("style", "status", "code"),
    [
        ("bedrock", 429, "ThrottlingException"),
        ("bedrock", 599, "InternalServerException"),
        ("sagemaker", 424, "ModelError"),
        ("sagemaker", 429, "ModelNotReadyException"),
    ],
)
def test_aws_names_the_error_in_a_header(style: errors.Style, status: int, code: str) -> None:
    headers, _ = errors.refusal(style, status, None, "text")
    assert dict(headers)["x-amzn-ErrorType"].split(":")[0] == code


def test_a_code_of_ones_own_wins() -> None:
    headers, _ = errors.refusal("bedrock", 400, "ServiceQuotaExceededException", "text")
    assert dict(headers)["x-amzn-ErrorType"].startswith("ServiceQuotaExceededException:http://")


def test_a_failing_container_comes_with_its_own_status_and_message() -> None:
    _, body = errors.refusal("sagemaker", 424, None, "out of memory")
    assert json.loads(body)["OriginalMessage"] == "out of memory"


@pytest.mark.parametrize(("status", "kind"), [(429, "rate_limit_error"), (529, "overloaded_error"), (500, "api_error")])
def test_anthropic_names_the_error_in_the_body(status: int, kind: str) -> None:
    _, body = errors.refusal("anthropic", status, None, "text")
    assert json.loads(body) == {"type": "error", "error": {"type": kind, "message": "text"}}


def test_openai_has_message_type_code_and_param() -> None:
    _, body = errors.refusal("openai", 429, "rate_limit_exceeded", "text")
    members = {"message": "text", "type": "rate_limit_exceeded", "code": "rate_limit_exceeded", "param": None}
    assert json.loads(body) == {"error": members}
