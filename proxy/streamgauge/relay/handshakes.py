"""TLS handshakes of applications: who is in one counts as a connection, and those that fail are counted and told of.

The loop's own TLS server says neither who knocks nor that it failed; so the listening sockets are read here.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamgauge.relay.accepting import DownstreamServer

AT_ONCE = 64
"""Connections accepted in one turn of the loop: a flood does not hold up the streams."""

PAUSE_SECONDS = 1.0
"""After the system had no descriptor left for a connection; the loop's own servers wait as long."""

TELL_SECONDS = 60.0
"""Handshakes that failed are told of in the log not more often than that."""

_log = logging.getLogger("streamgauge.relay")


class FailedHandshakes:
    """One per worker. ``total``: those since its start."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._reasons: Counter[str] = Counter()
        self._told_at = -TELL_SECONDS
        self._timer: asyncio.TimerHandle | None = None
        self.total = 0

    def add(self, error: OSError) -> None:
        """One has failed."""
        self.total += 1
        self._reasons[reason(error)] += 1
        if self._timer is None:
            self._timer = self._loop.call_later(max(0.0, self._told_at + TELL_SECONDS - self._loop.time()), self._tell)

    def _tell(self) -> None:
        reasons = ", ".join(f"{reason} ({count})" for reason, count in self._reasons.most_common())
        _log.warning("%d TLS handshake(s) with applications failed: %s; %d since the start", self._reasons.total(), reasons, self.total)
        self._reasons.clear()
        self._told_at, self._timer = self._loop.time(), None


def reason(error: OSError) -> str:
    """Of a handshake that failed, in a few words; of a short list, for those of OpenSSL are constants."""
    if isinstance(error, ssl.SSLError):
        return (getattr(error, "reason", None) or "no reason given").lower().replace("_", " ")
    return "took too long" if isinstance(error, (ConnectionAbortedError, TimeoutError)) else "connection ended"


class Handshakes:
    """The TLS listeners of one worker. ``options``: what the loop is told of a connection's TLS."""

    def __init__(self, server: DownstreamServer, loop: asyncio.AbstractEventLoop, options: Mapping[str, Any]) -> None:
        self._server = server
        self._loop = loop
        self._options = options
        self._listening: set[socket.socket] = set()
        self._under_way: set[asyncio.Task[None]] = set()

    def listen(self, listener: socket.socket, backlog: int) -> None:
        """Take connections from ``listener``, which is ours from now on."""
        listener.setblocking(False)
        listener.listen(backlog)
        self._listening.add(listener)
        self._go_on(listener)

    def close(self, listener: socket.socket) -> None:
        """Take no more, and close it."""
        self._listening.discard(listener)
        self._loop.remove_reader(listener.fileno())
        listener.close()

    def begin(self, accepted: socket.socket) -> asyncio.Task[None] | None:
        """Shake hands with who was accepted; ``None`` where that is over a limit, or has gone."""
        try:
            made = self._server.shaking_hands(accepted.getpeername())
        except OSError:
            made = None
        if made is None:
            accepted.close()
            return None
        task = self._loop.create_task(self._shake(made, accepted))
        self._under_way.add(task)  # the loop alone would not keep it
        task.add_done_callback(self._under_way.discard)
        return task

    async def _shake(self, made: Any, accepted: socket.socket) -> None:
        failed = None
        try:
            await self._loop.connect_accepted_socket(lambda: made, accepted, **self._options)
        except OSError as error:
            failed = error
        finally:
            self._server.shaken(made, failed)

    def _go_on(self, listener: socket.socket) -> None:
        if listener in self._listening:
            self._loop.add_reader(listener.fileno(), self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                accepted, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # no descriptor is left
                _log.error("a TLS connection cannot be accepted (%s); trying again in %g s", error.strerror, PAUSE_SECONDS)
                self._loop.remove_reader(listener.fileno())
                self._loop.call_later(PAUSE_SECONDS, self._go_on, listener)
                return
            accepted.setblocking(False)
            self.begin(accepted)
