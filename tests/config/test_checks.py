"""What cannot work together or on this machine is found although every value is of the right kind."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from streamgauge.config import Config
from streamgauge.config.checks import check, is_loopback
from streamgauge.relay.settings import RelaySettings
from streamgauge.spool import SpoolSettings
from streamgauge.targets import TargetSettings


def lines(**settings: Any) -> list[str]:
    return [mistake.text(None) for mistake in check(dataclasses.replace(Config(), **settings))]


def test_the_defaults_can_work() -> None:
    assert lines() == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"listen": ("::1:8787",)}, "listen: '::1:8787' - an IPv6 address goes into brackets, such as [::1]:8787"),
        ({"listen": ("http://127.0.0.1:8787",)}, "without a scheme"),
        ({"listen": ("127.0.0.1:1", "127.0.0.1:1")}, "listen: '127.0.0.1:1' - is named twice"),
        ({"admin": "127.0.0.1:8787"}, "admin: '127.0.0.1:8787' - is also in listen"),
        ({"workers": 257}, "workers: 257 - must not be above 256"),
        ({"spool": SpoolSettings(max_bytes=1000)}, "spool.max_bytes: 1000 - must not be below spool.segment_bytes"),
        ({"relay": RelaySettings(ca_file="/no/such.pem")}, "relay.ca_file: '/no/such.pem' - cannot be read (No such file or directory)"),
        ({"relay": RelaySettings(ca_file="/dev/null")}, "relay.ca_file: '/dev/null' - holds no certificate in PEM form"),
        ({"relay": RelaySettings(ca_file="a\0b")}, "cannot be read (no such name)"),
    ],
)
def test_what_cannot_work_is_named(settings: dict[str, Any], expected: str) -> None:
    (line,) = lines(**settings)
    assert expected in line


def test_a_file_that_only_looks_like_certificates_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n")
    (line,) = lines(relay=RelaySettings(ca_file=str(path)))
    assert f"relay.ca_file: '{path}' - holds no certificate in PEM form, or one that is damaged" in line


def test_every_target_is_looked_at(tmp_path: Path) -> None:
    targets = TargetSettings(
        upstreams={"bedrock": "http://a", "bedrock-runtime": "ftp://user:hunter2@a", "sagemaker-runtime": "http://u:hunter2@h"},
        regions=("nowhere", "us-east-1", "else"),
        default_region="there",
        default_service="s4",
        extra_hosts=("a b",),
        own_hosts=("c:1",),
    )
    found = lines(targets=targets)
    assert [line.partition(":")[0] for line in found] == [
        "targets.upstreams.bedrock",
        "targets.upstreams.bedrock-runtime",
        "targets.upstreams.sagemaker-runtime",
        "targets.regions",
        "targets.regions",
        "targets.extra_hosts",
        "targets.own_hosts",
        "targets.default_region",
        "targets.default_service",
    ]
    assert "hunter2" not in "".join(found)


@pytest.mark.parametrize(
    ("address", "expected"), [("127.0.0.1:1", True), ("localhost:1", True), ("[::1]:1", True), ("0.0.0.0:1", False), ("h:1", False)]
)
def test_only_this_machine_reaches_loopback(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected


def test_an_upstream_that_is_ourselves_is_named_with_all_other_mistakes() -> None:
    upstreams = {
        "bedrock-runtime": "http://localhost:8787",
        "sagemaker-runtime": "http://127.0.0.1:8788/x",
        "bedrock-mantle": "http://127.0.0.1:9",
    }
    found = lines(targets=TargetSettings(upstreams=upstreams), workers=0)
    assert [line.partition(":")[0] for line in found] == [
        "workers",
        "targets.upstreams.bedrock-runtime",
        "targets.upstreams.sagemaker-runtime",
    ]
    assert "is this proxy's own listener 127.0.0.1:8787; name the provider's address instead" in found[1]
