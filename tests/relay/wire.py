"""A real worker between a caller and an upstream that both speak in exact bytes."""

from __future__ import annotations

import dataclasses
import queue
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import msgspec

from streamgauge.records import Ended, Measurement
from streamgauge.relay.connect import ConnectSettings
from streamgauge.relay.settings import RelaySettings
from streamgauge.relay.tls import TlsSettings
from streamgauge.relay.worker import WorkerSettings
from streamgauge.spool import SpoolSettings
from streamgauge.targets import TargetSettings
from streamgauge.tenancy.tenant_settings import TenantSettings
from tests.spool.made import read_all, spools

DEADLINE = 5.0
"""Seconds; what has not happened by then does not happen."""

Step = bytes | threading.Event | Literal["close", "reset", "wait for the end"]
"""What an upstream does: say bytes, wait for an event, end its connection, or read until the other side ends it."""


def until(condition: Callable[[], object], what: str, seconds: float = DEADLINE) -> None:
    """Wait for ``condition``; fail naming ``what`` did not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.001)


def end(sock: socket.socket, *, reset: bool = False) -> None:
    """Close; with ``reset`` as a process does that crashes."""
    if reset:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def read_until(sock: socket.socket, have: bytes, mark: bytes) -> tuple[bytes, bytes]:
    """(up to and with ``mark``, the rest). Raises ``EOFError`` when the connection ends before."""
    while mark not in have:
        data = sock.recv(1 << 16)
        if not data:
            raise EOFError
        have += data
    cut = have.index(mark) + len(mark)
    return have[:cut], have[cut:]


def read_chunks(sock: socket.socket, rest: bytes) -> tuple[bytes, bytes, bytes]:
    """(the raw chunked body, its content, the rest); trailers belong to the raw body."""
    raw = content = b""
    while True:
        line, rest = read_until(sock, rest, b"\r\n")
        size = int(line.partition(b";")[0], 16)
        raw += line
        if not size:
            break
        while len(rest) < size + 2:
            data = sock.recv(1 << 16)
            if not data:
                raise EOFError
            rest += data
        raw, content, rest = raw + rest[: size + 2], content + rest[:size], rest[size + 2 :]
    while True:
        line, rest = read_until(sock, rest, b"\r\n")
        raw += line
        if line == b"\r\n":
            return raw, content, rest


@dataclass
class Connection:
    """One connection that the upstream accepted; ``ended`` when the proxy has ended it."""

    sock: socket.socket
    ended: threading.Event = field(default_factory=threading.Event)
    requests: int = 0


class RawUpstream:
    """Writes down the very bytes of each request and answers with the steps it was given for it."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.requests: queue.Queue[bytes] = queue.Queue()
        self.connections: list[Connection] = []
        self._answers: queue.Queue[Sequence[Step]] = queue.Queue()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def host(self) -> bytes:
        """What stands in Host."""
        return b"127.0.0.1:%d" % self.port

    def will(self, *steps: Step) -> None:
        """The answer to the next request that has none yet."""
        self._answers.put(steps)

    def received(self) -> bytes:
        """The next request."""
        return self.requests.get(timeout=DEADLINE)

    def forget(self) -> None:
        """Begin afresh after a test that failed half-way."""
        self.requests = queue.Queue()
        self._answers = queue.Queue()
        for connection in self.connections:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """No longer there."""
        self._listener.close()
        for connection in self.connections:
            connection.sock.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(DEADLINE)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                try:
                    sock = self._tls.wrap_socket(sock, server_side=True)
                except OSError:  # it does not trust us
                    sock.close()
                    continue
            connection = Connection(sock)
            self.connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: Connection) -> None:
        rest = b""
        try:
            while True:
                connection.sock.settimeout(None)  # the relay keeps connections that it does not use for a while
                rest = self._take(connection, rest)
                connection.sock.settimeout(DEADLINE)
                for step in self._answers.get(timeout=DEADLINE):
                    self._do(connection.sock, step)
        except (EOFError, ConnectionError):
            connection.ended.set()
        except (OSError, ValueError, queue.Empty):
            pass  # we ended it ourselves, or nothing more is asked of us

    def _take(self, connection: Connection, rest: bytes) -> bytes:
        head, rest = read_until(connection.sock, rest, b"\r\n\r\n")
        names = {line.partition(b":")[0].lower(): line.partition(b":")[2].strip() for line in head.split(b"\r\n")[1:]}
        body = b""
        if b"transfer-encoding" in names:
            body, _, rest = read_chunks(connection.sock, rest)
        elif b"content-length" in names:
            size = int(names[b"content-length"])
            while len(rest) < size:
                data = connection.sock.recv(1 << 20)
                if not data:
                    raise EOFError
                rest += data
            body, rest = rest[:size], rest[size:]
        connection.requests += 1
        self.requests.put(head + body)
        return rest

    @staticmethod
    def _do(sock: socket.socket, step: Step) -> None:
        if isinstance(step, bytes):
            sock.sendall(step)
        elif isinstance(step, threading.Event):
            if not step.wait(DEADLINE):
                raise OSError
        elif step == "wait for the end":
            while sock.recv(1 << 16):
                pass
            raise EOFError
        else:
            end(sock, reset=step == "reset")
            raise OSError


class Caller:
    """An application's connection to the relay."""

    def __init__(self, port: int, receive_buffer: int | None = None) -> None:
        self.sock = socket.socket()
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(DEADLINE)
        self.sock.connect(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def secure(self, context: ssl.SSLContext, name: str) -> None:
        """Go on with TLS. Raises ``ssl.SSLError``."""
        self.sock = context.wrap_socket(self.sock, server_hostname=name, suppress_ragged_eofs=False)

    def send(self, *data: bytes) -> None:
        """Each piece as a segment of its own."""
        for piece in data:
            self.sock.sendall(piece)

    def read(self, size: int) -> bytes:
        """Exactly so many bytes, or what came before the connection ended."""
        parts, have = [self._rest], len(self._rest)
        while have < size:
            data = self.sock.recv(1 << 20)
            if not data:
                break
            parts.append(data)
            have += len(data)
        raw = b"".join(parts)
        self._rest = raw[size:]
        return raw[:size]

    def read_head(self) -> bytes:
        """Up to the empty line."""
        head, self._rest = read_until(self.sock, self._rest, b"\r\n\r\n")
        return head

    def read_chunked(self) -> bytes:
        """The content of a chunked body."""
        _, content, self._rest = read_chunks(self.sock, self._rest)
        return content

    def read_to_end(self) -> tuple[bytes, bool]:
        """(what came until the connection ended, whether it was broken rather than ended)."""
        parts = [self._rest]
        self._rest = b""
        while True:
            try:
                data = self.sock.recv(1 << 20)
            except ConnectionResetError:
                return b"".join(parts), True
            if not data:
                return b"".join(parts), False
            parts.append(data)

    def close(self, *, reset: bool = False) -> None:
        """Go away."""
        end(self.sock, reset=reset)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.sock.close()


class Relay:
    """A worker process as the supervisor starts it, in front of one upstream for every service."""

    def __init__(
        self,
        directory: Path,
        upstream: str,
        *,
        drain_seconds: float = 5.0,
        extra_hosts: tuple[str, ...] = (),
        tls: TlsSettings | None = None,
        connect: ConnectSettings | None = None,
        tenants: TenantSettings | None = None,
        **relay: Any,
    ) -> None:
        self.directory = directory
        self.log = directory / "log"
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = listener.getsockname()[1]
        secured = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.tls_port: int = secured.getsockname()[1]
        services = ("bedrock-runtime", "sagemaker-runtime", "bedrock-mantle")
        targets = TargetSettings(upstreams=dict.fromkeys(services, upstream), default_region="us-east-1", extra_hosts=extra_hosts)
        settings = WorkerSettings(
            worker_id="w0",
            proxy_id="p",
            fds=(listener.fileno(),),
            spool_dir=str(directory),
            relay=RelaySettings(**{"signing": "passthrough", **relay}),
            targets=targets,
            spool=SpoolSettings(),
            drain_seconds=drain_seconds,
            own_addresses=(f"127.0.0.1:{self.port}", f"127.0.0.1:{self.tls_port}"),
            tls_fds=() if tls is None else (secured.fileno(),),
            tls=tls or TlsSettings(),
            connect=connect or ConnectSettings(),
            tenants=tenants or TenantSettings(),
        )
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "streamgauge.relay.worker"]
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stderr=log, stdout=log, pass_fds=[listener.fileno(), secured.fileno()]
            )
        listener.close()
        secured.close()
        assert self.process.stdin is not None
        self.process.stdin.write(msgspec.json.encode(dataclasses.asdict(settings)) + b"\n")
        self.process.stdin.flush()
        self._callers: list[Caller] = []

    @property
    def host(self) -> bytes:
        """What an application puts into Host."""
        return b"127.0.0.1:%d" % self.port

    def call(self, **options: Any) -> Caller:
        """A new connection."""
        self._callers.append(Caller(**{"port": self.port, **options}))
        return self._callers[-1]

    def call_tls(self, context: ssl.SSLContext, name: str = "localhost") -> Caller:
        """A new connection to the TLS listener. Raises ``ssl.SSLError``."""
        caller = self.call(port=self.tls_port)
        caller.secure(context, name)
        return caller

    def forget_callers(self) -> None:
        """Close whatever connections a test has left."""
        for caller in self._callers:
            caller.close()
        self._callers.clear()

    def memory(self) -> int:
        """Bytes of the worker that are in memory."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * 4096

    def measured(self) -> list[Measurement]:
        """The measurements written so far."""
        found = []
        for spool in spools(self.directory):
            found += [record.measurement for record in read_all(spool) if isinstance(record, Ended)]
            spool.close()
        return found

    def seen(self) -> int:
        """Exchanges that the worker says it has seen."""
        total = 0
        for spool in spools(self.directory):
            counters = spool.counters()
            assert counters is not None
            total += counters.seen
            spool.close()
        return total

    def last(self, count: int) -> Measurement:
        """The measurement of the newest exchange, once there are ``count``: a row that waits for an estimate is overtaken."""
        until(lambda: len(self.measured()) >= count, f"{count} measurements")
        return max(self.measured(), key=lambda m: m.exchange_id)

    def stop(self) -> int:
        """Drain and end; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(DEADLINE)
        assert self.process.stdin is not None
        self.process.stdin.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.forget_callers()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()
