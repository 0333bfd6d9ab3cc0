"""Settings: every mistake at once with its key path, and nobody spends the proxy's role unasked."""

from __future__ import annotations

import operator
import typing
from pathlib import Path
from typing import Any

import pytest

from streamgauge.certificates import new_ca
from streamgauge.config import Config, keys, load, read
from streamgauge.errors import UsageError


def test_without_a_file_the_defaults_stand() -> None:
    assert load(None, {}) == Config()


def test_an_option_that_is_nothing_takes_back_what_the_file_and_the_environment_say(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("tls: {client_ca_file: /x/ca.pem}\n")
    environ = {"STREAMGAUGE_TLS__CLIENT_CA_FILE": "/y/ca.pem"}
    assert load(file, {}, environ).tls.client_ca_file == "/y/ca.pem"
    assert load(file, {"tls.client_ca_file": None}, environ).tls.client_ca_file is None
    with pytest.raises(UsageError, match="workers: None - must be a whole number"):
        load(None, {"workers": None})


def test_options_override_the_file_and_tables_are_merged(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("workers: 2\ntargets:\n  upstreams: {bedrock-runtime: 'http://a:1'}\n")
    config = load(file, {"workers": 3, "targets.upstreams": {"sagemaker-runtime": "http://b:2"}})
    assert config.workers == 3
    assert config.targets.upstreams == {"bedrock-runtime": "http://a:1", "sagemaker-runtime": "http://b:2"}


@pytest.mark.parametrize("text", ["listen: 127.0.0.1:8787", "listen: [127.0.0.1:8787]", "listen:\n- 127.0.0.1:8787\n", "# listen:"])
def test_one_address_needs_no_list(text: str, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(text)
    assert load(tmp_path / "s.yaml", {}).listen == ("127.0.0.1:8787",)


def test_a_table_whose_keys_are_all_commented_out_is_its_defaults(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("relay:\n  # signing: auto\ntargets:\n  upstreams:\n  regions:\n")
    assert load(tmp_path / "s.yaml", {}) == Config()


def test_a_wrong_type_hides_no_other_mistake(tmp_path: Path) -> None:
    found = mistakes(
        "workers: many\nadmin: nowhere\nrelay: {keepalive: -1, read_timeout: soon}\ntargets: {regions: [x, y], own_hosts: ['a b']}\n",
        tmp_path,
    )
    assert [line.partition(":")[0] for line in found] == [
        "workers",
        "admin",
        "relay.read_timeout",
        "relay.keepalive",
        "targets.regions",
        "targets.regions",
        "targets.own_hosts",
    ]


def test_a_mistake_says_where_its_value_came_from(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("# first\nadmin: x\nrelay:\n  keepalive: -1\n")
    with pytest.raises(UsageError) as caught:
        load(tmp_path / "s.yaml", {"log_level": "LOUD"}, {"STREAMGAUGE_WORKERS": "0"})
    lines = [line.strip() for line in str(caught.value).splitlines()[1:]]
    assert [line.rpartition("(")[2] for line in lines] == ["line 2)", "line 4)", "an option)", "$STREAMGAUGE_WORKERS)"]


def test_what_is_given_later_wins_and_its_origin_is_known(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "workers: 2\ndrain_seconds: 1\nrelay: {keepalive: 1}\ntargets: {upstreams: {bedrock-runtime: 'http://a'}}\n"
    )
    environ = {"STREAMGAUGE_DRAIN_SECONDS": "2", "STREAMGAUGE_WORKERS": "3"}
    loaded = read(tmp_path / "s.yaml", {"workers": 4, "targets.upstreams": {"sagemaker-runtime": "http://b"}}, environ)
    assert (loaded.config.workers, loaded.config.drain_seconds, loaded.config.relay.keepalive) == (4, 2, 1)
    keys = (
        "workers",
        "drain_seconds",
        "relay.keepalive",
        "admin",
        "targets.upstreams.bedrock-runtime",
        "targets.upstreams.sagemaker-runtime",
    )
    assert [str(loaded.origin(key)) for key in keys] == [
        "an option",
        "$STREAMGAUGE_DRAIN_SECONDS",
        "line 3",
        "default",
        "line 4",
        "an option",
    ]


def test_every_mistake_is_named_at_once_with_the_nearest_key(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("wokers: 2\nrelay: {signing: maybe, read_timeout: soon}\n")
    with pytest.raises(UsageError) as caught:
        load(file, {})
    text = str(caught.value)
    assert "wokers: unknown key; did you mean workers?" in text
    assert "relay.signing" in text
    assert "relay.read_timeout" in text
    assert str(file) in text


def test_a_file_that_is_no_settings_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("a: [")
    with pytest.raises(UsageError, match="is not YAML"):
        load(file, {})
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path / "none.yaml", {})


def test_signing_for_strangers_must_be_written_out() -> None:
    with pytest.raises(UsageError, match="allow_unauthenticated"):
        load(None, {"listen": ("0.0.0.0:8787",)})
    assert load(None, {"listen": ("0.0.0.0:8787",), "allow_unauthenticated": True}).allow_unauthenticated
    assert load(None, {"listen": ("0.0.0.0:8787",), "relay.signing": "passthrough"}).relay.signing == "passthrough"


def mistakes(text: str | bytes, tmp_path: Path) -> list[str]:
    """The lines of the error that a settings file gives."""
    file = tmp_path / "s.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError) as caught:
        load(file, {})
    assert caught.value.exit_code == 2
    return [line.strip() for line in str(caught.value).splitlines()[1:]] or [str(caught.value)]


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("# nothing yet\n")
    assert load(tmp_path / "s.yaml", {}) == Config()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a\n- b\n", "must hold keys and values"),
        ("just text", "must hold keys and values"),
        (b"workers: \xff\xfe\n", "is not YAML"),
        ("workers: 1\n\tx: 2\n", "line 2 is not YAML"),
        ("relay: !!python/object:os.system {}\n", "is not YAML"),
    ],
)
def test_what_cannot_be_settings_is_said_in_one_sentence(text: str | bytes, expected: str, tmp_path: Path) -> None:
    (line,) = mistakes(text, tmp_path)
    assert expected in line
    assert "s.yaml" in line


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("workers: 0", "workers: 0 - must be above zero"),
        ("workers: -2", "workers: -2 - must be above zero"),
        ("drain_seconds: -1", "drain_seconds: -1.0 - must not be negative"),
        ("relay: {read_timeout: .inf}", "relay.read_timeout: inf - must be a finite number"),
        ("relay: {connect_timeout: .nan}", "relay.connect_timeout: nan - must be a finite number"),
        ("ledger: postgresql://u:secret@h/db", "ledger: a postgresql address - must be the path of a file"),
        ("relay: {max_buffered_bytes: 1000}", "relay.max_buffered_bytes: 1000 - must not be below relay.max_request_bytes"),
        ("relay: {max_request_bytes: 0}", "relay.max_request_bytes: 0 - must be above zero"),
        ("relay: {fast_path: maybe}", "relay.fast_path: 'maybe'"),
        ("relay: 5", "relay: 5"),
        ("relay: {signing: sometimes}", "relay.signing: 'sometimes'"),
        ("listen: 8787", "listen: 8787 - must be a list, each of it text (line 1)"),
        ("listen:", "listen: names no address"),
        ("listen: []", "listen: names no address"),
        ("listen: [localhost]", "listen: 'localhost' - must be host:port"),
        ("listen: ['127.0.0.1:x']", "listen: '127.0.0.1:x' - must be host:port"),
        ("admin: 127.0.0.1:70000", "admin: '127.0.0.1:70000' - must be host:port"),
        ("log_level: LOUD", "log_level: 'LOUD' - must be DEBUG, INFO, WARNING, ERROR or CRITICAL (line 1)"),
        ("targets: {upstreams: {bedrock: 'http://a'}}", "targets.upstreams.bedrock: unknown service"),
        ("targets: {upstreams: {bedrock-runtime: 'a:1'}}", "targets.upstreams.bedrock-runtime"),
        ("targets: {regions: [nowhere]}", "targets.regions"),
        ("targets: {default_regoin: us-east-1}", "targets.default_regoin: unknown key; did you mean targets.default_region?"),
        ("targets: {1: 2}", "targets.1: unknown key; known keys here: upstreams"),
        ("targets: none", "targets: 'none' - must be keys and values, indented below it"),
    ],
)
def test_a_value_that_cannot_work_is_refused_before_listening(text: str, key: str, tmp_path: Path) -> None:
    (line,) = mistakes(text, tmp_path)
    assert line.startswith(key)


def test_several_kinds_of_mistakes_come_together(tmp_path: Path) -> None:
    found = mistakes("workers: 0\nlog_level: LOUD\nlisten: [here]\nwat: 1\ntargets: {regions: [x]}\n", tmp_path)
    assert [line.partition(":")[0] for line in found] == ["workers", "log_level", "listen", "wat", "targets.regions"]


def test_zero_is_allowed_where_it_means_something(tmp_path: Path) -> None:
    config = load(None, {"drain_seconds": 0, "relay.upstream_idle_connections": 0, "relay.dns_age": 0})
    assert (config.drain_seconds, config.relay.upstream_idle_connections, config.relay.dns_age) == (0, 0, 0)


def test_a_secret_is_not_shown_where_it_is_wrong(tmp_path: Path) -> None:
    (line,) = mistakes("admin_token: 123456789\n", tmp_path)
    assert line.startswith("admin_token: ")
    assert "123456789" not in line


def test_a_long_value_is_cut(tmp_path: Path) -> None:
    (line,) = mistakes(f"workers: {'x' * 10_000}\n", tmp_path)
    assert len(line) < 300


def test_an_option_cannot_reach_below_a_plain_value() -> None:
    with pytest.raises(UsageError, match="relay: 5"):
        load(None, {"relay": 5, "relay.signing": "auto"})


@pytest.mark.parametrize("address", ["127.0.0.1:0", "127.9.9.9:80", "localhost:8787", "[::1]:8787"])
def test_an_address_of_this_machine_alone_needs_no_permission(address: str) -> None:
    assert load(None, {"listen": (address,)}).listen == (address,)


@pytest.mark.parametrize("address", ["0.0.0.0:80", ":8787", "[::]:8787", "10.0.0.1:80", "proxy.example:80", "127.evil.example:80"])
def test_any_other_address_needs_it(address: str) -> None:
    with pytest.raises(UsageError, match="can be reached by others"):
        load(None, {"listen": ("127.0.0.1:0", address)})


def _another(hint: Any, default: Any, text: str) -> Any:
    """A value of the type that is not the default."""
    if keys.is_list(hint):
        return (text,)
    if keys.is_dict(hint):
        return {"a": text}
    words = [word for choice in keys.choices(hint) if typing.get_origin(choice) is typing.Literal for word in typing.get_args(choice)]
    examples = {bool: not default, int: 7, float: 7.5, str: text}
    return next(word for word in [*words, *(examples[kind] for kind in keys.choices(hint) if kind in examples)] if word != default)


def test_every_setting_of_the_relay_can_be_set(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(new_ca("a test", 2, ["localhost"]).cert)
    known = [key for key in keys.every_key() if key.name.startswith("relay.")]
    values = {key.name: _another(key.hint, key.default, str(tmp_path / "ca.pem")) for key in known} | {
        "relay.egress_proxy": "http://proxy:3128"
    }
    config = load(None, values)
    assert {name: operator.attrgetter(name)(config) for name in values} == values
