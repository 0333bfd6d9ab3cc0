"""A mistake in the proxy itself: a reply, a measurement, a line in the log that tells no content."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from streamgauge.authorization import Authorization
from streamgauge.records import Ended, Measurement, SpoolRecord
from streamgauge.relay.accepting import DownstreamServer
from streamgauge.relay.connect import ConnectSettings, Tunnels
from streamgauge.relay.load import Load
from streamgauge.relay.pool import Key, Pool
from streamgauge.relay.request_signer import RequestSigner
from streamgauge.relay.settings import RelaySettings
from streamgauge.relay.sigv4 import Headers
from streamgauge.relay.slow import SlowPath
from streamgauge.relay.upstream import UpstreamConnection
from streamgauge.relay.walk import RequestWalk
from streamgauge.routing import Routes, shipped_table
from streamgauge.spool import SpoolSettings, SpoolWriter
from streamgauge.targets import Target, Targets, TargetSettings
from streamgauge.tenancy.tenant_settings import TenantSettings
from streamgauge.workload import WorkloadSettings
from tests.relay.loopback import Listener, listening, on_uvloop, pool, until, within
from tests.relay.messages import TARGETS, Request
from tests.spool.made import read_all, spools

SECRET = "a prompt that nobody must read"
ASK = Request(b"POST", TARGETS[0], (), b"{}")


class Mistaken(RequestSigner):
    """A signer with a mistake in it."""

    def resigns(self, authorization: Authorization | None, target: Target, headers: Mapping[str, str]) -> bool:
        return True

    async def sign(self, method: str, target: Target, headers: Headers, content: bytes, *more: object, **named: object) -> Headers:
        raise KeyError(SECRET)


class Patient(Mistaken):
    """A signer that takes its time."""

    def __init__(self) -> None:
        super().__init__("passthrough")
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()

    async def sign(self, method: str, target: Target, headers: Headers, content: bytes, *more: object, **named: object) -> Headers:
        self.asked.set()
        await self.go_on.wait()
        return headers


class Miscounting(Load):
    """A load with a mistake in it."""

    def begin(self, exchange: object, at: int) -> None:
        raise ZeroDivisionError(SECRET)


@asynccontextmanager
async def served(
    directory: Path, signer: RequestSigner, load: Load, upstream: Listener, connections: Pool
) -> AsyncIterator[tuple[int, RequestWalk]]:
    """A relay in this very loop: its port. Its spool is written out at the end."""
    loop = asyncio.get_running_loop()
    settings, table = RelaySettings(signing="passthrough"), shipped_table()
    targets = Targets(TargetSettings(upstreams={"bedrock-runtime": f"http://127.0.0.1:{upstream.port}"}, default_region="us-east-1"), table)
    spool = SpoolWriter(directory, SpoolSettings(), "w0")
    slow = SlowPath(settings, connections, connections.watch)
    walk = RequestWalk(
        settings,
        Routes(table),
        targets,
        signer,
        connections,
        slow,
        spool,
        load,
        "p",
        WorkloadSettings(),
        Tunnels(ConnectSettings(), targets),
        TenantSettings(),
    )
    server = await loop.create_server(DownstreamServer(walk, loop), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], walk
    finally:
        server.close()
        await slow.close()
        spool.close()


def measured(directory: Path) -> list[Measurement]:
    found: list[SpoolRecord] = [record for spool in spools(directory) for record in read_all(spool)]
    return [record.measurement for record in found if isinstance(record, Ended)]


@pytest.mark.parametrize("where", ["signer", "load"])
def test_a_mistake_is_replied_to_measured_and_logged_without_content(where: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> bytes:
        signer = Mistaken("passthrough") if where == "signer" else RequestSigner("passthrough")
        load = Miscounting() if where == "load" else Load()
        async with (
            listening() as upstream,
            pool() as connections,
            served(tmp_path, signer, load, upstream, connections) as (port, walk),
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(ASK.sent(b"h"))
            answer = await within(10, reader.read())
            writer.close()
            await until(lambda: not walk.under_way, "the walk to end")
            assert upstream.peers == []
            return answer

    with caplog.at_level(logging.DEBUG):
        answer = on_uvloop(main)
    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"x-streamgauge-reply: proxy_error\r\n" in answer
    assert SECRET not in caplog.text + answer.decode()
    error = "KeyError" if where == "signer" else "ZeroDivisionError"
    assert [record.getMessage() for record in caplog.records] == [f"an exchange was ended by {error} in the proxy itself; please report it"]
    assert [(m.outcome, m.side, m.http_status) for m in measured(tmp_path)] == [("proxy_error", "proxy", 500)]


def test_an_application_that_goes_away_while_we_sign_asks_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        signer = Patient()
        async with (
            listening() as upstream,
            pool() as connections,
            served(tmp_path, signer, Load(), upstream, connections) as (port, walk),
        ):
            # A connection is at hand: the request could leave at once.
            connections.give_back(await connections.connect(("http", "127.0.0.1", upstream.port)), 0)
            await until(lambda: upstream.peers, "the connection")
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(ASK.sent(b"h"))
            await within(10, signer.asked.wait())
            (exchange,) = walk._load.open
            writer.transport.abort()
            await until(lambda: exchange.verdict, "the application's end")
            signer.go_on.set()
            await until(lambda: not walk.under_way, "the walk to end")
            assert upstream.peers[0].received == b""

    on_uvloop(main)
    assert [(m.outcome, m.side) for m in measured(tmp_path)] == [("client_cancelled", "downstream")]


def test_an_application_that_goes_away_while_we_connect_is_measured_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with (
            listening() as upstream,
            pool() as connections,
            served(tmp_path, RequestSigner("passthrough"), Load(), upstream, connections) as (port, walk),
        ):
            connecting = asyncio.Event()

            async def never(key: object) -> None:
                connecting.set()
                await asyncio.Event().wait()

            monkeypatch.setattr(connections, "connect", never)
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(ASK.sent(b"h"))
            await within(10, connecting.wait())
            writer.transport.abort()
            await until(lambda: not walk.under_way, "the walk to end", 2.0)
            assert upstream.peers == []

    on_uvloop(main)
    (m,) = measured(tmp_path)
    assert (m.outcome, m.side, m.overhead_tail, m.connect) == ("client_cancelled", "downstream", 0.0, None)


def test_a_new_connection_that_has_ended_before_it_was_asked_anything_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> bytes:
        async with (
            listening() as upstream,
            pool() as connections,
            served(tmp_path, RequestSigner("passthrough"), Load(), upstream, connections) as (port, _),
        ):
            connect, made = connections.connect, []

            async def first_ends(key: Key) -> UpstreamConnection:
                made.append(await connect(key))
                if len(made) == 1:
                    made[0].transport.close()
                return made[-1]

            monkeypatch.setattr(connections, "connect", first_ends)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(ASK.sent(b"h"))
            await until(lambda: any(peer.received for peer in upstream.peers), "the request")
            (asked,) = [peer for peer in upstream.peers if peer.received]
            asked.transport.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            answer = await within(10, reader.readuntil(b"\r\n\r\n"))
            writer.close()
            return answer

    assert on_uvloop(main).startswith(b"HTTP/1.1 200 OK\r\n")
    assert [m.outcome for m in measured(tmp_path)] == ["completed"]
