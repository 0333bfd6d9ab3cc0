"""An upstream connection whose other side ends it: out of the pool at once, and never taken."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter_ns

import pytest

from streamgauge.relay.upstream import UpstreamConnection
from tests.relay.loopback import certificate, listening, on_uvloop, pool, until, within
from tests.relay.test_upstream import COMPLETED, FIVE, Call, call


@pytest.mark.parametrize("secure", [False, True])
def test_an_idle_connection_is_out_of_the_pool_in_the_moment_its_end_is_read(
    secure: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, tls = certificate(tmp_path)
    taken: list[UpstreamConnection | None] = []
    callback = UpstreamConnection.eof_received

    def eof_received(self: UpstreamConnection) -> None:
        callback(self)
        # A request that is read in the same turn of the loop comes before ``connection_lost``.
        assert not taken
        taken.append(self._pool.take(self.key, perf_counter_ns()))

    monkeypatch.setattr(UpstreamConnection, "eof_received", eof_received)

    async def main() -> None:
        async with listening(tls if secure else None) as server, pool(ca_file=str(cert)) as connections:
            made = Call(server, connections, ("https" if secure else "http", "localhost", server.port))
            await made.send()
            await made.hears(FIVE)
            assert await made.ended() == (COMPLETED, True)
            made.peer.transport.close()
            await until(lambda: taken, "the end to be read")
            assert taken == [None]
            await until(lambda: made.peer.closed, "the peer to see the end")

    on_uvloop(main)


def test_a_connection_that_is_closing_is_not_taken() -> None:
    async def main() -> None:
        async with call() as made:
            await made.hears(FIVE)
            assert await made.ended() == (COMPLETED, True)
            made.connection.transport.close()
            assert not made.connection.closed
            assert made.pool.take(made.key, perf_counter_ns()) is None
            await until(lambda: made.connection.closed, "the connection to end")

    on_uvloop(main)


def test_a_half_closed_connection_is_not_used_again() -> None:
    async def main() -> None:
        async with call() as made:
            made.peer.transport.write(FIVE)
            made.peer.transport.write_eof()
            await within(10, made.exchange.done)
            await until(lambda: made.connection.closed, "the connection to end")
            assert made.pool.take(made.key, perf_counter_ns()) is None
            assert made.exchange.verdict == COMPLETED

    on_uvloop(main)
