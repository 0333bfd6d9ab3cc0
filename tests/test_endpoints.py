"""Which variables point an SDK at the proxy, and what an environment's own endpoints become."""

from __future__ import annotations

import pytest

from streamgauge.endpoints import Redirection, egress, redirect, region, variants, without_proxy

BASE = "http://127.0.0.1:9"
BEDROCK, SAGEMAKER = "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"
VPCE = [f"https://vpce-{n}.bedrock-runtime.us-east-1.vpce.amazonaws.com" for n in (1, 2)]


def upstream_of(name: str, found: Redirection) -> str | None:
    """Where the calls of a variable's clients go in the end; ``None``: where its service is, as configured."""
    (way,) = (way for way in found.ways if name in way.variables)
    return way.upstream


def test_every_sdk_is_pointed_at_the_proxy() -> None:
    found = redirect({}, ())
    variables = found.pointed([BASE])
    assert variables[BEDROCK] == BASE
    assert variables["OPENAI_BASE_URL"] == f"{BASE}/openai/v1"
    assert variables["ANTHROPIC_BEDROCK_MANTLE_BASE_URL"] == f"{BASE}/anthropic"
    assert not any(name.lower().endswith("http_proxy") for name in variables)
    assert [way.upstream for way in found.ways] == [None]


def test_an_endpoint_of_the_environment_is_the_upstream_of_those_clients_only_that_read_it_and_keeps_its_path() -> None:
    found = redirect({"ANTHROPIC_BEDROCK_BASE_URL": "http://gateway:1/base/"}, ())
    assert upstream_of("ANTHROPIC_BEDROCK_BASE_URL", found) == "http://gateway:1/base"
    assert all(upstream_of(name, found) is None for name in (BEDROCK, SAGEMAKER, "AWS_BEDROCK_RUNTIME_ENDPOINT", "OPENAI_BASE_URL"))
    pointed = found.pointed([BASE, "http://127.0.0.2:8"])
    assert (pointed["ANTHROPIC_BEDROCK_BASE_URL"], pointed[BEDROCK]) == ("http://127.0.0.2:8", BASE)


def test_two_endpoints_for_one_service_are_two_ways_and_one_endpoint_is_one() -> None:
    environ = {BEDROCK: VPCE[0], "ANTHROPIC_BEDROCK_BASE_URL": VPCE[1]}
    found = redirect(environ, ())
    assert [upstream_of(name, found) for name in environ] == VPCE
    assert len(redirect(environ | {"ANTHROPIC_BEDROCK_BASE_URL": f"{VPCE[0]}/"}, ()).ways) == 2


def test_the_general_endpoint_of_aws_clients_is_that_of_boto3_s_services_and_of_nobody_else() -> None:
    found = redirect({"AWS_ENDPOINT_URL": "http://localhost:4566", SAGEMAKER: "http://own:1"}, ())
    assert upstream_of(BEDROCK, found) == "http://localhost:4566"
    assert upstream_of(SAGEMAKER, found) == "http://own:1"
    assert all(upstream_of(name, found) is None for name in ("ANTHROPIC_BEDROCK_BASE_URL", "AWS_BEDROCK_RUNTIME_ENDPOINT"))


def test_an_endpoint_of_a_settings_file_counts_where_no_variable_names_one() -> None:
    files = {"bedrock-runtime": "http://file:1"}
    assert upstream_of(BEDROCK, redirect({}, (), files)) == "http://file:1"
    assert upstream_of("ANTHROPIC_BEDROCK_BASE_URL", redirect({}, (), files)) is None
    assert upstream_of(BEDROCK, redirect({"AWS_ENDPOINT_URL": "http://variable:1"}, (), files)) == "http://variable:1"


def test_endpoints_that_boto3_is_told_to_ignore_are_nobodys_upstream() -> None:
    environ = {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true", BEDROCK: "http://ignored:1", "ANTHROPIC_BEDROCK_BASE_URL": "http://read:1"}
    found = redirect(environ, (), {"bedrock-runtime": "http://file:1"})
    assert (upstream_of(BEDROCK, found), upstream_of("ANTHROPIC_BEDROCK_BASE_URL", found)) == (None, "http://read:1")


def test_an_upstream_that_the_user_names_for_this_run_holds_for_all_clients_of_its_service() -> None:
    environ = {BEDROCK: VPCE[0], "ANTHROPIC_BEDROCK_BASE_URL": VPCE[1], SAGEMAKER: "http://sage:1"}
    found = redirect(environ, {"bedrock-runtime"})
    assert [upstream_of(name, found) for name in environ] == [None, None, "http://sage:1"]


@pytest.mark.parametrize("value", ["localhost:4566", "ftp://host", "http://[::1", "https://user:hidden-word@host"])
def test_a_variable_that_names_no_url_is_left_alone_and_not_repeated(value: str) -> None:
    for name in (BEDROCK, "OPENAI_BASE_URL", "ANTHROPIC_BEDROCK_MANTLE_BASE_URL"):
        found = redirect({name: value}, ())
        assert name not in found.pointed([BASE])
        (note,) = found.notes
        assert note.startswith(f"{name} is left alone")
        assert value not in note


def test_an_application_of_openai_itself_is_left_alone() -> None:
    for environ in ({"OPENAI_API_KEY": "sk-abc"}, {"OPENAI_BASE_URL": "https://api.openai.com/v1"}):
        found = redirect(environ, ())
        assert "OPENAI_BASE_URL" not in found.pointed([BASE])
        assert any("left alone" in note for note in found.notes)


@pytest.mark.parametrize(
    "url",
    ["https://api.groq.com/openai/v1", "http://localhost:11434/v1", "https://bedrock-runtime.us-east-1.amazonaws.com.evil.example/v1"],
)
def test_an_openai_client_of_somebody_else_is_left_alone(url: str) -> None:
    found = redirect({"OPENAI_BASE_URL": url, "AWS_REGION": "us-east-1"}, ())
    assert "OPENAI_BASE_URL" not in found.pointed([BASE])
    assert len(found.ways) == 1
    assert any("OPENAI_BASE_URL is left alone" in note for note in found.notes)


@pytest.mark.parametrize("host", ["https://bedrock-runtime.us-west-2.amazonaws.com", VPCE[0]])
def test_an_openai_client_of_bedrock_reaches_its_own_host_whatever_the_others_do(host: str) -> None:
    found = redirect({"OPENAI_BASE_URL": f"{host}/openai/v1", "AWS_REGION": "us-east-1", BEDROCK: VPCE[1]}, ())
    assert upstream_of("OPENAI_BASE_URL", found) == host
    assert upstream_of(BEDROCK, found) == VPCE[1]
    assert found.pointed([BASE, BASE, BASE])["OPENAI_BASE_URL"] == f"{BASE}/openai/v1"
    assert found.notes == ()


def test_what_would_keep_the_calls_away_is_told() -> None:
    ignoring = redirect({"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, ())
    assert ignoring.pointed([BASE])["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] == "false"


def test_with_a_bearer_key_botos_way_to_bedrock_and_no_other_is_the_one_over_tls() -> None:
    assert redirect({}, ()).secure is None
    found = redirect({"AWS_BEARER_TOKEN_BEDROCK": "k", BEDROCK: VPCE[0], "ANTHROPIC_BEDROCK_BASE_URL": VPCE[1]}, ())
    assert found.secure == 1
    pointed = found.pointed([BASE, BASE, BASE], "https://127.0.0.2:1")
    assert pointed[BEDROCK] == "https://127.0.0.2:1"
    assert {value for name, value in pointed.items() if name != BEDROCK} == {BASE, f"{BASE}/anthropic", f"{BASE}/openai/v1"}
    assert found.pointed([BASE, BASE, BASE])[BEDROCK] == BASE


def test_the_hosts_and_the_way_out_that_the_environment_asks_for_are_known() -> None:
    assert variants({}) == (False, False)
    assert variants({"AWS_USE_FIPS_ENDPOINT": "True", "AWS_USE_DUALSTACK_ENDPOINT": "false"}) == (True, False)


@pytest.mark.parametrize(
    ("environ", "used", "note"),
    [
        ({}, False, ""),
        ({"HTTP_PROXY": "http://p"}, False, ""),
        ({"https_proxy": "http://p"}, True, ""),
        ({"HTTPS_PROXY": "ann:secret@p:3128", "ALL_PROXY": "socks5h://127.0.0.1:1080"}, True, ""),
        ({"ALL_PROXY": "socks5h://ann:secret@p:1080"}, False, "ALL_PROXY is not used: calls leave for AWS directly"),
        ({"all_proxy": "http://p:1080"}, False, "all_proxy is not used: calls leave for AWS directly"),
        ({"HTTPS_PROXY": "socks5h://ann:secret@p:1080"}, False, "HTTPS_PROXY names no http or https proxy that can be used"),
        ({"https_proxy": "http://ann:secret@[p", "HTTPS_PROXY": "http://p"}, False, "https_proxy names no http or https proxy"),
    ],
)
def test_the_way_out_is_that_of_https_proxy_and_what_cannot_be_used_is_told(environ: dict[str, str], used: bool, note: str) -> None:
    found, notes = egress(environ)
    assert found is used
    assert [note in text for text in notes] == ([True] if note else [])
    assert "secret" not in "".join(notes)


def test_the_way_to_us_does_not_lead_through_a_corporate_proxy() -> None:
    assert without_proxy({}, ["127.0.0.1"]) == {}
    assert without_proxy({"HTTP_PROXY": "http://p", "NO_PROXY": "a"}, ["127.0.0.1", "127.0.0.2"])["no_proxy"] == "a,127.0.0.1,127.0.0.2"


def test_the_region_is_the_environments() -> None:
    assert (region({"AWS_REGION": "eu-west-1"}), region({"AWS_DEFAULT_REGION": "us-east-2"}), region({})) == (
        "eu-west-1",
        "us-east-2",
        None,
    )
