"""What is measured: the fake upstream itself (direct), nginx in front of it, streamgauge in front of it. Each is started fresh for every piece."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import processes
from tests.bench.build import CannotRun, Certificate, Lab
from tests.bench.ledger import remove
from tests.bench.machine import LAB_CORE, TARGET_CORE
from tests.bench.scenarios import Placement

START_SECONDS = 30
STOP_SECONDS = 120
"""streamgauge reads its spool to the end before it exits; after a burst that is hundreds of thousands of records."""
LOG_TAIL = 1500
SERVE_OPTIONS = ("--signing", "passthrough")
"""The load generator's signature is made up; re-signing is not what this benchmark is about."""


@dataclass(frozen=True)
class Bench:
    """What every piece of a run has in common."""

    lab: Lab
    work: Path
    certificate: Certificate
    serve: tuple[str, ...]
    realtime: bool


@dataclass(frozen=True)
class Upstream:
    """The running fake upstream: its process and ports on 127.0.0.1 (``tls_port`` 0: plain only)."""

    process: subprocess.Popen[bytes]
    port: int
    tls_port: int

    def stats(self) -> dict[str, int]:
        """Its own counters (see src/upstream.c)."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats", timeout=10) as answer:
            found: dict[str, int] = json.load(answer)
        return found


@dataclass
class Running:
    """A started target: where it listens and its processes by role. ``relay`` is what moves the bytes."""

    name: str
    port: int
    groups: dict[str, list[int]] = field(default_factory=dict)
    ledger: Path | None = None
    log: Path | None = None
    stop: Callable[[], None] = lambda: None

    def last_words(self) -> str:
        """The end of what it logged."""
        return self.log.read_text(errors="replace")[-LOG_TAIL:].strip() if self.log else ""

    def others(self) -> list[int]:
        """The processes of the whole product that are not the relay."""
        return [pid for role, pids in self.groups.items() if role != "relay" for pid in pids]


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on now; held together while they are chosen, so that no two are equal."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def wait_until(true: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Looks every 20 ms until it is so. Raises ``CannotRun`` naming ``what`` when it is not in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise CannotRun(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)


def listens(port: int) -> bool:
    """Whether somebody accepts on 127.0.0.1:``port``."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def fake_upstream(bench: Bench) -> Iterator[Upstream]:
    """A fresh fake upstream on the lab's core."""
    port, tls_port = free_ports(2)
    command = [str(bench.lab.upstream), str(port)]
    if bench.lab.tls:
        command += [str(tls_port), str(bench.certificate.certificate), str(bench.certificate.key)]
    process = subprocess.Popen(command)
    try:
        wait_until(lambda: listens(port), "the fake upstream does not listen")
        processes.place([process.pid], LAB_CORE, bench.realtime)
        yield Upstream(process, port, tls_port if bench.lab.tls else 0)
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def started(name: str, bench: Bench, upstream: Upstream, *, tls: bool, placement: Placement = "apart") -> Iterator[Running]:
    """The target of that name, ready for traffic and on its core; stopped at the end if it has not been stopped before."""
    if tls and not upstream.tls_port:
        raise CannotRun("the TLS scenarios need OpenSSL's headers (Debian: apt-get install libssl-dev)")
    if name == "direct":
        running = Running(name, upstream.port, {"relay": [upstream.process.pid]})
    elif name == "nginx":
        running = start_nginx(bench, upstream, tls)
    else:
        running = start_streamgauge(bench, upstream, tls)
    try:
        if name != "direct":
            _place(running, placement, bench.realtime)
        yield running
    finally:
        running.stop()


def _place(running: Running, placement: Placement, realtime: bool) -> None:
    """The relay on the target's core. What shares that core with it must be its equal, so there both are ordinary work."""
    apart = placement == "apart"
    processes.place(running.groups["relay"], TARGET_CORE, realtime and apart)
    processes.place(running.others(), LAB_CORE if apart else TARGET_CORE, realtime=False)


NGINX_CONFIGURATION = """
daemon off; master_process on; worker_processes 1; pid {work}/nginx.pid; error_log {work}/nginx-error.log warn;
worker_rlimit_nofile 20000;
events {{ worker_connections 19000; multi_accept off; use epoll; }}
http {{
  access_log off; tcp_nodelay on; keepalive_timeout 75s; keepalive_requests 1000000000; client_max_body_size 64m; client_body_buffer_size 128k;
  client_body_temp_path {work}/body; proxy_temp_path {work}/proxy; fastcgi_temp_path {work}/f; uwsgi_temp_path {work}/u; scgi_temp_path {work}/s;
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 16000; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=8192;
    location / {{
      proxy_pass {scheme}://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_ssl_protocols TLSv1.2 TLSv1.3; proxy_ssl_verify on; proxy_ssl_trusted_certificate {certificate}; proxy_ssl_name localhost;
      proxy_buffering off; proxy_request_buffering off; proxy_read_timeout 600s; proxy_cache off;
    }}
  }}
}}
"""
"""A streaming reverse proxy's floor: one worker, no log, nothing buffered, connections to the upstream kept."""


def start_nginx(bench: Bench, upstream: Upstream, tls: bool) -> Running:
    """One nginx worker in front of the upstream."""
    (port,) = free_ports(1)
    work = bench.work / "nginx"
    work.mkdir(exist_ok=True)
    text = NGINX_CONFIGURATION.format(
        work=work,
        port=port,
        upstream=upstream.tls_port if tls else upstream.port,
        scheme="https" if tls else "http",
        certificate=bench.certificate.certificate,
    )
    (work / "nginx.conf").write_text(text)
    process = subprocess.Popen(["nginx", "-p", str(work), "-c", "nginx.conf"], stderr=subprocess.DEVNULL)
    try:
        wait_until(
            lambda: listens(port) and bool(processes.descendants(process.pid)), f"nginx does not listen (see {work}/nginx-error.log)"
        )
    except BaseException:
        _kill(process)
        raise
    workers = processes.descendants(process.pid)
    return Running("nginx", port, {"relay": workers, "master": [process.pid]}, stop=lambda: _stop(process, signal.SIGTERM))


def start_streamgauge(bench: Bench, upstream: Upstream, tls: bool) -> Running:
    """`streamgauge serve` with one worker and everything it does by default; a fresh ledger each time."""
    port, admin = free_ports(2)
    ledger = bench.work / "streamgauge" / "ledger.db"
    remove(ledger)  # a piece that failed may have left one
    ledger.parent.mkdir()
    address = f"https://localhost:{upstream.tls_port}" if tls else f"http://127.0.0.1:{upstream.port}"
    command = [*bench.serve, "serve", "--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}"]
    command += ["--upstream", f"bedrock-runtime={address}", "--ledger", str(ledger), *SERVE_OPTIONS]
    environment = os.environ | {"SSL_CERT_FILE": str(bench.certificate.certificate)}
    log = bench.work / "streamgauge.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
    try:
        wait_until(lambda: _ready(process, admin, log), f"streamgauge is not ready (see {log})")
        groups = _roles(process.pid, port)
    except BaseException:
        _kill(process)
        raise
    return Running("streamgauge", port, groups, ledger, log, stop=lambda: _stop(process, signal.SIGTERM))


def _ready(process: subprocess.Popen[bytes], admin: int, log: Path) -> bool:
    if process.poll() is not None:
        raise CannotRun(f"streamgauge ended with exit code {process.returncode}: {log.read_text()[-2000:]}")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _roles(root: int, port: int) -> dict[str, list[int]]:
    """The worker is who accepts a connection; the process we started is the supervisor; whoever is left keeps the records."""
    wait_until(lambda: listens(port), "`streamgauge serve` is ready and does not listen")
    with socket.create_connection(("127.0.0.1", port), 5):
        found: list[int] = []

        def accepted() -> bool:
            found[:] = processes.holders(port, processes.descendants(root))
            return bool(found)

        wait_until(accepted, "no child of `streamgauge serve` accepts connections")
    rest = [pid for pid in processes.descendants(root) if pid not in found]
    return {"relay": found, "recorder": rest, "supervisor": [root]}


def _stop(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Ends it in order. A child that outlives it would disturb every later piece: it is killed, and that is said."""
    children = processes.descendants(process.pid)
    if process.poll() is None:
        process.send_signal(how)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        _kill(process)
    for pid in filter(processes.alive, children):
        print(f"process {pid} outlived its parent and is killed", file=sys.stderr)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _kill(process: subprocess.Popen[bytes]) -> None:
    for pid in [process.pid, *processes.descendants(process.pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
