"""How a worker leaves: in a hurry when the proxy ends, at leisure when another worker has taken its place.

Knows: which connections may be ended now without hurting a request. Must not know: what is relayed on them.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from streamgauge.relay.accepting import DownstreamServer
from streamgauge.relay.downstream import REST_SECONDS, Downstream
from streamgauge.relay.handshakes import Handshakes

BACKLOG = 4096
"""Connections that wait to be accepted: a fleet of clients reconnecting at once, and the kernel's usual upper limit."""

LOOK_SECONDS = (0.02, 0.1)
"""How often connections are looked at, in a hurry and at leisure: each look costs a fraction of a microsecond for each of them."""

FRESH_SECONDS = (0.25, 5.0)
"""How long a new connection is waited for to say what it wants, in a hurry and at leisure: a round trip to the farthest application, and what
a pool takes that connects beforehand."""

LEISURE_SECONDS = 3600.0
"""The longest that open exchanges may keep a worker whose place is taken: as long as an upstream may keep silent (``relay.read_timeout``)."""

PATIENT_SECONDS = 10.0
"""So long a connection that is used again and again is left alone at leisure, in the hope of a rest; then it is ended behind its next answer."""

LAST_SECONDS = 1.0
"""What a cancelled walk gets to end: it only writes its measurement, which takes microseconds."""


class Walks(Protocol):
    """What is asked of the walk of requests."""

    draining: bool
    under_way: int


class Leaving:
    """One per worker. ``hurry`` and ``retire`` may come at any time and in any order; the last one counts."""

    def __init__(self, walk: Walks, server: DownstreamServer, loop: asyncio.AbstractEventLoop, drain_seconds: float) -> None:
        self._walk = walk
        self._server = server
        self._loop = loop
        self._drain_seconds = drain_seconds
        self._leisure = False
        self._succeeded = False
        self._since = 0.0
        self._deadline = 0.0
        self.asked = asyncio.Event()
        """Somebody wants the worker to leave."""

    def hurry(self) -> None:
        """The proxy ends: what is open has ``drain_seconds``."""
        self._leave(self._drain_seconds, leisure=False)

    def retire(self) -> None:
        """Another has taken our place: nobody waits for us."""
        self._succeeded = True
        self._leave(LEISURE_SECONDS, leisure=True)

    @property
    def has_successor(self) -> bool:
        """Whether another has taken our place, though we may be in a hurry by now."""
        return self._succeeded

    def _leave(self, seconds: float, *, leisure: bool) -> None:
        self._leisure = leisure
        self._since = self._loop.time()
        self._deadline = self._since + seconds
        self.asked.set()

    async def let_in(self, listener: socket.socket, handshakes: Handshakes | None = None) -> None:
        """Who had knocked before we were told to end: closing the last of a listening socket's descriptors would reset their connections.

        With TLS, ``handshakes`` go on all at once, for one that dawdles must not cost the others their time.
        """
        shaking: list[asyncio.Task[Any]] = []
        for accepted in _waiting(listener):
            if handshakes is None:
                shaking.append(self._loop.create_task(self._loop.connect_accepted_socket(self._server, accepted)))
            elif (handshake := handshakes.begin(accepted)) is not None:
                shaking.append(handshake)
        if shaking:
            await asyncio.wait(shaking, timeout=FRESH_SECONDS[self._leisure])
        for handshake in shaking:
            handshake.add_done_callback(_ended)

    async def leave(self, tick: Callable[[], None], tick_seconds: float) -> None:
        """Let open exchanges end and end the connections; return when nothing is under way, ``tick`` meanwhile.

        What is still open at the deadline is cut off, and has written its measurement when this returns.
        """
        ticked = -tick_seconds
        self._walk.draining = not self._leisure
        await asyncio.sleep(LOOK_SECONDS[False])  # a connection that was accepted this very moment is known only one turn of the loop later
        while True:
            now = self._loop.time()
            self._walk.draining = not self._leisure or now > self._since + PATIENT_SECONDS
            if now >= ticked + tick_seconds:
                tick()
                ticked = now
            if not self._still_asked(now) or now >= self._deadline:
                break
            await asyncio.sleep(LOOK_SECONDS[self._leisure])
        self._walk.draining = True
        await self._server.shutdown(timeout=0.1)
        await self._no_more_under_way(self._loop.time() + LAST_SECONDS)

    def _still_asked(self, now: float) -> bool:
        """Whether something is under way or about to come; connections on which nothing is are ended."""
        fresh = now < self._since + FRESH_SECONDS[self._leisure]
        asked = self._walk.under_way > 0 or (fresh and len(self._server.shaking) > 0)
        for connection in self._connections():
            if connection.is_asked() or (fresh and connection.is_fresh):
                asked = True
            elif not self._leisure:
                connection.close()
            else:
                asked = True  # it goes within moments
                if connection.rested(now) >= REST_SECONDS:
                    connection.part()
        return asked

    def _connections(self) -> Sequence[Downstream]:
        return [connection for connection in self._server.connections if isinstance(connection, Downstream)]

    async def _no_more_under_way(self, deadline: float) -> None:
        while self._walk.under_way and self._loop.time() < deadline:
            await asyncio.sleep(LOOK_SECONDS[False])


def _waiting(listener: socket.socket) -> list[socket.socket]:
    """Those in the kernel's queue."""
    found = []
    for _ in range(BACKLOG):
        try:
            accepted, _ = listener.accept()
        except OSError:  # nobody any more
            break
        accepted.setblocking(False)
        found.append(accepted)
    return found


def _ended(handshake: asyncio.Task[Any]) -> None:
    """Nobody may be left who wants to know how it failed, and the loop would complain."""
    if not handshake.cancelled():
        handshake.exception()
