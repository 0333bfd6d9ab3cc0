"""The sockets that the supervisor holds for its whole life."""

from __future__ import annotations

import socket
from typing import Any

from streamgauge.errors import CouldNotRun

LISTEN_BACKLOG = 4096


def split(address: str) -> tuple[str, int]:
    """Host and port. Raises ``CouldNotRun``."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        raise CouldNotRun(f"{address!r} is not host:port, such as 127.0.0.1:8787")
    return host.strip("[]"), int(port)


def bind(address: str, *, shared: bool = False) -> socket.socket:
    """A listening socket. ``shared``: on a port that is ours already, for a further worker. Raises ``CouldNotRun`` naming the address."""
    host, port = split(address)
    try:
        family, kind, _, _, name = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        if port and not shared:
            _refuse_taken(name, family)
        sock = socket.socket(family, kind)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind(name)
            sock.listen(LISTEN_BACKLOG)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        raise CouldNotRun(f"cannot listen on {address} ({error.strerror}): is another proxy running? Choose another address") from error
    return sock


def _refuse_taken(name: Any, family: int) -> None:
    """SO_REUSEPORT would let a second proxy, or our own admin interface, share the port without a word."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(name)


def shown(sock: socket.socket) -> str:
    """The address a socket is bound to, as ``host:port``."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
