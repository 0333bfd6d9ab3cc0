"""How many connections and requests each client may have at a time, and all of them together.

A client is an address; of IPv6 its /64, for that much is one host's to choose from. Only clients that have a connection are remembered.
Knows: what is open and where it came from. Must not know: what is asked, how a refusal is worded for the caller.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Hashable
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Protocol

from streamgauge.relay.refusal import ClientLimit, Full

REFUSED_SECONDS = 5.0
"""What a connection over the limit gets to ask something and be told why it is refused; botocore and httpx ask within milliseconds."""

OVER = 2
"""From so many times the limit on a connection is ended without a word: being told takes a descriptor and some kilobytes.

With TLS it is ended at the limit itself: being told would take a handshake, which is what floods are made of."""

TOLD_EVERY_NS = 10_000_000_000
"""Connections ended without a word are told of in the log, not more often than that."""

_log = logging.getLogger("streamgauge.relay")


@dataclass(frozen=True)
class LimitSettings:
    """Bounds for applications, of each worker; ``None``: none.

    ``max_connections``: all connections together. ``client_connections`` and ``client_requests``: of one client (an address) at a time.
    """

    max_connections: int | None = None
    client_connections: int | None = None
    client_requests: int | None = None


class Connection(Hashable, Protocol):
    """What is asked of a connection."""

    def close(self) -> None:
        """End it when what is under way is over."""


class Client:
    """What one client has open."""

    __slots__ = ("connections", "requests")

    def __init__(self) -> None:
        self.connections = self.requests = 0


class Place:
    """One connection's: whose it is, why nothing is taken from it, whether something is being asked."""

    __slots__ = ("asking", "client", "key", "refused")

    def __init__(self, key: str, client: Client) -> None:
        self.key = key
        self.client = client
        self.refused: ClientLimit | Full | None = None
        self.asking = False


class Clients:
    """One per worker, where there are limits at all."""

    def __init__(self, settings: LimitSettings, loop: asyncio.AbstractEventLoop) -> None:
        self._settings = settings
        self._loop = loop
        self._places: dict[Connection, Place] = {}
        self._clients: dict[str, Client] = {}
        self._turned_away = 0
        self._told_at = -TOLD_EVERY_NS

    def connected(self, connection: Connection, transport: asyncio.Transport) -> None:
        """A connection was made. One over a limit is refused when it asks, one far over it at once; one that was ``arriving`` has its place."""
        if connection in self._places:
            return
        place = self._enter(connection, transport.get_extra_info("peername"))
        if place.refused is None:
            return
        if self._far_over(place.client):
            self._turn_away()
            transport.abort()
        else:
            self._loop.call_later(REFUSED_SECONDS, connection.close)

    def arriving(self, connection: Connection, peername: object) -> bool:
        """A connection counts from now on that is in its TLS handshake; ``False``: it does not, for it is over a limit and to be ended at once."""
        if self._enter(connection, peername).refused is None:
            return True
        self.gone(connection)
        self._turn_away()
        return False

    def _enter(self, connection: Connection, peername: object) -> Place:
        key = client_of(peername)
        client = self._clients.setdefault(key, Client())
        client.connections += 1
        place = self._places[connection] = Place(key, client)
        place.refused = self._refusal(client)
        return place

    def gone(self, connection: Connection) -> None:
        """A connection has ended, or its handshake has failed."""
        place = self._places.pop(connection, None)
        if place is None:
            return
        client = place.client
        client.connections -= 1
        client.requests -= place.asking
        place.asking = False
        if not client.connections:
            del self._clients[place.key]

    def begin(self, connection: Connection) -> None:
        """Something is asked. Raises ``Full`` or ``ClientLimit``."""
        place = self._places.get(connection)
        if place is None:  # it has gone this moment
            return
        if place.refused is not None:
            raise place.refused
        most = self._settings.client_requests
        if most is not None and place.client.requests >= most:
            raise ClientLimit(f"{most} requests of this address are under way already (relay.limits.client_requests)")
        place.asking = True
        place.client.requests += 1

    def end(self, connection: Connection) -> None:
        """What was asked is over, begun or refused."""
        place = self._places.get(connection)
        if place is not None and place.asking:
            place.asking = False
            place.client.requests -= 1

    def _refusal(self, client: Client) -> ClientLimit | Full | None:
        limits = self._settings
        if limits.max_connections is not None and len(self._places) > limits.max_connections:
            return Full(f"{limits.max_connections} connections are open already (relay.limits.max_connections)")
        if limits.client_connections is not None and client.connections > limits.client_connections:
            return ClientLimit(
                f"{limits.client_connections} connections of this address are open already (relay.limits.client_connections)"
            )
        return None

    def _far_over(self, client: Client) -> bool:
        limits = self._settings
        return (limits.max_connections is not None and len(self._places) > OVER * limits.max_connections) or (
            limits.client_connections is not None and client.connections > OVER * limits.client_connections
        )

    def _turn_away(self) -> None:
        self._turned_away += 1
        now = perf_counter_ns()
        if now - self._told_at >= TOLD_EVERY_NS:
            _log.warning("%d connection(s) over a limit of relay.limits were ended unanswered", self._turned_away)
            self._turned_away, self._told_at = 0, now


def clients(settings: LimitSettings, loop: asyncio.AbstractEventLoop) -> Clients | None:
    """``None`` where nothing is limited, which then costs nothing."""
    return Clients(settings, loop) if settings != LimitSettings() else None


def client_of(peername: object) -> str:
    """Whose a connection is, by its peer's name as asyncio gives it; without one all are one client."""
    if not isinstance(peername, tuple) or not peername:
        return ""
    host = str(peername[0]).partition("%")[0]
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host)
    return str(address.ipv4_mapped) if address.ipv4_mapped is not None else str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
