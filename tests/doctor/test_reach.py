"""Each step on the way to a provider is told from the others, through a corporate proxy too, and its clock is compared with ours."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from streamgauge.addresses import Upstream
from streamgauge.doctor.reach import judge_clock, reach, reach_all, upstreams
from streamgauge.relay.egress import EgressProxy
from streamgauge.targets import TargetSettings
from streamgauge.testing import Script, ScriptedUpstream
from tests.relay.connect_proxy import ConnectProxy
from tests.relay.loopback import certificate


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[ScriptedUpstream, str]]:
    """A provider by TLS, and the file with its CA."""
    pem, context = certificate(tmp_path)
    with ScriptedUpstream(Script(status=403), ssl_context=context) as upstream:
        yield upstream, str(pem)


def test_a_provider_that_answers_is_fine_and_so_is_the_clock(secure: tuple[ScriptedUpstream, str]) -> None:
    upstream, ca_file = secure
    found = list(reach_all({"bedrock-runtime": Upstream("https", "localhost", upstream.port, "")}, ca_file, None))
    assert [(each.subject, each.verdict) for each in found] == [("reachability", "ok"), ("clock", "ok")]
    assert "TLS in" in found[0].text


def test_a_certificate_nobody_vouches_for_is_named(secure: tuple[ScriptedUpstream, str]) -> None:
    found = reach("b", Upstream("https", "localhost", secure[0].port, ""), None, None).finding
    assert "a certificate that is not trusted" in found.text
    assert "relay.ca_file" in (found.fix or "")


def test_a_way_through_a_corporate_proxy_is_tried_through_it(secure: tuple[ScriptedUpstream, str]) -> None:
    upstream, ca_file = secure
    target = Upstream("https", "localhost", upstream.port, "")
    with ConnectProxy(upstream.port) as proxy:
        found = reach("b", target, ca_file, EgressProxy("http", "127.0.0.1", proxy.port)).finding
        assert len(proxy.asked) == 1
    assert found.verdict == "ok"
    assert f"through 127.0.0.1:{proxy.port}" in found.text
    with ConnectProxy(upstream.port, status=407) as proxy:
        found = reach("b", target, ca_file, EgressProxy("http", "127.0.0.1", proxy.port, b"Basic secret")).finding
    assert "says 407 to CONNECT" in found.text
    assert "secret" not in repr(found)


def test_steps_that_fail_are_told_apart() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as closed:
        port = closed.getsockname()[1]
    refused = reach("b", Upstream("https", "127.0.0.1", port, ""), None, None).finding
    assert "cannot be connected to (Connection refused)" in refused.text
    nameless = reach("b", Upstream("https", "no.such.name.invalid", 443, ""), None, None, seconds=2.0).finding
    assert "has no address here" in nameless.text
    with ScriptedUpstream() as plain:
        tls = reach("b", Upstream("https", "127.0.0.1", plain.port, ""), None, None, seconds=5.0).finding
    assert "ends the TLS handshake" in tls.text
    assert all(each.fix for each in (refused, nameless, tls))


@pytest.mark.parametrize(("minutes", "verdict"), [(-7, "finding"), (-2, "finding"), (0, "ok"), (2, "finding"), (7, "finding")])
def test_the_clock_is_compared_with_the_providers(minutes: int, verdict: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    answer = f"HTTP/1.1 403 Forbidden\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n".encode()
    with ScriptedUpstream(Script(raw=answer, close=True)) as upstream:
        *_, clock = reach_all({"b": Upstream("http", "127.0.0.1", upstream.port, "")}, None, None)
    assert (clock.subject, clock.verdict) == ("clock", verdict)


def test_a_clock_says_in_which_direction_it_is_off() -> None:
    assert "310 s behind the provider's; signatures more than 5 minutes off are refused" in judge_clock(timedelta(seconds=310)).text
    assert "90 s ahead of the provider's; at 5 minutes" in judge_clock(timedelta(seconds=-90)).text


def test_an_answer_without_a_date_says_nothing_about_the_clock() -> None:
    with ScriptedUpstream(Script(raw=b"HTTP/1.1 200 OK\r\nDate: yesterday\r\nContent-Length: 0\r\n\r\n", close=True)) as upstream:
        found = list(reach_all({"b": Upstream("http", "127.0.0.1", upstream.port, "")}, None, None))
    assert [each.subject for each in found] == ["reachability"]


def test_what_is_tried_follows_the_settings() -> None:
    assert upstreams(TargetSettings(), None) == {}
    assert {name: place.host for name, place in upstreams(TargetSettings(), "cn-north-1").items()} == {
        "bedrock-runtime cn-north-1": "bedrock-runtime.cn-north-1.amazonaws.com.cn",
        "sagemaker-runtime cn-north-1": "runtime.sagemaker.cn-north-1.amazonaws.com.cn",
    }
    settings = TargetSettings(
        upstreams={"bedrock-runtime": "https://vpce-1.bedrock-runtime.{region}.vpce.amazonaws.com"}, regions=("eu-west-1", "us-east-1")
    )
    assert sorted(upstreams(settings, "us-west-2")) == [
        "bedrock-runtime eu-west-1",
        "bedrock-runtime us-east-1",
        "sagemaker-runtime eu-west-1",
        "sagemaker-runtime us-east-1",
    ]
    (nothing,) = reach_all({}, None, None)
    assert nothing.verdict == "note"


def test_the_hosts_are_those_that_calls_go_to() -> None:
    settings = TargetSettings(
        by_listener={"127.0.0.2": "https://gateway.corp:8443/base"}, default_service="bedrock-mantle", use_dualstack=True
    )
    assert {name: (place.host, place.port) for name, place in upstreams(settings, "us-east-1").items()} == {
        "targets.by_listener.127.0.0.2": ("gateway.corp", 8443),
        "bedrock-runtime us-east-1": ("bedrock-runtime.us-east-1.api.aws", 443),
        "bedrock-mantle us-east-1": ("bedrock-mantle.us-east-1.api.aws", 443),
        "sagemaker-runtime us-east-1": ("runtime.sagemaker.us-east-1.api.aws", 443),
    }
    fips = upstreams(TargetSettings(use_fips=True), "us-gov-west-1")
    assert fips["bedrock-runtime us-gov-west-1"].host == "bedrock-runtime-fips.us-gov-west-1.amazonaws.com"
