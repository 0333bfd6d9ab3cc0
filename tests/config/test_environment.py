"""Environment variables set keys by the rules of the file; one that means nothing is named."""

from __future__ import annotations

from typing import Any

import pytest

from streamgauge.config import load
from streamgauge.config.environment import OTHER_VARIABLES, VARIABLES, variable
from streamgauge.config.keys import every_key
from streamgauge.errors import UsageError


def value(key: str, text: str) -> Any:
    found: Any = load(None, {}, {variable(key): text})
    for part in key.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("workers", "3", 3),
        ("relay.read_timeout", "60", 60.0),
        ("relay.read_timeout", "0.5", 0.5),
        ("relay.fast_path", "false", False),
        ("relay.signing", "resign", "resign"),
        ("relay.site", "123", "123"),
        ("relay.site", "null", None),
        ("admin_token", "a: [b", "a: [b"),
        ("listen", "127.0.0.1:1,[::1]:2", ("127.0.0.1:1", "[::1]:2")),
        ("targets.regions", "us-east-1, us-west-2", ("us-east-1", "us-west-2")),
        (
            "targets.upstreams",
            "bedrock-runtime=http://a:1,sagemaker-runtime=http://b",
            {"bedrock-runtime": "http://a:1", "sagemaker-runtime": "http://b"},
        ),
        ("targets.upstreams", "{bedrock-runtime: 'http://a:1'}", {"bedrock-runtime": "http://a:1"}),
        ("workers", "", 1),
    ],
)
def test_a_variable_sets_its_key(key: str, text: str, expected: Any) -> None:
    assert value(key, text) == expected


def test_rules_are_written_as_in_the_file() -> None:
    rules = value("workload.rules", "[{workload_class: batch, app: 'x-*'}]")
    assert [(rule.workload_class, rule.app) for rule in rules] == [("batch", "x-*")]


def test_every_key_but_the_ledger_has_a_variable() -> None:
    assert {key.name for key in every_key()} - {key.name for key in VARIABLES.values()} == {"ledger"}


def test_the_variable_of_the_ledger_keeps_its_own_meaning() -> None:
    assert load(None, {}, {"STREAMGAUGE_LEDGER": "/l.db", "STREAMGAUGE_TRACEBACK": "1"}).ledger is None
    assert set(OTHER_VARIABLES) >= {"STREAMGAUGE_LEDGER", "STREAMGAUGE_TRACEBACK"}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "STREAMGAUGE_RELAY_READ_TIMEOUT",
            "1",
            "$STREAMGAUGE_RELAY_READ_TIMEOUT: unknown variable; did you mean $STREAMGAUGE_RELAY__READ_TIMEOUT?",
        ),
        ("STREAMGAUGE_WORKER", "1", "did you mean $STREAMGAUGE_WORKERS?"),
        ("STREAMGAUGE_RELAY", "{}", "relay is a table, set its keys, such as STREAMGAUGE_RELAY__SIGNING"),
        ("STREAMGAUGE_ZZZ", "1", "unknown variable; `streamgauge check-config --show --all` lists them"),
        ("STREAMGAUGE_WORKERS", "many", "workers: 'many' - must be a whole number or auto ($STREAMGAUGE_WORKERS)"),
        ("STREAMGAUGE_RELAY__FAST_PATH", "1", "relay.fast_path: 1 - must be true or false"),
        ("STREAMGAUGE_TARGETS__UPSTREAMS", "bedrock-runtime", "targets.upstreams.bedrock-runtime: '' is not a URL of the form http"),
        ("STREAMGAUGE_PORT_X", "1", "unknown variable"),
        ("STREAMGAUGE_WORKLOAD__RULES", "[", "workload.rules: '[' - must be a list"),
    ],
)
def test_what_a_variable_cannot_mean_is_named(name: str, text: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(None, {}, {name: text})
    assert expected in str(caught.value)


def test_a_kubernetes_service_of_our_name_is_no_mistake() -> None:
    service = {
        "STREAMGAUGE_SERVICE_HOST": "10.0.0.1",
        "STREAMGAUGE_SERVICE_PORT": "8787",
        "STREAMGAUGE_SERVICE_PORT_HTTP": "8787",
        "STREAMGAUGE_PORT": "tcp://10.0.0.1:8787",
        "STREAMGAUGE_PORT_8787_TCP": "tcp://10.0.0.1:8787",
        "STREAMGAUGE_PORT_8787_TCP_ADDR": "10.0.0.1",
        "STREAMGAUGE_ADMIN_SERVICE_HOST": "10.0.0.2",
        "STREAMGAUGE_ADMIN_PORT_8788_TCP_PROTO": "tcp",
    }
    assert load(None, {}, service) == load(None, {})


def test_the_value_of_a_secret_variable_is_in_no_error() -> None:
    with pytest.raises(UsageError) as caught:
        load(None, {}, {"STREAMGAUGE_ADMIN_TOKEN": "hunter2", "STREAMGAUGE_ADMIN_TOKN": "hunter3", "STREAMGAUGE_WORKERS": "0"})
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize("value", ["https://user:hunter2@gw.corp", "https://user:hun=ter2@gw.corp", "https://user:hun,ter2@gw.corp"])
@pytest.mark.parametrize("key", ["TARGETS__UPSTREAMS", "TARGETS__EXTRA_HOSTS", "TARGETS__BY_LISTENER"])
def test_a_url_in_the_wrong_form_is_refused_without_its_password(key: str, value: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(None, {}, {f"STREAMGAUGE_{key}": value})
    assert not [part for part in ("hunter2", "hun", "=ter2", ",ter2") if part in str(caught.value)], str(caught.value)
