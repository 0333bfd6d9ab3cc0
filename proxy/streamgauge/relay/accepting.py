"""What makes a connection's protocol when an application has connected, with TLS first or without."""

from __future__ import annotations

import asyncio
import weakref

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from streamgauge.relay.ageing import Ageing
from streamgauge.relay.departures import Departures
from streamgauge.relay.downstream import Downstream, Relay
from streamgauge.relay.handshakes import FailedHandshakes


class DownstreamServer(web.Server):
    """Makes a ``Downstream`` for each accepted connection."""

    def __init__(self, relay: Relay, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(_unused, loop=loop)
        self._relay = relay
        self._departures = Departures(loop)
        self._clients = relay.clients
        age = relay.settings.connection_age
        self._ageing = Ageing(age, loop) if age is not None else None
        self.shaking: weakref.WeakSet[Downstream] = weakref.WeakSet()
        """In their TLS handshake."""
        self.failed_handshakes = FailedHandshakes(loop)

    def __call__(self) -> RequestHandler:  # type: ignore[type-arg,unused-ignore]
        """The protocol factory."""
        return Downstream(self, self._relay, self._loop, self._departures)

    def shaking_hands(self, peername: object) -> Downstream | None:
        """The protocol of a connection that is not one yet, for its TLS handshake comes first; ``None`` where the client has too many already.

        ``shaken`` must be called when the handshake is over.
        """
        made = Downstream(self, self._relay, self._loop, self._departures)
        if self._clients is not None and not self._clients.arriving(made, peername):
            return None
        self.shaking.add(made)
        return made

    def shaken(self, made: Downstream, error: OSError | None) -> None:
        """A handshake is over; with ``error`` if it failed."""
        if error is not None:
            self.failed_handshakes.add(error)
        if made.transport is None:  # no connection came of it, or it has gone again
            self.shaking.discard(made)
            if self._clients is not None:
                self._clients.gone(made)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:  # type: ignore[type-arg,unused-ignore]
        """Called by a connection that was made."""
        super().connection_made(handler, transport)
        if self._ageing is not None and isinstance(handler, Downstream):
            self._ageing.born(handler)
        if self._clients is not None:
            self._clients.connected(handler, transport)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:  # type: ignore[type-arg,unused-ignore]
        """Called by a connection that has ended."""
        super().connection_lost(handler, exc)
        if self._ageing is not None and isinstance(handler, Downstream):
            self._ageing.gone(handler)
        if self._clients is not None:
            self._clients.gone(handler)

    async def shutdown(self, timeout: float | None = None) -> None:
        """As the base class does; nobody's leaving matters any more."""
        await super().shutdown(timeout)
        self._departures.close()


async def _unused(request: web.BaseRequest) -> web.StreamResponse:  # pragma: no cover - aiohttp wants a handler; ours is ``walk``
    raise NotImplementedError
