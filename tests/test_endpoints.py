"""Which variables point an SDK at the proxy, and what an environment's own endpoints become."""

from __future__ import annotations

import pytest

from streamgauge.endpoints import redirect, region, without_proxy

BASE = "http://127.0.0.1:9"


def test_every_sdk_is_pointed_at_the_proxy() -> None:
    variables = redirect({}, BASE, {}).variables
    assert variables["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] == BASE
    assert variables["OPENAI_BASE_URL"] == f"{BASE}/openai/v1"
    assert not any(name.lower().endswith("http_proxy") for name in variables)


def test_an_endpoint_of_the_environment_becomes_the_upstream_and_keeps_its_path() -> None:
    found = redirect({"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://fake:1/base/"}, BASE, {})
    assert found.upstreams == {"bedrock-runtime": "http://fake:1/base"}
    assert redirect({"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://fake:1"}, BASE, {"bedrock-runtime": "x"}).upstreams == {}


def test_an_application_of_openai_itself_is_left_alone() -> None:
    for environ in ({"OPENAI_API_KEY": "sk-abc"}, {"OPENAI_BASE_URL": "https://api.openai.com/v1"}):
        found = redirect(environ, BASE, {})
        assert "OPENAI_BASE_URL" not in found.variables
        assert any("left alone" in note for note in found.notes)


@pytest.mark.parametrize(
    "url",
    ["https://api.groq.com/openai/v1", "http://localhost:11434/v1", "https://bedrock-runtime.us-east-1.amazonaws.com.evil.example/v1"],
)
def test_an_openai_client_of_somebody_else_is_left_alone_and_never_becomes_the_upstream_of_bedrock(url: str) -> None:
    found = redirect({"OPENAI_BASE_URL": url, "AWS_REGION": "us-east-1"}, BASE, {})
    assert "OPENAI_BASE_URL" not in found.variables
    assert found.upstreams == {}
    assert any("OPENAI_BASE_URL is left alone" in note for note in found.notes)


def test_an_openai_client_of_bedrock_is_redirected_where_its_calls_reach_the_same_host_and_defines_no_upstream() -> None:
    runtime = {"OPENAI_BASE_URL": "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1", "AWS_REGION": "us-east-1"}
    found = redirect(runtime, BASE, {})
    assert (found.variables["OPENAI_BASE_URL"], found.upstreams) == (f"{BASE}/openai/v1", {})
    assert "OPENAI_BASE_URL" in redirect(runtime | {"AWS_REGION": ""}, BASE, {}, "us-east-1").variables


def test_an_openai_client_of_another_bedrock_host_than_ours_is_left_alone_with_the_fix() -> None:
    private = "https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com"
    environ = {"OPENAI_BASE_URL": f"{private}/openai/v1", "AWS_REGION": "us-east-1"}
    found = redirect(environ, BASE, {})
    assert "OPENAI_BASE_URL" not in found.variables
    assert any("--upstream" in note for note in found.notes)
    assert redirect(environ, BASE, {"bedrock-runtime": private}).variables["OPENAI_BASE_URL"] == f"{BASE}/openai/v1"


def test_of_two_endpoints_for_one_service_the_second_is_not_redirected_and_that_is_said() -> None:
    first, second = (f"https://vpce-{n}.bedrock-runtime.us-east-1.vpce.amazonaws.com" for n in (1, 2))
    environ = {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": first, "ANTHROPIC_BEDROCK_BASE_URL": second}
    found = redirect(environ, BASE, {})
    assert found.upstreams == {"bedrock-runtime": first}
    assert "ANTHROPIC_BEDROCK_BASE_URL" not in found.variables
    assert any("ANTHROPIC_BEDROCK_BASE_URL is left alone" in note for note in found.notes)
    same = redirect(environ | {"ANTHROPIC_BEDROCK_BASE_URL": f"{first}/"}, BASE, {})
    assert "ANTHROPIC_BEDROCK_BASE_URL" in same.variables
    assert "ANTHROPIC_BEDROCK_BASE_URL" in redirect(environ, BASE, {"bedrock-runtime": "http://x"}).variables


def test_what_would_keep_the_calls_away_is_told() -> None:
    assert any("bearer" in note for note in redirect({"AWS_BEARER_TOKEN_BEDROCK": "k"}, BASE, {}).notes)
    assert redirect({"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, BASE, {}).variables["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] == "false"


def test_the_way_to_us_does_not_lead_through_a_corporate_proxy() -> None:
    assert without_proxy({}, "127.0.0.1") == {}
    assert without_proxy({"HTTP_PROXY": "http://p", "NO_PROXY": "a"}, "127.0.0.1")["no_proxy"] == "a,127.0.0.1"


def test_the_region_is_the_environments() -> None:
    assert (region({"AWS_REGION": "eu-west-1"}), region({"AWS_DEFAULT_REGION": "us-east-2"}), region({})) == (
        "eu-west-1",
        "us-east-2",
        None,
    )
