"""What an application's connection asks of the kernel and aiohttp does not: whether it has ended unread, what lies unread, to be reset.

Uses parts of ``RequestHandler`` that aiohttp does not promise to keep; see ``downstream``.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
import termios
from typing import TYPE_CHECKING, Any

from aiohttp.web_protocol import RequestHandler

if TYPE_CHECKING:
    from streamgauge.relay.departures import Departures

RESET_AT_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER, on, for no time: the kernel resets instead of ending."""


class RawConnection(RequestHandler):  # type: ignore[type-arg,unused-ignore]
    """The base of ``Downstream``."""

    __slots__ = ("_departures", "_watched")

    def __init__(self, departures: Departures, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._departures = departures
        self._watched: int | None = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """Callback of asyncio."""
        self._watch_no_more()
        super().connection_lost(exc)

    def _pause_transport_reading(self) -> None:
        """Called by aiohttp where enough is queued. An end of the connection must be noticed all the same."""
        super()._pause_transport_reading()
        raw = self._socket()
        if raw is not None and self._watched is None:
            self._watched = raw.fileno()
            self._departures.watch(self._watched, self._left)

    def _resume_transport_reading(self) -> None:
        """Called by aiohttp: who reads notices the end by himself."""
        self._watch_no_more()
        super()._resume_transport_reading()

    def _watch_no_more(self) -> None:
        if self._watched is not None:
            self._departures.forget(self._watched)
            self._watched = None

    def _left(self) -> None:
        self._watched = None
        if self.transport is not None:
            self.transport.close()

    def _socket(self) -> Any:
        return None if self.transport is None else self.transport.get_extra_info("socket")

    def has_unread(self) -> bool:
        """The kernel holds bytes of the application that were not read yet."""
        raw = self._socket()
        return raw is not None and int.from_bytes(fcntl.ioctl(raw.fileno(), termios.FIONREAD, bytes(4)), sys.byteorder) > 0

    def reset(self) -> None:
        """Break the connection in a way that cannot pass for its orderly end."""
        raw = self._socket()
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        if self.transport is not None:
            self.transport.abort()
