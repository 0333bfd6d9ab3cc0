"""Idle upstream connections, and making new ones.

Last in, first out: the warmest connection is taken, so that after a burst the surplus grows old and is closed
(handing out the oldest first keeps thousands alive and was measured to double the cost of a call).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl

from streamgauge.addresses import Listeners
from streamgauge.errors import (
    EgressProxyRefused,
    NameTimeout,
    TlsTimeout,
    UpstreamNameUnknown,
    UpstreamTimeout,
    UpstreamTlsFailed,
    UpstreamUnreachable,
)
from streamgauge.relay.egress import EgressProxy, read_egress, silent, through
from streamgauge.relay.loop_watch import LoopWatch
from streamgauge.relay.names import Names
from streamgauge.relay.settings import RelaySettings
from streamgauge.relay.staggered import first_of
from streamgauge.relay.upstream import UpstreamConnection
from streamgauge.resolution import leads_to
from streamgauge.targets import own_listener

Key = tuple[str, str, int]
"""(scheme, host, port)."""


class Pool:
    """All upstream connections of one worker. Call from its event loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, settings: RelaySettings, watch: LoopWatch, listeners: Listeners | None = None
    ) -> None:
        self.watch = watch
        self._loop = loop
        self._settings = settings
        self._idle: dict[Key, list[UpstreamConnection]] = {}
        self.names = Names(loop, settings.dns_age)
        self._listeners = listeners or Listeners()
        self._egress = read_egress(settings.egress_proxy, os.environ)
        self._tls: ssl.SSLContext | None = None
        self._age_ns = int(settings.upstream_age * 1e9)

    def take(self, key: Key, at: int) -> UpstreamConnection | None:
        """The connection used last, if one is idle and young enough."""
        idle = self._idle.get(key)
        if not idle:
            return None
        oldest = at - self._age_ns
        while idle:
            connection = idle.pop()
            if connection.ending:
                continue
            if connection.made_at >= oldest:
                return connection
            connection.close()
        return None

    def give_back(self, connection: UpstreamConnection, at: int) -> None:
        """An exchange is over and its connection can serve another."""
        idle = self._idle.get(connection.key)
        if idle is None:
            idle = self._idle[connection.key] = []
        if len(idle) >= self._settings.upstream_idle_connections:
            connection.close()
            return
        connection.idle_since = at
        idle.append(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        """An idle connection was closed by the other side."""
        idle = self._idle.get(connection.key)
        if idle is not None:
            with contextlib.suppress(ValueError):
                idle.remove(connection)

    def trim(self, at: int) -> None:
        """Close what has been idle for too long."""
        limit = at - int(self._settings.upstream_idle * 1e9)
        for key, idle in list(self._idle.items()):
            keep = 0
            while keep < len(idle) and idle[keep].idle_since < limit:
                keep += 1
            old, self._idle[key] = idle[:keep], idle[keep:]
            for connection in old:
                connection.close()
            if not self._idle[key]:
                del self._idle[key]

    def close(self) -> None:
        """Close all idle connections."""
        for idle in self._idle.values():
            for connection in list(idle):
                connection.close()
        self._idle.clear()
        self.names.close()

    async def connect(self, key: Key) -> UpstreamConnection:
        """A new connection. Texts of errors name the host only.

        Raises ``UpstreamUnreachable``, ``UpstreamTlsFailed`` or ``UpstreamTimeout``; ``TargetNotAllowed`` where the name leads to ourselves.
        """
        egress = self.egress_for(key)
        if egress is not None:
            return await self._connect_through(egress, key)
        _, host, port = key
        addresses = await self._resolved(host, port)
        reached = asyncio.Event()
        try:
            async with asyncio.timeout(self._settings.connect_timeout) as limit:

                async def connect_to(address: str) -> UpstreamConnection:
                    return await self._connect_to(key, address, reached, limit)

                return await first_of(addresses, connect_to, lambda a: self.names.failed(host, port, a))
        except TimeoutError:
            self.names.doubt(host, port)
            raise self._too_slow(host, port, tls=reached.is_set()) from None
        except ssl.SSLError as error:
            raise UpstreamTlsFailed(f"no trusted TLS session with {host}:{port} ({error.reason or 'handshake failed'})") from None
        except OSError as error:
            self.names.doubt(host, port)
            raise _unreachable(key, error) from None

    def egress_for(self, key: Key) -> EgressProxy | None:
        """The corporate proxy that the way there leads through, if any."""
        egress = self._egress
        return egress if egress is not None and key[0] == "https" and egress.serves(key[1], key[2]) else None

    async def _connect_through(self, egress: EgressProxy, key: Key) -> UpstreamConnection:
        """By the corporate proxy, which also looks up the name. Raises as ``connect`` does, and ``EgressProxyRefused``."""
        _, host, port = key
        opened = asyncio.Event()

        async def connect_to(address: str) -> UpstreamConnection:
            connection = UpstreamConnection(self, key)
            await through(egress, address, host, port, connection, self.tls(), opened)
            _without_delay(connection)
            return connection

        seconds = self._settings.connect_timeout + self._settings.tls_timeout
        try:
            async with asyncio.timeout(self._settings.name_timeout):
                addresses = await self.addresses(egress.host, egress.port)
            async with asyncio.timeout(seconds):
                return await first_of(addresses, connect_to, lambda a: self.names.failed(egress.host, egress.port, a))
        except TimeoutError:
            if opened.is_set():
                raise TlsTimeout(f"no TLS session with {host}:{port} through the egress proxy {egress.name} within {seconds:g} s") from None
            self.names.doubt(egress.host, egress.port)
            raise EgressProxyRefused(f"the egress proxy {egress.name} {silent(host, port)}") from None
        except (OSError, UnicodeError) as error:
            self.names.doubt(egress.host, egress.port)
            reason = getattr(error, "strerror", None) or ("it ended the connection" if isinstance(error, ConnectionError) else "no address")
            raise EgressProxyRefused(f"the egress proxy {egress.name} cannot be reached ({reason})") from None

    async def refuse_ourselves(self, host: str, port: int) -> None:
        """For who connects by himself. Raises ``TargetNotAllowed`` where the name leads to us; looks it up only where the port is ours."""
        if self._listeners.on(port):
            with contextlib.suppress(OSError, UnicodeError):  # who connects will see it for himself
                await self.addresses(host, port)

    async def addresses(self, host: str, port: int) -> list[str]:
        """Of a host, the most promising first. Raises as ``Names.addresses``, and ``TargetNotAllowed`` where one of them is ours."""
        found = await self.names.addresses(host, port)
        if leads_to(self._listeners, found, port):
            raise own_listener(host, port)
        return found

    async def _resolved(self, host: str, port: int) -> list[str]:
        try:
            async with asyncio.timeout(self._settings.name_timeout):
                return await self.addresses(host, port)
        except TimeoutError:
            raise NameTimeout(f"the name {host} was not resolved within {self._settings.name_timeout:g} s (relay.name_timeout)") from None
        except UnicodeError:
            raise UpstreamNameUnknown(f"{host}:{port} cannot be reached (not the name of a host)") from None
        except OSError as error:
            raise UpstreamNameUnknown(f"{host} has no address ({error.strerror or 'the resolver did not say why'})") from None

    def _too_slow(self, host: str, port: int, *, tls: bool) -> UpstreamTimeout:
        if tls:
            seconds = self._settings.tls_timeout
            return TlsTimeout(
                f"{host}:{port} accepted a connection, but made no TLS session of it within {seconds:g} s (relay.tls_timeout)"
            )
        return UpstreamTimeout(
            f"{host}:{port} did not accept a connection within {self._settings.connect_timeout:g} s (relay.connect_timeout)"
        )

    async def _connect_to(self, key: Key, address: str, reached: asyncio.Event, limit: asyncio.Timeout) -> UpstreamConnection:
        """To one address. The first that accepts a connection sets ``reached``; from then on ``limit`` is that of a TLS session."""
        scheme, host, port = key
        if scheme == "https":
            connection = await self._secured(key, await connected(self._loop, address, port), host, reached, limit)
        else:
            _, connection = await self._loop.create_connection(lambda: UpstreamConnection(self, key), address, port)
        _without_delay(connection)
        return connection

    async def _secured(
        self, key: Key, sock: socket.socket, host: str, reached: asyncio.Event, limit: asyncio.Timeout
    ) -> UpstreamConnection:
        seconds = self._settings.tls_timeout
        if not reached.is_set():
            reached.set()
            limit.reschedule(self._loop.time() + seconds)
        try:
            _, connection = await self._loop.create_connection(
                lambda: UpstreamConnection(self, key),
                sock=sock,
                ssl=self.tls(),
                server_hostname=host,
                ssl_handshake_timeout=2 * seconds,  # ours comes first, and says what it is
            )
        except BaseException:
            sock.close()
            raise
        return connection

    def tls(self) -> ssl.SSLContext:
        """The context of all TLS connections; made once."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
            if self._settings.ca_file is not None:  # besides the system's: named as an argument, it would take their place
                self._tls.load_verify_locations(self._settings.ca_file)
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


async def connected(loop: asyncio.AbstractEventLoop, address: str, port: int) -> socket.socket:
    """A TCP connection to one address. Raises ``OSError``."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await loop.sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _without_delay(connection: UpstreamConnection) -> None:
    raw = connection.transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _unreachable(key: Key, error: OSError) -> UpstreamUnreachable:
    scheme, host, port = key
    # A refused connection is another error: this one was accepted, and ended before a session came of it.
    if scheme == "https" and isinstance(error, (ConnectionResetError, ConnectionAbortedError)):
        return UpstreamTlsFailed(f"no trusted TLS session with {host}:{port} (it ended the handshake)")
    return UpstreamUnreachable(f"{host}:{port} cannot be reached ({error.strerror or 'no address'})")
