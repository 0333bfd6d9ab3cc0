"""What each phase of making an upstream connection can end in: the name, the connection, the TLS session."""

from __future__ import annotations

from time import perf_counter_ns

import pytest

from streamgauge.errors import TargetNotAllowed
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
