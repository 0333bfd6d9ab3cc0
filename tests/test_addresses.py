"""Hosts and ports as text, and whether two of them are one machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.addresses import (
    Listeners,
    Upstream,
    bracketed,
    check_no_loop,
    own_proxy_variables,
    parse_upstream,
    same_machine,
    split_authority,
    without_user,
)
from streamgauge.errors import TargetNotAllowed, UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host", ("host", None)),
        ("Host.Example.:80", ("host.example", 80)),
        ("[::1]:8787", ("::1", 8787)),
        ("[FE80::1]", ("fe80::1", None)),
        ("host:", ("host", None)),
        ("", ("", None)),
    ],
)
def test_an_authority_is_split_into_a_comparable_host_and_a_port(text: str, expected: tuple[str, int | None]) -> None:
    assert split_authority(text) == expected


@pytest.mark.parametrize(
    "text", ["user@host", "host:0", "host:65536", "host:99999", "a b", "host:80:80", "::1", "host/path", "host\\evil", "a#b"]
)
def test_what_could_disguise_the_true_host_is_no_authority(text: str) -> None:
    with pytest.raises(TargetNotAllowed):
        split_authority(text)


@given(st.text(max_size=60))
def test_an_authority_is_read_or_refused_and_nothing_else(text: str) -> None:
    try:
        host, port = split_authority(text)
    except TargetNotAllowed:
        return
    assert "@" not in host
    assert port is None or 0 < port < 65_536


def test_a_host_is_bracketed_only_where_it_holds_colons() -> None:
    assert [bracketed("::1", None), bracketed("::1", 80), bracketed("h", 80), bracketed("h", None)] == ["[::1]", "[::1]:80", "h:80", "h"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:9000", Upstream("http", "127.0.0.1", 9000, "")),
        ("https://Gateway.internal/bedrock/", Upstream("https", "gateway.internal", 443, "/bedrock")),
        ("http://[::1]:80", Upstream("http", "::1", 80, "")),
        ("https://bedrock-runtime-fips.{region}.amazonaws.com", Upstream("https", "bedrock-runtime-fips.{region}.amazonaws.com", 443, "")),
    ],
)
def test_an_upstream_url_becomes_a_place_to_connect_to(url: str, expected: Upstream) -> None:
    assert parse_upstream(url, "upstreams.x") == expected


@pytest.mark.parametrize("url", ["", "host", "ftp://host", "https://", "http://host:port", "http://[::1", "http://h:99999"])
def test_a_url_that_cannot_be_one_is_named_with_its_key(url: str) -> None:
    with pytest.raises(UsageError, match=r"^upstreams\.x: "):
        parse_upstream(url, "upstreams.x")


def test_a_password_in_an_upstream_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match=r"^upstreams\.x: ") as caught:
        parse_upstream("https://user:hunter2@host", "upstreams.x")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("listener", "other", "expected"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "LocalHost", True),
        ("localhost", "::1", True),
        ("localhost", "127.0.0.1", True),
        ("127.0.0.1", "0.0.0.0", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("0.0.0.0", "::1", True),
        ("::", "localhost", True),
        ("", "127.0.0.5", True),
        ("0.0.0.0", "10.0.0.7", True),
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        ("proxy.internal", "Proxy.Internal", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "10.0.0.7", False),
        ("0.0.0.0", "10.0.0.8", False),
        ("10.0.0.7", "localhost", False),
        ("127.0.0.1", "bedrock-runtime.us-east-1.amazonaws.com", False),
        ("proxy.internal", "127.0.0.1", False),
    ],
)
def test_two_spellings_of_one_machine_are_one_machine(listener: str, other: str, expected: bool) -> None:
    assert same_machine(listener, other, own_addresses=("10.0.0.7",)) is expected


@pytest.mark.parametrize(
    ("listener", "url"),
    [
        (("127.0.0.1", 8787), "http://127.0.0.1:8787"),
        (("0.0.0.0", 8787), "http://localhost:8787/base"),
        (("::", 8787), "http://[::1]:8787"),
        (("0.0.0.0", 443), "https://gauge.internal"),
    ],
)
def test_an_upstream_that_is_our_own_listener_is_refused_by_name(listener: tuple[str, int], url: str) -> None:
    with pytest.raises(UsageError, match=r"^targets\.upstreams\.bedrock-runtime: .*own listener"):
        check_no_loop([listener], {"targets.upstreams.bedrock-runtime": url}, {"gauge.internal": ["10.0.0.7"]}, ["10.0.0.7"])


def test_another_port_or_another_machine_is_no_loop() -> None:
    upstreams = {"a": "http://127.0.0.1:9000", "b": "http://gauge.internal:8787"}
    check_no_loop([("0.0.0.0", 8787)], upstreams, {"gauge.internal": ["10.0.0.8"]}, ["10.0.0.7"])


def test_only_proxy_variables_that_lead_back_to_us_are_ours() -> None:
    environ = {
        "HTTP_PROXY": "http://user:pass@localhost:8787",
        "https_proxy": "http://egress.internal:3128",
        "ALL_PROXY": "127.0.0.1:8787",
        "all_proxy": "http://[::1",
        "HTTPS_PROXY": "",
        "OTHER": "http://127.0.0.1:8787",
        "no_proxy": "127.0.0.1:8787",
    }
    assert own_proxy_variables(environ, [("127.0.0.1", 8787), ("127.0.0.1", 8788)]) == ["HTTP_PROXY", "ALL_PROXY"]
    named = {"http_proxy": "http://gauge.internal:8787", "https_proxy": "http://10.0.0.7:8787", "all_proxy": "http://10.0.0.8:8787"}
    found = own_proxy_variables(named, [("0.0.0.0", 8787)], ["10.0.0.7"], {"gauge.internal": ["10.0.0.7"]})
    assert found == ["http_proxy", "https_proxy"]


@pytest.mark.parametrize("own", ["10.9.9.9", "::ffff:10.9.9.9"])
@pytest.mark.parametrize("other", ["10.9.9.9", "::ffff:10.9.9.9", "::ffff:a09:909"])
@pytest.mark.parametrize("listener", ["0.0.0.0", "::", ""])
def test_an_own_address_is_known_in_the_clothes_of_ipv6_too(listener: str, other: str, own: str) -> None:
    assert same_machine(listener, other, [own])
    assert not same_machine(listener, other, ["10.9.9.8"])


@pytest.mark.parametrize(
    ("host", "port", "reached"),
    [
        ("127.0.0.1", 8787, True),
        ("localhost", 8787, True),
        ("0.0.0.0", 8787, True),
        ("127.0.0.1", 8786, False),
        ("10.0.0.7", 8787, False),
        ("10.0.0.7", 8788, True),
        ("::1", 8788, True),
        ("192.0.2.1", 8788, False),
        ("", 8787, True),
    ],
)
def test_only_a_port_of_ours_on_an_address_of_ours_leads_to_us(host: str, port: int, reached: bool) -> None:
    listeners = Listeners(["127.0.0.1:8787", "0.0.0.0:8788", "[::]:8788"])
    assert listeners.reached_by(host, port, ["10.0.0.7"]) is reached
    assert [listeners.on(port) for port in (8786, 8787, 8788)] == [False, True, True]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("http://u:p w@h/v1", "http://***@h/v1"),
        ("http://user:hunter2'x@proxy.corp:3128", "http://***@proxy.corp:3128"),
        ("http://user:it's:a\"b@h", "http://***@h"),
        ("http://user:hun/ter2@h", "http://***@h"),
        ("http://user:hun@ter2@h", "http://***@h"),
        ("user:hun/ter2@gw.corp", "***@gw.corp"),
        ("https://user:hunter2", "https://user:***"),
        ("https://user:p://w@h", "https://***@h"),
        ("user:p://w@h", "***@h"),
        ("postgresql+psycopg://u@h/d", "postgresql+psycopg://***@h/d"),
        ("https://h:8443/a?b#c", "https://h:8443/a?b#c"),
        ("https://bedrock.{region}.corp:8787", "https://bedrock.{region}.corp:8787"),
        ("http://[::1]:8787/", "http://[::1]:8787/"),
        ("/var/lib/a@b/ledger.db", "/var/lib/a@b/ledger.db"),
        ("arn:aws:bedrock:us-east-1:123456789012:x/y", "arn:aws:bedrock:us-east-1:123456789012:x/y"),
        ("127.0.0.1:8787", "127.0.0.1:8787"),
        ("", ""),
    ],
)
def test_a_value_is_shown_without_its_user_and_password_whatever_characters_they_have(value: str, expected: str) -> None:
    assert without_user(value) == expected


def test_a_url_that_is_none_is_told_without_its_user() -> None:
    for url in ("ftp://u:hunter2@h", "u:hunter2@h", "http://u:hunter2@[h"):
        with pytest.raises(UsageError) as caught:
            parse_upstream(url, "k")
        assert "hunter2" not in str(caught.value)
