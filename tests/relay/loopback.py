"""Real sockets on loopback: a peer that a test directs byte by byte, and an application's side that writes down what it gets."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import uvloop

from streamgauge.addresses import Listeners
from streamgauge.measure.observation import Observation
from streamgauge.measure.timing import Points
from streamgauge.records import Measurement, Operation
from streamgauge.relay.exchange import Exchange
from streamgauge.relay.loop_watch import LoopWatch
from streamgauge.relay.pool import Pool
from streamgauge.relay.settings import RelaySettings

T = TypeVar("T")

OPAQUE = Operation("bedrock-runtime", "opaque", "opaque", streaming=True)
"""Its body is not looked at."""

CHAT = Operation("bedrock-mantle", "ChatCompletions", "openai_chat", streaming=True, model="m")


def on_uvloop(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run on the product's own event loop; what it complains about fails the test."""
    complaints: list[dict[str, Any]] = []

    async def watched() -> T:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        return await main()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(watched())
    assert complaints == []
    return result


async def until(condition: Callable[[], object], what: str, seconds: float = 10.0) -> None:
    """Wait for ``condition``; fail naming ``what`` did not come."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.001)
    except TimeoutError:
        raise AssertionError(f"waited in vain: {what}") from None


class Peer(asyncio.Protocol):
    """The other side of one accepted connection."""

    def __init__(self, made: list[Peer]) -> None:
        self.received = b""
        self.closed = False
        self.transport: asyncio.Transport
        self._made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._made.append(self)

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True

    def reset(self) -> None:
        """End the connection with a reset, as a process that crashes does."""
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    async def says(self, data: bytes) -> None:
        """Send, and let it leave as a segment of its own."""
        self.transport.write(data)
        await until(lambda: not self.transport.get_write_buffer_size(), "the kernel to take what the peer says")


class Listener:
    """A server; ``peers`` are its connections in the order they came, with TLS only those that got through the handshake."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.port = 0

    def accept(self) -> Peer:
        return Peer(self.peers)


@asynccontextmanager
async def listening(tls: ssl.SSLContext | None = None) -> AsyncIterator[Listener]:
    made = Listener()
    server = await asyncio.get_running_loop().create_server(made.accept, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for peer in made.peers:
            if not peer.closed:
                peer.transport.abort()
        await until(lambda: all(peer.closed for peer in made.peers), "the peers to end")


@asynccontextmanager
async def pool(own_addresses: tuple[str, ...] = (), **settings: Any) -> AsyncIterator[Pool]:
    """A pool with these relay settings, of a proxy that listens on ``own_addresses``."""
    loop = asyncio.get_running_loop()
    watch = LoopWatch(loop)
    made = Pool(loop, RelaySettings(**settings), watch, Listeners(own_addresses))
    try:
        yield made
    finally:
        made.close()
        watch.stop()


class Application:
    """The application's end of an exchange: what was written to it, and whether it was broken off."""

    def __init__(self, unsent: int = 0) -> None:
        self.received = b""
        self.aborted = False
        self.unsent = unsent

    def write(self, data: bytes) -> None:
        self.received += data

    def abort(self) -> None:
        self.aborted = True

    def get_write_buffer_size(self) -> int:
        return self.unsent


class Side:
    """An upstream connection as an exchange sees it: what it was told to do."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pause(self) -> None:
        self.told.append("pause")

    def resume(self) -> None:
        self.told.append("resume")

    def abort(self) -> None:
        self.told.append("abort")


def exchange(
    *,
    operation: Operation = CHAT,
    streaming: bool | None = True,
    http_1_0: bool = False,
    first_output: Callable[[Exchange], None] | None = None,
) -> tuple[Exchange, Application]:
    """An exchange whose request is complete, in a running loop, and its application."""
    application = Application()
    m = Measurement(
        exchange_id=f"e{id(application)}",
        started_at="2026-11-24T05:00:00.000000Z",
        proxy_id="p",
        service=operation.service,
        requested_model=operation.model,
        outcome="proxy_error",
    )
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    observation = Observation(Points(head=0, body=1, issued=2), streaming=streaming)
    made = Exchange(done, application, operation, observation, m, first_output or (lambda _: None), http_1_0=http_1_0)
    return made, application


async def within(seconds: float, what: Awaitable[T]) -> T:
    """Await with a deadline."""
    async with asyncio.timeout(seconds):
        return await what


def certificate(directory: Path, name: str = "localhost") -> tuple[Path, ssl.SSLContext]:
    """A self-signed certificate for ``name``, and a server's context with it."""
    cert, key = directory / f"{name}.pem", directory / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command += ["-keyout", str(key), "-out", str(cert), "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return cert, context
