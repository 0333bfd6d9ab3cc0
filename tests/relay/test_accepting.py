"""The TLS listener: the same relay behind a handshake."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamgauge.relay.clients import LimitSettings
from streamgauge.relay.local_reply import HTTP2_PREFACE, HTTP2_TEXT
from streamgauge.relay.tls import TlsSettings
from tests.relay.loopback import certificate
from tests.relay.scene import ANSWER, ASK, CHUNKED, UNTIL_CLOSE
from tests.relay.wire import Caller, RawUpstream, Relay, until

SECRET = b"prompt-that-nobody-may-log"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("accepting")
    certificate(made, "localhost")
    certificate(made, "friend")
    return made


@pytest.fixture(scope="module")
def trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "localhost.pem"))


def settings(folder: Path, client_ca: str | None = None) -> TlsSettings:
    authority = None if client_ca is None else str(folder / client_ca)
    return TlsSettings(str(folder / "localhost.pem"), str(folder / "localhost.key"), authority)


@pytest.fixture
def relay(tmp_path: Path, folder: Path, upstream: RawUpstream) -> Iterator[Relay]:
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", tls=settings(folder), drain_seconds=5.0) as made:
        yield made


def read_all(caller: Caller) -> None:
    while caller.sock.recv(1 << 16):
        pass


def is_let_in(relay: Relay, context: ssl.SSLContext) -> bool:
    """TLS 1.3: a client that is not let in may learn of it only when it reads, by an alert, a reset, or a mere end."""
    try:
        caller = relay.call_tls(context)
        caller.send(ASK.sent(relay.host))
        return bool(caller.read(1))
    except (ssl.SSLError, ConnectionError):
        return False


def test_calls_pass_inside_tls_as_they_do_without_and_plain_goes_on_beside_it(
    relay: Relay, upstream: RawUpstream, trusting: ssl.SSLContext
) -> None:
    for caller in (relay.call_tls(trusting), relay.call()):
        for _ in range(2):
            upstream.will(ANSWER.raw)
            caller.send(ASK.sent(relay.host))
            assert caller.read(len(ANSWER.raw)) == ANSWER.raw
            assert upstream.received() == ASK.arrives(upstream.host)
    relay.last(4)
    assert [m.outcome for m in relay.measured()] == ["completed"] * 4
    assert relay.stop() == 0
    assert relay.log.read_text() == ""


def test_only_http_1_is_agreed_on(relay: Relay, folder: Path) -> None:
    offering = ssl.create_default_context(cafile=str(folder / "localhost.pem"))
    offering.set_alpn_protocols(["h2", "http/1.1"])
    caller = relay.call_tls(offering)
    assert isinstance(caller.sock, ssl.SSLSocket)
    assert caller.sock.selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize("alpn", [["h2"], None])
def test_http_2_with_prior_knowledge_is_told_the_remedy_and_its_bytes_are_logged_nowhere(
    relay: Relay, folder: Path, alpn: list[str] | None
) -> None:
    offering = ssl.create_default_context(cafile=str(folder / "localhost.pem"))
    if alpn:
        offering.set_alpn_protocols(alpn)
    caller = relay.call_tls(offering)
    caller.send(HTTP2_PREFACE + SECRET)
    answer, broken = caller.read_to_end()
    assert HTTP2_TEXT.encode() in answer
    assert struct.unpack(">I", answer[9 + 9 + 4 : 9 + 9 + 8])[0] == 0xD  # HTTP_1_1_REQUIRED
    assert not broken
    m = relay.last(1)
    assert (m.outcome, m.error_type) == ("rejected", "http2")
    assert relay.stop() == 0
    assert relay.log.read_text() == ""


def test_a_handshake_that_fails_costs_nobody_else_anything(relay: Relay, upstream: RawUpstream, trusting: ssl.SSLContext) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        relay.call_tls(ssl.create_default_context())
    plain = relay.call(port=relay.tls_port)
    plain.send(ASK.sent(relay.host))
    plain.read_to_end()
    upstream.will(ANSWER.raw)
    caller = relay.call_tls(trusting)
    caller.send(ASK.sent(relay.host))
    assert caller.read(len(ANSWER.raw)) == ANSWER.raw
    assert relay.seen() == 1
    until(lambda: "TLS handshake(s) with applications failed" in relay.log.read_text(), "a word about it")
    assert relay.stop() == 0
    assert relay.log.read_text().count("\n") == 1  # not more often than once a minute


def test_who_is_in_a_handshake_counts_as_a_connection_and_beyond_the_limit_it_is_ended_at_once(
    tmp_path: Path, folder: Path, upstream: RawUpstream, trusting: ssl.SSLContext
) -> None:
    limits = LimitSettings(client_connections=2)
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", tls=settings(folder), limits=limits) as relay:
        silent = relay.call(port=relay.tls_port)
        caller = relay.call_tls(trusting)
        for _ in range(2):
            assert relay.call(port=relay.tls_port).read_to_end()[0] == b""
        upstream.will(ANSWER.raw)
        caller.send(ASK.sent(relay.host))
        assert caller.read(len(ANSWER.raw)) == ANSWER.raw
        silent.close()
        until(lambda: is_answered(relay, trusting), "room")
        assert relay.log.read_text().count("over a limit of relay.limits were ended unanswered") == 1


def is_answered(relay: Relay, context: ssl.SSLContext) -> bool:
    """Whether a handshake comes about."""
    try:
        relay.call_tls(context).close()
    except (ssl.SSLError, ConnectionError):
        return False
    return True


def test_with_a_client_ca_only_its_holders_are_let_in(tmp_path: Path, folder: Path, upstream: RawUpstream) -> None:
    stranger = ssl.create_default_context(cafile=str(folder / "localhost.pem"))
    friend = ssl.create_default_context(cafile=str(folder / "localhost.pem"))
    friend.load_cert_chain(folder / "friend.pem", folder / "friend.key")
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", tls=settings(folder, "friend.pem")) as relay:
        assert not is_let_in(relay, stranger)
        upstream.will(ANSWER.raw)
        caller = relay.call_tls(friend)
        caller.send(ASK.sent(relay.host))
        assert caller.read(len(ANSWER.raw)) == ANSWER.raw
        assert relay.stop() == 0


def test_an_answer_whose_end_is_its_connections_cannot_be_broken_off_unseen(
    relay: Relay, upstream: RawUpstream, trusting: ssl.SSLContext
) -> None:
    upstream.will(UNTIL_CLOSE + b"data: 1\n\n", "reset")
    caller = relay.call_tls(trusting)
    caller.send(ASK.sent(relay.host))
    head = caller.read_head()
    assert head.startswith(b"HTTP/1.1 200")
    with pytest.raises((ssl.SSLEOFError, ConnectionError)):
        read_all(caller)
    assert relay.last(1).outcome == "stream_error"


def test_who_was_in_the_queue_or_in_a_stream_when_told_to_end_is_served(
    relay: Relay, upstream: RawUpstream, trusting: ssl.SSLContext
) -> None:
    upstream.will(CHUNKED, "wait for the end")
    streaming = relay.call_tls(trusting)
    streaming.send(ASK.sent(relay.host))
    streaming.read_head()
    waiting = relay.call(port=relay.tls_port)
    relay.process.terminate()
    waiting.secure(trusting, "localhost")
    upstream.will(ANSWER.raw)
    waiting.send(ASK.sent(relay.host))
    assert waiting.read(len(ANSWER.raw)) == ANSWER.raw
    streaming.close()
    assert relay.process.wait(5.0) == 0
    assert relay.seen() == 2


def test_a_silent_connection_in_its_handshake_does_not_keep_a_worker(relay: Relay, upstream: RawUpstream, trusting: ssl.SSLContext) -> None:
    silent = socket.create_connection(("127.0.0.1", relay.tls_port))
    upstream.will(ANSWER.raw)
    caller = relay.call_tls(trusting)
    caller.send(ASK.sent(relay.host))
    assert caller.read(len(ANSWER.raw)) == ANSWER.raw
    relay.process.terminate()
    assert relay.process.wait(3.0) == 0
    silent.close()
