"""A corporate proxy on the way out: CONNECT by name, credentials in no text, and everything else as without it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from streamgauge.errors import EgressProxyRefused, UsageError
from streamgauge.relay.egress import EgressProxy, read_egress
from tests.relay.connect_proxy import ConnectProxy
from tests.relay.loopback import certificate, listening, on_uvloop, pool, until, within
from tests.relay.scene import ANSWER, ASK, reply
from tests.relay.wire import RawUpstream, Relay

USER = "mallory:pa%40ss"
"""As it stands in a URL; the password is pa@ss."""


@pytest.fixture(params=["fast", "slow"])
def fast(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "fast")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    return certificate(tmp_path_factory.mktemp("egress"))


@pytest.fixture
def upstream(pair: tuple[Path, ssl.SSLContext]) -> Iterator[RawUpstream]:
    made = RawUpstream(pair[1])
    yield made
    made.close()


def made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def called(tmp_path: Path, url: str, *, times: int = 1, **settings: Any) -> tuple[bytes, Relay]:
    """What the last of some calls on one connection got, and the relay, which has ended."""
    with Relay(tmp_path, url, **settings) as relay:
        caller = relay.call()
        for _ in range(times):
            caller.send(ASK.sent(relay.host))
            head = caller.read_head()
            length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            got = head + caller.read(length)
        relay.last(times)
        assert relay.stop() == 0
    return got, relay


def test_calls_go_through_the_proxy_by_name_with_its_credentials_and_share_one_tunnel(
    tmp_path: Path, pair: tuple[Path, ssl.SSLContext], upstream: RawUpstream, fast: bool
) -> None:
    with ConnectProxy(upstream.port, user="mallory:pa@ss") as proxy:
        upstream.will(ANSWER.raw)
        upstream.will(ANSWER.raw)
        egress = f"http://{USER}@127.0.0.1:{proxy.port}"
        got, relay = called(tmp_path, "https://localhost:1", times=2, ca_file=str(pair[0]), egress_proxy=egress, fast_path=fast)
    assert got == ANSWER.raw
    assert len(proxy.asked) == 1
    assert proxy.asked[0].startswith(b"CONNECT localhost:1 HTTP/1.1\r\n")
    assert b"proxy-authorization" not in upstream.received().lower()
    assert relay.log.read_text() == ""


def test_the_way_to_the_proxy_may_be_tls_itself(tmp_path: Path, pair: tuple[Path, ssl.SSLContext], upstream: RawUpstream) -> None:
    with ConnectProxy(upstream.port, tls=pair[1]) as proxy:
        upstream.will(ANSWER.raw)
        got, _ = called(tmp_path, "https://localhost:1", ca_file=str(pair[0]), egress_proxy=f"https://localhost:{proxy.port}")
    assert got == ANSWER.raw


@pytest.mark.parametrize(
    ("status", "says"),
    [(407, "user or password"), (403, "rules do not allow"), (502, "with 502 (it found no way"), (503, "with 503"), (504, "with 504")],
)
def test_a_proxy_that_refuses_is_named_with_the_remedy_and_without_its_credentials(
    tmp_path: Path, upstream: RawUpstream, fast: bool, status: int, says: str
) -> None:
    with ConnectProxy(upstream.port, status=status) as proxy:
        egress = f"http://{USER}@127.0.0.1:{proxy.port}"
        got, relay = called(tmp_path, "https://localhost:1", egress_proxy=egress, fast_path=fast)
    start, headers, text = reply(got)
    assert start == b"HTTP/1.1 502 Bad Gateway"
    assert headers[b"x-streamgauge-reply"] == b"upstream_unreachable"
    assert says in text
    assert f"127.0.0.1:{proxy.port}" in text
    assert "mallory" not in text
    assert "pa%" not in text
    m = relay.measured()[-1]
    assert (m.error_type, m.side) == ("egress_proxy_error", "proxy")
    assert relay.log.read_text() == ""


def test_a_proxy_that_is_not_there_is_our_side_and_not_the_providers(tmp_path: Path, fast: bool) -> None:
    got, relay = called(tmp_path, "https://localhost:1", egress_proxy="http://ann:secret@127.0.0.1:1", fast_path=fast)
    _, _, text = reply(got)
    assert "the egress proxy 127.0.0.1:1 cannot be reached" in text
    assert relay.measured()[-1].side == "proxy"


@pytest.mark.parametrize("does", ["keeps silent", "ends the connection", "has a certificate that nobody trusts"])
def test_whatever_fails_before_the_proxy_has_let_us_through_is_its_doing(
    tmp_path: Path, pair: tuple[Path, ssl.SSLContext], fast: bool, does: str
) -> None:
    upstream = RawUpstream(pair[1] if "certificate" in does else None)
    if does == "ends the connection":
        upstream.will("close")
    scheme = "https" if "certificate" in does else "http"
    egress = f"{scheme}://localhost:{upstream.port}"
    got, relay = called(
        tmp_path, "https://localhost:1", egress_proxy=egress, fast_path=fast, name_timeout=1.0, connect_timeout=0.3, tls_timeout=0.3
    )
    upstream.close()
    start, _, text = reply(got)
    assert start == b"HTTP/1.1 502 Bad Gateway"
    assert f"the egress proxy localhost:{upstream.port}" in text
    m = relay.measured()[-1]
    assert (m.error_type, m.side) == ("egress_proxy_error", "proxy")


def test_silence_inside_the_tunnel_is_the_upstreams(tmp_path: Path) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    with silent, ConnectProxy(silent.getsockname()[1]) as proxy:
        egress = f"http://127.0.0.1:{proxy.port}"
        got, relay = called(tmp_path, "https://localhost:1", egress_proxy=egress, connect_timeout=0.3, tls_timeout=0.3)
    _, _, text = reply(got)
    assert f"no TLS session with localhost:1 through the egress proxy 127.0.0.1:{proxy.port}" in text
    m = relay.measured()[-1]
    assert (m.error_type, m.side) == ("tls_timeout", "upstream")


def test_the_upstream_must_prove_itself_inside_the_tunnel(tmp_path: Path, upstream: RawUpstream) -> None:
    with ConnectProxy(upstream.port) as proxy:
        got, relay = called(tmp_path, "https://localhost:1", egress_proxy=f"http://127.0.0.1:{proxy.port}")
    _, _, text = reply(got)
    assert f"no trusted TLS session with localhost:1 through the egress proxy 127.0.0.1:{proxy.port} (CERTIFICATE_VERIFY_FAILED)" in text
    assert relay.measured()[-1].error_type == "tls_error"


def test_hosts_of_no_proxy_and_plain_http_upstreams_are_reached_without_it(
    tmp_path: Path, pair: tuple[Path, ssl.SSLContext], upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch, fast: bool
) -> None:
    monkeypatch.setenv("NO_PROXY", "example.com, localhost")
    gone = "http://127.0.0.1:1"
    upstream.will(ANSWER.raw)
    near = f"https://localhost:{upstream.port}"
    got, _ = called(made(tmp_path / "a"), near, ca_file=str(pair[0]), egress_proxy=gone, fast_path=fast)
    assert got == ANSWER.raw
    monkeypatch.delenv("NO_PROXY")
    plain = RawUpstream()
    plain.will(ANSWER.raw)
    got, _ = called(made(tmp_path / "b"), f"http://127.0.0.1:{plain.port}", egress_proxy=gone, fast_path=fast)
    plain.close()
    assert got == ANSWER.raw


def test_a_proxy_that_says_more_than_yes_is_none() -> None:
    """Bytes behind the answer would be taken for the upstream's."""

    async def said(answer: bytes) -> str:
        async with listening() as peer, pool(egress_proxy=f"http://127.0.0.1:{peer.port}") as made:
            connecting = asyncio.get_running_loop().create_task(made.connect(("https", "localhost", 1)))
            await until(lambda: peer.peers and b"\r\n\r\n" in peer.peers[0].received, "the CONNECT")
            await peer.peers[0].says(answer)
            with pytest.raises(EgressProxyRefused) as caught:
                await within(5.0, connecting)
            return str(caught.value)

    for answer in (b"HTTP/1.1 200 OK\r\n\r\nX", b"220 mail ready\r\n\r\n", b"X" * 20_000):
        assert "did not answer CONNECT localhost:1 as a proxy does" in on_uvloop(partial(said, answer))


def test_the_setting_is_read_with_the_environment_and_its_mistakes_show_no_password() -> None:
    assert read_egress(None, {"HTTPS_PROXY": "http://p:1"}) is None
    assert read_egress("environment", {}) is None
    found = read_egress("environment", {"HTTPS_PROXY": "p.example:3128", "NO_PROXY": " .internal,10.0.0.1:8443, "})
    assert found == EgressProxy("http", "p.example", 3128, None, (".internal", "10.0.0.1:8443"))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        with pytest.raises(UsageError, match=rf"^{name} \(relay\.egress_proxy: environment\): is not of the form"):
            read_egress("environment", {name: "socks5h://127.0.0.1:1080"})
    with_user = read_egress("https://ann:pa%40ss@p.example", {})
    assert with_user is not None
    assert (with_user.port, with_user.authorization) == (443, b"Basic YW5uOnBhQHNz")
    assert "Basic" not in repr(with_user)
    for wrong in ("socks5://ann:secret@p:1", "http://", "http://ann:secret@p:1/path", "http://ann:sec:ret@p:port"):
        with pytest.raises(UsageError, match=r"relay\.egress_proxy: is not of the form") as caught:
            read_egress(wrong, {})
        assert "sec" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "host", "port", "direct"),
    [
        ("*", "a.example", 443, True),
        ("example", "a.example", 443, True),
        (".example", "a.example", 443, True),
        ("*.example", "a.example", 443, True),
        ("le", "a.example", 443, False),
        ("a.example", "A.Example", 443, True),
        ("a.example:443", "a.example", 443, True),
        ("a.example:8443", "a.example", 443, False),
        ("[::1]:443", "::1", 443, True),
        ("::1", "::1", 443, True),
        ("", "a.example", 443, False),
    ],
)
def test_no_proxy_means_what_it_means_elsewhere(entry: str, host: str, port: int, direct: bool) -> None:
    assert EgressProxy("http", "p", 1, None, (entry,)).serves(host, port) is not direct
