"""CONNECT: an allowed host is taken up with a certificate of the private CA, everything else refused with the reason; nothing is tunnelled blindly."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamgauge.certificates import new_ca
from streamgauge.errors import CouldNotRun, TargetNotAllowed, UsageError
from streamgauge.relay.clients import LimitSettings
from streamgauge.relay.connect import NAMES_KEPT, QUEUED, ConnectSettings, Tunnels, authority_of
from streamgauge.relay.local_reply import HTTP2_PREFACE, HTTP2_TEXT
from streamgauge.relay.refusal import Busy
from streamgauge.relay.tls import TlsSettings
from streamgauge.routing import shipped_table
from streamgauge.targets import Targets, TargetSettings
from tests.relay.loopback import certificate, on_uvloop
from tests.relay.messages import TARGETS, Request
from tests.relay.scene import ANSWER
from tests.relay.wire import Caller, RawUpstream, Relay, until

HOST = "bedrock-runtime.us-east-1.amazonaws.com"
CALL = Request(b"POST", TARGETS[0], ((b"Content-Type", b"application/json"),), b"{}")


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> ConnectSettings:
    folder = tmp_path_factory.mktemp("connect")
    made = new_ca("test CA", 2, ["amazonaws.com", "example.com"])
    (folder / "ca.pem").write_bytes(made.cert)
    (folder / "ca-key.pem").write_bytes(made.key)
    return ConnectSettings(str(folder / "ca.pem"), str(folder / "ca-key.pem"))


@pytest.fixture(scope="module")
def trusting(ca: ConnectSettings) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca.ca_cert_file)


@pytest.fixture
def relay(tmp_path: Path, ca: ConnectSettings, upstream: RawUpstream) -> Iterator[Relay]:
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", connect=ca) as made:
        yield made


def asked(caller: Caller, authority: str, version: bytes = b"1.1") -> bytes:
    caller.send(b"CONNECT %b HTTP/%b\r\nHost: %b\r\n\r\n" % (authority.encode(), version, authority.encode()))
    return caller.read_head()


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_inside_a_tunnel_calls_pass_as_they_do_elsewhere_and_each_is_an_exchange(
    relay: Relay, upstream: RawUpstream, trusting: ssl.SSLContext, version: bytes
) -> None:
    caller = relay.call()
    assert asked(caller, f"{HOST}:443", version) == b"HTTP/1.1 200 Connection established\r\n\r\n"
    caller.secure(trusting, HOST)
    for _ in range(2):
        upstream.will(ANSWER.raw)
        caller.send(CALL.sent(HOST.encode()))
        assert caller.read(len(ANSWER.raw)) == ANSWER.raw
        assert upstream.received() == CALL.arrives(HOST.encode())
    relay.last(2)
    assert {(m.outcome, m.service, m.region) for m in relay.measured()} == {("completed", "bedrock-runtime", "us-east-1")}
    caller.close()
    assert relay.stop() == 0
    assert relay.log.read_text() == ""


@pytest.mark.parametrize(
    ("authority", "says"),
    [
        (
            "s3.us-east-1.amazonaws.com:443",
            "is not relayed: name an AWS runtime host of an allowed region, or add the host to targets.extra_hosts",
        ),
        ("[::1]:443", "host '[::1]:443' is not relayed"),
        ("user@evil:443", "is not a host with an optional port"),
    ],
)
def test_what_is_not_allowed_is_refused_and_the_status_line_says_why(relay: Relay, authority: str, says: str) -> None:
    caller = relay.call()
    head = asked(caller, authority)
    assert head.startswith(b"HTTP/1.1 403 ")
    assert says in head.split(b"\r\n")[0].decode()
    assert b"x-streamgauge-reply: target_not_allowed" in head
    caller.read_to_end()
    m = relay.last(1)
    assert (m.outcome, m.error_type, m.http_status) == ("rejected", "target_not_allowed", 403)


def test_a_ca_that_is_gone_is_the_proxys_doing_and_its_place_is_told_to_the_log_alone(
    tmp_path: Path, ca: ConnectSettings, upstream: RawUpstream
) -> None:
    (tmp_path / "ca-key.pem").write_bytes(Path(str(ca.ca_key_file)).read_bytes())
    gone = ConnectSettings(ca.ca_cert_file, str(tmp_path / "ca-key.pem"))
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", connect=gone) as relay:
        (tmp_path / "ca-key.pem").unlink()
        head = asked(relay.call(), f"{HOST}:443")
        assert head.startswith(b"HTTP/1.1 500 ")
        assert b"ca-key.pem" not in head
        row = relay.last(1)
        assert (row.outcome, row.side, row.http_status) == ("proxy_error", "proxy", 500)
        assert "ca-key.pem" in relay.log.read_text()


def test_without_a_ca_the_remedy_is_named(tmp_path: Path, upstream: RawUpstream) -> None:
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}") as relay:
        caller = relay.call()
        assert b"`streamgauge ca create`" in asked(caller, f"{HOST}:443").split(b"\r\n")[0]
        caller.read_to_end()


def test_requests_inside_go_where_the_tunnel_was_opened_for_whatever_their_host_says(
    relay: Relay, upstream: RawUpstream, trusting: ssl.SSLContext
) -> None:
    caller = relay.call()
    asked(caller, f"{HOST}:443")
    caller.secure(trusting, HOST)
    upstream.will(ANSWER.raw)
    caller.send(CALL.sent(b"sts.amazonaws.com"))
    assert caller.read(len(ANSWER.raw)) == ANSWER.raw
    assert upstream.received() == CALL.arrives(HOST.encode())
    caller.send(Request(b"POST", b"https://" + HOST.encode() + TARGETS[0], (), b"{}").sent(HOST.encode()))
    assert caller.read_head().startswith(b"HTTP/1.1 403 ")


def test_http_2_inside_a_tunnel_is_told_the_remedy_and_logged_nowhere(relay: Relay, trusting: ssl.SSLContext) -> None:
    caller = relay.call()
    asked(caller, f"{HOST}:443")
    caller.secure(trusting, HOST)
    caller.send(HTTP2_PREFACE + b"prompt-that-nobody-may-log")
    answer, _ = caller.read_to_end()
    assert HTTP2_TEXT.encode() in answer
    assert relay.last(1).error_type == "http2"
    assert relay.stop() == 0
    assert relay.log.read_text() == ""


def test_who_does_not_trust_the_ca_hurts_nobody_else(relay: Relay, upstream: RawUpstream, trusting: ssl.SSLContext) -> None:
    stranger = relay.call()
    asked(stranger, f"{HOST}:443")
    with pytest.raises(ssl.SSLCertVerificationError):
        stranger.secure(ssl.create_default_context(), HOST)
    speechless = relay.call()
    asked(speechless, f"{HOST}:443")
    speechless.send(b"GET / HTTP/1.1\r\nHost: plain-inside\r\n\r\n")
    speechless.read_to_end()
    caller = relay.call()
    asked(caller, f"{HOST}:443")
    caller.secure(trusting, HOST)
    upstream.will(ANSWER.raw)
    caller.send(CALL.sent(HOST.encode()))
    assert caller.read(len(ANSWER.raw)) == ANSWER.raw
    assert relay.seen() == 1
    until(lambda: "TLS handshake(s) with applications failed" in relay.log.read_text(), "a word about it")
    assert relay.stop() == 0
    assert relay.log.read_text().count("\n") == 1


def test_a_tunnel_inside_a_tunnel_is_refused_with_the_remedy(relay: Relay, trusting: ssl.SSLContext) -> None:
    caller = relay.call()
    asked(caller, f"{HOST}:443")
    caller.secure(trusting, HOST)
    head = asked(caller, f"{HOST}:443")
    assert head.startswith(b"HTTP/1.1 403 a tunnel inside a tunnel is not relayed: send the CONNECT to the proxy itself")
    assert relay.last(1).error_type == "target_not_allowed"


def test_limits_hold_for_tunnels_too_and_one_that_is_set_up_is_one_connection(
    tmp_path: Path, ca: ConnectSettings, upstream: RawUpstream, trusting: ssl.SSLContext
) -> None:
    limits = LimitSettings(client_connections=2)
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", connect=ca, limits=limits) as relay:
        first, second = relay.call(), relay.call()
        asked(first, f"{HOST}:443")
        asked(second, f"{HOST}:443")
        third = relay.call()
        assert asked(third, f"{HOST}:443").startswith(b"HTTP/1.1 429 ")
        third.close()
        first.secure(trusting, HOST)
        upstream.will(ANSWER.raw)
        first.send(CALL.sent(HOST.encode()))
        assert first.read(len(ANSWER.raw)) == ANSWER.raw
        second.close()  # in its handshake
        until(lambda: opened(relay), "room")


def opened(relay: Relay) -> bool:
    caller = relay.call()
    try:
        return asked(caller, f"{HOST}:443").startswith(b"HTTP/1.1 200 ")
    except (EOFError, ConnectionError):
        return False
    finally:
        caller.close()


def test_a_tunnel_may_be_opened_inside_tls(tmp_path: Path, ca: ConnectSettings, upstream: RawUpstream, trusting: ssl.SSLContext) -> None:
    cert, _ = certificate(tmp_path)
    tls = TlsSettings(str(cert), str(tmp_path / "localhost.key"))
    outer = ssl.create_default_context(cafile=str(cert))
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", connect=ca, tls=tls) as relay:
        caller = relay.call_tls(outer)
        assert asked(caller, f"{HOST}:443").startswith(b"HTTP/1.1 200 ")
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        inner = trusting.wrap_bio(incoming, outgoing, server_hostname=HOST)
        upstream.will(ANSWER.raw)
        for step in (inner.do_handshake, lambda: inner.write(CALL.sent(HOST.encode())), lambda: inner.read(len(ANSWER.raw))):
            answer = pumped(step, caller, incoming, outgoing)
        assert answer == ANSWER.raw
        assert relay.stop() == 0


def pumped(step: object, caller: Caller, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> object:
    """Do one step of an inner TLS session, as often as it wants bytes."""
    assert callable(step)
    while True:
        try:
            result = step()
        except ssl.SSLWantReadError:
            caller.sock.sendall(outgoing.read())
            incoming.write(caller.sock.recv(1 << 16))
        else:
            caller.sock.sendall(outgoing.read())
            return result


def extra(count: int) -> Targets:
    return Targets(TargetSettings(extra_hosts=tuple(f"h{n}.example.com" for n in range(count))), shipped_table())


def test_certificates_are_made_once_for_a_host_and_those_not_used_longest_go(ca: ConnectSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        tunnels = Tunnels(ca, extra(NAMES_KEPT + 1))
        first, again = await asyncio.gather(tunnels.context("h0.example.com:443"), tunnels.context("H0.example.com.:443"))
        assert first is again
        made: list[str] = []

        def without_work(name: str) -> ssl.SSLContext:
            made.append(name)
            return first

        monkeypatch.setattr(tunnels, "_make", without_work)
        for number in range(1, NAMES_KEPT):
            await tunnels.context(f"h{number}.example.com:443")
        await tunnels.context("h0.example.com:443")  # in use: it stays
        await tunnels.context(f"h{NAMES_KEPT}.example.com:443")
        assert len(made) == NAMES_KEPT
        await tunnels.context("h0.example.com:443")
        assert len(made) == NAMES_KEPT
        await tunnels.context("h1.example.com:443")  # the one not used longest had gone
        assert made[-1] == "h1.example.com"
        with pytest.raises(TargetNotAllowed):
            await tunnels.context("example.com:443")
        tunnels.close()

    on_uvloop(main)


def test_hosts_of_a_region_share_a_certificate_however_many_are_named(ca: ConnectSettings) -> None:
    async def main() -> None:
        tunnels = Tunnels(ca, extra(1))
        for suffix, prefixes in (
            ("us-east-1.amazonaws.com", ("bedrock-runtime", "bedrock-runtime-fips")),
            ("bedrock-runtime.us-east-1.vpce.amazonaws.com", ("vpce-0a", "vpce-0b")),
        ):
            first, second = [await tunnels.context(f"{prefix}.{suffix}:443") for prefix in prefixes]
            assert first is second
        tunnels.close()

    on_uvloop(main)


def test_where_too_many_certificates_are_to_be_made_the_next_is_refused_for_the_moment(
    ca: ConnectSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        tunnels, go_on, context = Tunnels(ca, extra(QUEUED + 1)), threading.Event(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

        def slow(name: str) -> ssl.SSLContext:
            assert go_on.wait(5.0)
            return context

        monkeypatch.setattr(tunnels, "_make", slow)
        waiting = [asyncio.get_running_loop().create_task(tunnels.context(f"h{n}.example.com:443")) for n in range(QUEUED)]
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="try again"):
            await tunnels.context(f"h{QUEUED}.example.com:443")
        go_on.set()
        assert await asyncio.gather(*waiting) == [context] * QUEUED
        assert await tunnels.context(f"h{QUEUED}.example.com:443") is context
        tunnels.close()

    on_uvloop(main)


def test_a_certificate_that_cannot_be_made_is_tried_again(ca: ConnectSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        tunnels = Tunnels(ca, extra(1))
        with monkeypatch.context() as without:
            without.setenv("PATH", "/nowhere")
            with pytest.raises(CouldNotRun, match="openssl"):
                await tunnels.context("h0.example.com:443")
        await tunnels.context("h0.example.com:443")
        tunnels.close()

    on_uvloop(main)


def test_the_settings_name_both_files_or_none(ca: ConnectSettings) -> None:
    assert authority_of(ConnectSettings()) is None
    with pytest.raises(UsageError, match=r"connect\.ca_key_file: not set"):
        authority_of(ConnectSettings(ca_cert_file=ca.ca_cert_file))
    with pytest.raises(UsageError, match=r"connect\.ca_cert_file: not set"):
        authority_of(ConnectSettings(ca_key_file=ca.ca_key_file))
