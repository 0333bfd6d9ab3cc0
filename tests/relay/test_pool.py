"""Upstream connections: which one is taken, which are closed, and what each failure to make one is called."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import perf_counter_ns

import pytest

from streamgauge.errors import TlsTimeout, UpstreamTimeout, UpstreamTlsFailed, UpstreamUnreachable
from streamgauge.relay.names import _Known
from streamgauge.relay.pool import Key, Pool
from streamgauge.relay.settings import RelaySettings
from streamgauge.relay.upstream import UpstreamConnection
from tests.relay.loopback import Listener, certificate, listening, on_uvloop, pool, until

S = 1_000_000_000


def http(listener: Listener) -> Key:
    return ("http", "127.0.0.1", listener.port)


async def idle(connections: Pool, key: Key, count: int) -> list[UpstreamConnection]:
    """``count`` idle connections, the first of them idle for longest."""
    made = [await connections.connect(key) for _ in range(count)]
    for number, connection in enumerate(made):
        connections.give_back(connection, number)
    return made


def test_the_connection_used_last_is_taken_first() -> None:
    async def main() -> None:
        async with listening() as server, pool() as connections:
            first, second, third = await idle(connections, http(server), 3)
            now = perf_counter_ns()
            assert [connections.take(http(server), now) for _ in range(4)] == [third, second, first, None]
            connections.give_back(second, now)
            assert connections.take(http(server), now) is second
            for connection in (first, second, third):
                connection.close()

    on_uvloop(main)


def test_a_connection_serves_only_where_it_leads() -> None:
    async def main() -> None:
        async with listening() as server, listening() as other, pool() as connections:
            await idle(connections, http(server), 1)
            assert connections.take(http(other), perf_counter_ns()) is None
            assert connections.take(("https", *http(server)[1:]), perf_counter_ns()) is None

    on_uvloop(main)


def test_a_connection_that_the_peer_closed_is_not_taken() -> None:
    async def main() -> None:
        async with listening() as server, pool() as connections:
            first, second = await idle(connections, http(server), 2)
            await until(lambda: len(server.peers) == 2, "both connections")
            port = second.transport.get_extra_info("sockname")[1]
            (peer,) = [peer for peer in server.peers if peer.transport.get_extra_info("peername")[1] == port]
            peer.transport.close()
            await until(lambda: second.closed, "the end of the second connection")
            assert connections._idle[http(server)] == [first]
            assert connections.take(http(server), perf_counter_ns()) is first
            assert connections.take(http(server), perf_counter_ns()) is None
            first.close()

    on_uvloop(main)


def test_a_connection_that_was_just_broken_off_is_not_taken() -> None:
    async def main() -> None:
        async with listening() as server, pool() as connections:
            first, second = await idle(connections, http(server), 2)
            second.abort()
            assert connections.take(http(server), perf_counter_ns()) is first
            first.close()

    on_uvloop(main)


def test_an_idle_connection_to_which_the_peer_speaks_unasked_is_broken_off() -> None:
    async def main() -> None:
        async with listening() as server, pool() as connections:
            (connection,) = await idle(connections, http(server), 1)
            await until(lambda: server.peers, "the connection")
            server.peers[0].transport.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
            await until(lambda: server.peers[0].closed, "the peer to see the end")
            assert connection.closed
            assert connections.take(http(server), perf_counter_ns()) is None

    on_uvloop(main)


def test_a_connection_that_is_too_old_is_closed_instead_of_taken() -> None:
    async def main() -> None:
        async with listening() as server, pool(upstream_age=300.0) as connections:
            (connection,) = await idle(connections, http(server), 1)
            assert connections.take(http(server), connection.made_at + 300 * S) is connection
            connections.give_back(connection, 0)
            assert connections.take(http(server), connection.made_at + 300 * S + 1) is None
            await until(lambda: server.peers[0].closed, "the peer to see the end")

    on_uvloop(main)


def test_what_was_idle_for_too_long_is_closed_and_the_rest_is_kept() -> None:
    async def main() -> None:
        async with listening() as server, pool(upstream_idle=50.0) as connections:
            made = await idle(connections, http(server), 3)
            for number, connection in enumerate(made):
                connection.idle_since = number * 10 * S
            connections.trim(60 * S)
            assert [connection.closed for connection in made] == [True, False, False]
            connections.trim(60 * S + 1)
            assert [connection.closed for connection in made] == [True, True, False]
            connections.trim(200 * S)
            assert (made[2].closed, connections._idle) == (True, {})
            await until(lambda: all(peer.closed for peer in server.peers), "the peers to see the end")

    on_uvloop(main)


def test_only_so_many_idle_connections_are_kept() -> None:
    async def main() -> None:
        async with listening() as server, pool(upstream_idle_connections=2) as connections:
            made = await idle(connections, http(server), 3)
            assert [connection.closed for connection in made] == [False, False, True]

    on_uvloop(main)


def test_closing_the_pool_closes_what_is_idle() -> None:
    async def main() -> None:
        async with listening() as server, pool() as connections:
            made = await idle(connections, http(server), 2)
            connections.close()
            assert all(connection.closed for connection in made)
            assert connections.take(http(server), perf_counter_ns()) is None
            await until(lambda: len(server.peers) == 2 and all(peer.closed for peer in server.peers), "the peers to see the end")

    on_uvloop(main)


def test_a_small_segment_is_not_held_back() -> None:
    async def main() -> None:
        async with listening() as server, pool() as connections:
            connection = await connections.connect(http(server))
            raw = connection.transport.get_extra_info("socket")
            assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            connection.close()

    on_uvloop(main)


@pytest.fixture
def refusing() -> Iterator[int]:
    """A port at which nobody listens, and which nobody else gets meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_a_refused_connection_is_an_unreachable_upstream(refusing: int) -> None:
    async def main() -> None:
        async with pool() as connections:
            with pytest.raises(UpstreamUnreachable, match=rf"127\.0\.0\.1:{refusing} cannot be reached \(.*refused") as caught:
                await connections.connect(("http", "127.0.0.1", refusing))
            assert caught.value.error_type == "connect_error"

    on_uvloop(main)


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a..b", "x" * 64 + ".example"])
def test_a_name_that_cannot_be_resolved_is_an_unreachable_upstream(name: str) -> None:
    async def main() -> None:
        async with pool() as connections:
            with pytest.raises(UpstreamUnreachable) as caught:
                await connections.connect(("https", name, 443))
            assert caught.value.error_type == "name_error"
            assert name in str(caught.value)

    on_uvloop(main)


def known(connections: Pool, host: str, port: int, *addresses: str) -> None:
    """The pool knows these addresses of a name."""
    connections.names._known[host, port] = _Known(perf_counter_ns(), list(addresses))


def test_a_second_address_of_a_name_is_tried_where_the_first_refuses_and_is_the_first_from_then_on(refusing: int) -> None:
    async def main() -> None:
        async with listening() as server, pool() as connections:
            known(connections, "two.example", server.port, "127.0.0.2", "127.0.0.1")
            connection = await connections.connect(("http", "two.example", server.port))
            assert connection.transport.get_extra_info("peername")[0] == "127.0.0.1"
            assert await connections.names.addresses("two.example", server.port) == ["127.0.0.1", "127.0.0.2"]
            connection.close()

    on_uvloop(main)


@contextmanager
def silent(address: str, port: int) -> Iterator[None]:
    """Nothing at this address answers who wants to connect: its queue is full."""
    with socket.socket() as bound, ExitStack() as waiting:
        bound.bind((address, port))
        bound.listen(0)
        for _ in range(4):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            with suppress(BlockingIOError):
                one.connect((address, port))
        yield


def test_a_silent_address_does_not_make_a_host_unreachable_that_has_others() -> None:
    async def main() -> None:
        async with listening() as server, pool(connect_timeout=5.0) as connections:
            with silent("127.0.0.2", server.port):
                known(connections, "two.example", server.port, "127.0.0.2", "127.0.0.1")
                (await connections.connect(("http", "two.example", server.port))).close()
                assert await connections.names.addresses("two.example", server.port) == ["127.0.0.1", "127.0.0.2"]
                connections._settings = RelaySettings(connect_timeout=0.2)
                known(connections, "one.example", server.port, "127.0.0.2")
                with pytest.raises(UpstreamTimeout):
                    await connections.connect(("http", "one.example", server.port))
                assert connections.names._known["one.example", server.port].doubted

    on_uvloop(main)


def test_a_name_without_addresses_is_an_unreachable_upstream() -> None:
    async def main() -> None:
        async with pool() as connections:
            known(connections, "none.example", 80)
            with pytest.raises(UpstreamUnreachable):
                await connections.connect(("http", "none.example", 80))

    on_uvloop(main)


def test_a_name_is_asked_for_again_where_none_of_its_addresses_worked(refusing: int) -> None:
    async def main() -> None:
        async with pool() as connections:
            known(connections, "gone.example", refusing, "127.0.0.1")
            with pytest.raises(UpstreamUnreachable):
                await connections.connect(("http", "gone.example", refusing))
            assert connections.names._known["gone.example", refusing].doubted

    on_uvloop(main)


def test_a_tls_session_is_made_with_a_trusted_upstream_and_speaks_http_1(tmp_path: Path) -> None:
    cert, tls = certificate(tmp_path)

    async def main() -> None:
        async with listening(tls) as server, pool(ca_file=str(cert)) as connections:
            connection = await connections.connect(("https", "localhost", server.port))
            assert connection.transport.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
            assert connections.tls() is connections.tls()
            connection.close()

    on_uvloop(main)


def test_an_upstream_that_is_not_trusted_is_refused(tmp_path: Path) -> None:
    _, tls = certificate(tmp_path)

    async def main() -> None:
        async with listening(tls) as server, pool() as connections:
            with pytest.raises(UpstreamTlsFailed, match="no trusted TLS session with localhost") as caught:
                await connections.connect(("https", "localhost", server.port))
            assert caught.value.error_type == "tls_error"

    on_uvloop(main)


def test_a_certificate_of_another_name_is_refused(tmp_path: Path) -> None:
    cert, tls = certificate(tmp_path, "other.example")

    async def main() -> None:
        async with listening(tls) as server, pool(ca_file=str(cert)) as connections:
            with pytest.raises(UpstreamTlsFailed):
                await connections.connect(("https", "localhost", server.port))

    on_uvloop(main)


def test_an_upstream_that_does_not_speak_tls_is_a_failed_session() -> None:
    async def main() -> None:
        async with listening() as server, pool() as connections:
            connecting = asyncio.get_running_loop().create_task(connections.connect(("https", "localhost", server.port)))
            await until(lambda: server.peers and server.peers[0].received, "the first bytes of a handshake")
            server.peers[0].transport.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            with pytest.raises(UpstreamTlsFailed):
                await connecting

    on_uvloop(main)


@pytest.mark.parametrize("how", ["close", "abort"])
def test_an_upstream_that_ends_the_handshake_is_a_failed_session(how: str) -> None:
    async def main() -> None:
        async with listening() as server, pool() as connections:
            connecting = asyncio.get_running_loop().create_task(connections.connect(("https", "127.0.0.1", server.port)))
            await until(lambda: server.peers and server.peers[0].received, "the first bytes of a handshake")
            getattr(server.peers[0].transport, how)()
            with pytest.raises(UpstreamTlsFailed):
                await connecting

    on_uvloop(main)


def test_a_tls_session_that_does_not_come_in_time_is_a_timeout_of_its_own() -> None:
    async def main() -> None:
        async with listening() as server, pool(tls_timeout=0.2) as connections:
            with pytest.raises(TlsTimeout, match=rf"localhost:{server.port} accepted a connection, .* within 0\.2 s \(relay.tls_timeout\)"):
                await connections.connect(("https", "localhost", server.port))
            await until(lambda: server.peers and all(peer.closed for peer in server.peers), "the unfinished handshake to be given up")

    on_uvloop(main)


def test_a_ca_file_is_trusted_besides_the_systems_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systems, _ = certificate(tmp_path, "system.example")
    ours, _ = certificate(tmp_path, "ours.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(systems))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))

    async def trusted() -> int:
        async with pool(ca_file=str(ours)) as made:
            return made.tls().cert_store_stats()["x509"]

    assert on_uvloop(trusted) == 2
