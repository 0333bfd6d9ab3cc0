"""Small real hops that treat a stream as common ones do: straight on, corked, with Nagle's algorithm on, or kept until a buffer is full."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

Manner = Literal["straight", "cork", "nagle"]


class Hop:
    """Carries bytes between its own port and ``upstream``, in both directions, while the block runs."""

    def __init__(self, upstream: tuple[str, int], manner: Manner = "straight") -> None:
        self._upstream, self._manner = upstream, manner
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """As a base URL."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for sock in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for sock in (self._listener, *self._sockets):
            sock.close()

    def _start(self, run: object, *arguments: object) -> None:
        assert callable(run)
        thread = threading.Thread(target=run, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._upstream)
                self._sockets += [near, far]
                far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(self._manner != "nagle"))
                near.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, int(self._manner == "cork"))
                self._start(self._carry, near, far)
                self._start(self._carry, far, near)

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


NGINX = """
daemon off; worker_processes 1; pid {work}/nginx.pid; error_log {work}/error.log warn;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {work}/b; proxy_temp_path {work}/p; fastcgi_temp_path {work}/f; uwsgi_temp_path {work}/u; scgi_temp_path {work}/s;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{upstream}; {more} }}
  }}
}}
"""


STREAMING = 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;'


class Nginx:
    """A reverse proxy that buffers, as it does unless told otherwise."""

    def __init__(self, work: Path, upstream: int, *, buffering: bool) -> None:
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port = int(free.getsockname()[1])
        self._file = work / "nginx.conf"
        text = NGINX.format(work=work, port=self.port, upstream=upstream, more="" if buffering else STREAMING)
        self._file.write_text(text, encoding="utf-8")

    @property
    def url(self) -> str:
        """As a base URL."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        program = shutil.which("nginx")
        assert program is not None
        self._process = subprocess.Popen([program, "-c", str(self._file)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return self
            assert time.monotonic() < deadline, "nginx does not listen"
            time.sleep(0.01)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait(20)
