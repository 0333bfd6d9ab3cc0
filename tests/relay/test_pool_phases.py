"""What each phase of making an upstream connection can end in: the name, the connection, the TLS session."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from time import perf_counter_ns
from typing import Any

import pytest

from streamgauge.errors import NameTimeout, TargetNotAllowed, UpstreamNameUnknown, UpstreamTimeout
from streamgauge.relay.names import _Known
from streamgauge.relay.pool import Pool
from tests.relay.loopback import listening, on_uvloop, pool


def known(connections: Pool, host: str, port: int, *addresses: str) -> None:
    """As if the name had been looked up just now."""
    connections.names._known[host, port] = _Known(perf_counter_ns(), list(addresses))


@pytest.mark.parametrize("own", ["127.0.0.1", "0.0.0.0"])
def test_a_name_that_has_come_to_lead_to_ourselves_is_refused_before_anything_is_connected(own: str) -> None:
    async def main() -> None:
        async with listening() as us, pool(own_addresses=(f"{own}:{us.port}",)) as connections:
            known(connections, "moved.example", us.port, "192.0.2.1", "127.0.0.1")
            with pytest.raises(TargetNotAllowed, match=f"moved.example:{us.port} is this proxy itself"):
                await connections.connect(("http", "moved.example", us.port))
            with pytest.raises(TargetNotAllowed):
                await connections.refuse_ourselves("moved.example", us.port)
            assert us.peers == []

    on_uvloop(main)


def test_the_same_name_on_a_port_that_is_not_ours_is_connected() -> None:
    async def main() -> None:
        async with listening() as other, pool(own_addresses=(f"127.0.0.1:{other.port + 1}",)) as connections:
            known(connections, "near.example", other.port, "127.0.0.1")
            await connections.refuse_ourselves("near.example", other.port)
            (await connections.connect(("http", "near.example", other.port))).close()

    on_uvloop(main)


class Asking:
    """The one answer that a test gives for every name; as for any loop, who asks may stop waiting."""

    def __init__(self, connections: Pool) -> None:
        self._loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[Any] = self._loop.create_future()
        connections.names._loop = self  # type: ignore[assignment]  # the two of its methods that are used

    def create_task(self, coroutine: Coroutine[Any, Any, list[str]]) -> asyncio.Task[list[str]]:
        return self._loop.create_task(coroutine)

    async def getaddrinfo(self, host: str, port: int, **_: Any) -> Any:
        return await asyncio.shield(self.answer)


def test_a_name_that_nobody_answers_for_is_a_timeout_of_its_own() -> None:
    async def main() -> None:
        async with pool(name_timeout=0.1) as connections:
            asks = Asking(connections)
            with pytest.raises(NameTimeout, match=r"^the name slow.example was not resolved within 0\.1 s \(relay.name_timeout\)$"):
                await connections.connect(("https", "slow.example", 443))
            asks.answer.set_result([])

    on_uvloop(main)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (socket.gaierror(-2, "Name or service not known"), r"^gone.example has no address \(Name or service not known\)$"),
        (UnicodeError("label too long"), r"^gone.example:443 cannot be reached \(not the name of a host\)$"),
    ],
)
def test_a_name_that_is_gone_is_an_error_of_its_own(error: Exception, text: str) -> None:
    async def main() -> None:
        async with pool() as connections:
            asks = Asking(connections)
            asks.answer.set_exception(error)
            with pytest.raises(UpstreamNameUnknown, match=text) as caught:
                await connections.connect(("https", "gone.example", 443))
            assert caught.value.error_type == "name_error"

    on_uvloop(main)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_address_that_accepts_no_connection_is_a_timeout_of_its_own(scheme: str) -> None:
    async def main() -> None:
        full = socket.create_server(("127.0.0.1", 0), backlog=0)
        waiting = [socket.socket() for _ in range(8)]  # once its queue is full, the kernel answers nobody any more
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        port = full.getsockname()[1]
        async with pool(connect_timeout=0.1, tls_timeout=30.0) as connections:
            with pytest.raises(UpstreamTimeout, match=rf"^127.0.0.1:{port} did not accept a connection within 0\.1 s") as caught:
                await connections.connect((scheme, "127.0.0.1", port))
            assert caught.value.error_type == "connect_timeout"
        for sock in [full, *waiting]:
            sock.close()

    on_uvloop(main)
