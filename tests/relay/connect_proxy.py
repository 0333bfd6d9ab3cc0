"""A small corporate proxy: CONNECT only, with credentials if it asks for them, over TLS if it has a certificate."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.relay.wire import DEADLINE, read_until


class ConnectProxy:
    """Tunnels to where ``names`` leads, whatever name was asked for; ``asked`` are the heads of the CONNECT requests it got."""

    def __init__(self, target_port: int, *, user: str | None = None, tls: ssl.SSLContext | None = None, status: int = 200) -> None:
        self.asked: list[bytes] = []
        self._target_port, self._tls, self._status = target_port, tls, status
        self._expected = None if user is None else b"Basic " + base64.b64encode(user.encode())
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._listener.close()
        for sock in self._open:
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(DEADLINE)
        with suppress(OSError, EOFError):
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._open.append(sock)
            head, _ = read_until(sock, b"", b"\r\n\r\n")
            self.asked.append(head)
            status = self._status
            if self._expected is not None and b"Proxy-Authorization: " + self._expected not in head.split(b"\r\n"):
                status = 407
            sock.sendall(b"HTTP/1.1 %d Said so\r\n\r\n" % status)
            if status == 200:
                self._tunnel(sock)
            else:
                sock.close()

    def _tunnel(self, sock: socket.socket) -> None:
        upstream = socket.create_connection(("127.0.0.1", self._target_port))
        self._open.append(upstream)
        sock.settimeout(None)
        back = threading.Thread(target=_copy, args=(upstream, sock), daemon=True)
        back.start()
        _copy(sock, upstream)
        back.join(DEADLINE)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
