"""Which variables point an SDK at the proxy, and what an environment's own endpoints become."""

from __future__ import annotations

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
