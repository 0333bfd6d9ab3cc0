"""Certificates, CAs and proxies on the way out: what is wrong is found before anything listens, with its file and without secrets."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from streamgauge.config import Config, load
from streamgauge.config.checks import check
from streamgauge.errors import UsageError
from streamgauge.relay.connect import ConnectSettings
from streamgauge.relay.settings import RelaySettings
from streamgauge.relay.tls import TlsSettings
from tests.relay.loopback import certificate


def lines(**settings: Any) -> list[str]:
    return [mistake.text(None) for mistake in check(dataclasses.replace(Config(), **settings))]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> TlsSettings:
    folder = tmp_path_factory.mktemp("pair")
    cert, _ = certificate(folder)
    return TlsSettings(str(cert), str(folder / "localhost.key"))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"listen_tls": ("127.0.0.1:8443",)}, "tls.cert_file: not set; listen_tls needs a certificate"),
        (
            {"listen_tls": ("127.0.0.1:8443",), "tls": TlsSettings("/no/such.pem", "/no/such.key")},
            "tls.cert_file: /no/such.pem cannot be read (No such file or directory); name a PEM file that this user may read",
        ),
        ({"connect": ConnectSettings(ca_cert_file="/c")}, "connect.ca_key_file: not set"),
        (
            {"connect": ConnectSettings("/no/c", "/no/k")},
            "connect: /no/c cannot be read (No such file or directory); `streamgauge ca create`",
        ),
        ({"relay": RelaySettings(egress_proxy="socks5://u:hunter2@p:1")}, "relay.egress_proxy: is not of the form http://"),
    ],
)
def test_what_cannot_work_is_named(settings: dict[str, Any], expected: str) -> None:
    (line,) = lines(**settings)
    assert line.startswith(expected)
    assert "hunter2" not in line


def test_a_certificate_without_a_listener_is_not_looked_at() -> None:
    assert lines(tls=TlsSettings("/no/such.pem")) == []


def test_addresses_with_and_without_tls_are_different_ones(pair: TlsSettings) -> None:
    (line,) = lines(listen_tls=("127.0.0.1:8787",), tls=pair)
    assert line == "listen_tls: '127.0.0.1:8787' - is named twice"
    assert lines(listen=(), listen_tls=("127.0.0.1:8787",), tls=pair) == []
    assert lines(listen_tls=("127.0.0.1:0", "127.0.0.1:0"), tls=pair) == []


def test_others_may_reach_a_signing_proxy_whose_callers_show_a_certificate(pair: TlsSettings) -> None:
    (line,) = lines(listen_tls=("0.0.0.0:8443",), tls=pair)
    assert line.startswith("listen_tls: 0.0.0.0:8443 - can be reached by others")
    assert lines(listen_tls=("0.0.0.0:8443",), tls=dataclasses.replace(pair, client_ca_file=pair.cert_file)) == []
    (line,) = lines(listen=("0.0.0.0:80",), listen_tls=("0.0.0.0:8443",), tls=dataclasses.replace(pair, client_ca_file=pair.cert_file))
    assert line.startswith("listen: 0.0.0.0:80 - can be reached by others")


def test_the_file_and_the_environment_set_them_too(pair: TlsSettings, tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(f"listen_tls: 127.0.0.1:0\ntls: {{cert_file: {pair.cert_file}, key_file: {pair.key_file}}}\n")
    assert load(file, {}).tls == pair
    with pytest.raises(UsageError, match=r"relay\.egress_proxy: is not of the form") as caught:
        load(None, {}, {"STREAMGAUGE_RELAY__EGRESS_PROXY": "http://u:hunter2@p:x"})
    assert "hunter2" not in str(caught.value)
