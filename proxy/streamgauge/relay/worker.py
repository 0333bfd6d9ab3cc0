"""A relay worker: one process, one event loop, one listening socket inherited from the supervisor.

python -m streamgauge.relay.worker < settings
"""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter_ns

import uvloop

from streamgauge.addresses import Listeners
from streamgauge.child import DRAINING, SERVING, all_done, read_settings, say, stop_on_signal
from streamgauge.errors import CouldNotRun, UsageError
from streamgauge.heartbeat import Heartbeats
from streamgauge.records import WorkerStatus
from streamgauge.relay import identity, tls
from streamgauge.relay.accepting import DownstreamServer
from streamgauge.relay.connect import ConnectSettings, Tunnels
from streamgauge.relay.handshakes import Handshakes
from streamgauge.relay.leaving import BACKLOG, Leaving
from streamgauge.relay.load import Load
from streamgauge.relay.loop_watch import LoopWatch
from streamgauge.relay.pool import Pool
from streamgauge.relay.request_parser import refuse_python_parser
from streamgauge.relay.request_signer import RequestSigner
from streamgauge.relay.settings import RelaySettings
from streamgauge.relay.slow import SlowPath
from streamgauge.relay.tls import TlsSettings
from streamgauge.relay.walk import RequestWalk
from streamgauge.routing import Routes, shipped_table
from streamgauge.spool import SpoolSettings, SpoolWriter
from streamgauge.targets import Targets, TargetSettings
from streamgauge.tenancy.tenant_settings import TenantSettings
from streamgauge.workload import WorkloadSettings

TICK_SECONDS = 1.0
"""How often silences, timeouts and idle connections are looked at, and the worker says how it is."""

_log = logging.getLogger("streamgauge.relay")


@dataclass(frozen=True)
class WorkerSettings:
    """All that one worker needs. ``fds`` are inherited listening sockets, ``tls_fds`` those with TLS, ``drain_seconds`` how long open exchanges may take to end,
    ``own_addresses`` (``host:port``) all that this proxy listens on, its admin interface included: nothing is relayed there.
    """

    worker_id: str
    proxy_id: str
    fds: tuple[int, ...]
    spool_dir: str
    relay: RelaySettings = field(default_factory=RelaySettings)
    targets: TargetSettings = field(default_factory=TargetSettings)
    spool: SpoolSettings = field(default_factory=SpoolSettings)
    workload: WorkloadSettings = field(default_factory=WorkloadSettings)
    tenants: TenantSettings = field(default_factory=TenantSettings)
    tls_fds: tuple[int, ...] = ()
    tls: TlsSettings = field(default_factory=TlsSettings)
    connect: ConnectSettings = field(default_factory=ConnectSettings)
    drain_seconds: float = 30.0
    heartbeat: tuple[int, int] | None = None
    """The descriptor of ``heartbeat.Heartbeats`` and our place in it."""
    own_addresses: tuple[str, ...] = ()
    log_level: str = "INFO"


class Worker:
    """Builds the relay's objects from settings, serves until told to stop, drains. Raises ``UsageError`` for settings that do not hold any more."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        # The supervisor has checked the files, but they may be others by now: then no worker comes of it, and nothing is left behind.
        secured = tls.options(tls.server_context(settings.tls)) if settings.tls_fds else {}
        self._watch = LoopWatch(self._loop)
        self._load = Load()
        table = shipped_table()
        relay = settings.relay
        self._spool = SpoolWriter(Path(settings.spool_dir), settings.spool, settings.worker_id)
        self._pool = Pool(self._loop, relay, self._watch, Listeners(settings.own_addresses))
        self._slow = SlowPath(relay, self._pool, self._watch)
        self._signer = RequestSigner(relay.signing, early=relay.early_credentials)
        targets = Targets(settings.targets, table, settings.own_addresses)
        self._tunnels = Tunnels(settings.connect, targets)
        self._walk = RequestWalk(
            relay,
            Routes(table),
            targets,
            self._signer,
            self._pool,
            self._slow,
            self._spool,
            self._load,
            settings.proxy_id,
            settings.workload,
            self._tunnels,
            settings.tenants,
        )
        self._server = DownstreamServer(self._walk, self._loop)
        self._handshakes = Handshakes(self._server, self._loop, secured)
        self._leaving = Leaving(self._walk, self._server, self._loop, settings.drain_seconds)
        self._left = False
        self._beats = Heartbeats(settings.heartbeat[0]) if settings.heartbeat is not None else None
        self._told: tuple[bool, str | None] | None = None

    async def run(self) -> None:
        """Serve until SIGTERM, until the supervisor has started another in our place, or until the supervisor is gone."""
        leaving = self._leaving
        stop_on_signal(self._loop, leaving.hurry, leaving.retire)
        listeners, sockets = [], [socket.socket(fileno=fd) for fd in self._settings.fds]
        secured = [socket.socket(fileno=fd) for fd in self._settings.tls_fds]
        for sock in sockets:
            sock.setblocking(False)
            listeners.append(await self._loop.create_server(self._server, sock=sock, backlog=BACKLOG))
        for sock in secured:
            self._handshakes.listen(sock, BACKLOG)
        say(SERVING)
        # What is alive now stays for the process's life: the collector need not walk it again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        while not leaving.asked.is_set():
            self._tick()
            try:
                async with asyncio.timeout(TICK_SECONDS):
                    await leaving.asked.wait()
            except TimeoutError:
                continue
        for sock in sockets:
            await leaving.let_in(sock)
        for sock in secured:
            await leaving.let_in(sock, self._handshakes)
        for listener in listeners:
            listener.close()
        for sock in secured:
            self._handshakes.close(sock)
        say(DRAINING)
        self._left = True
        await leaving.leave(self._tick, TICK_SECONDS)
        await self._close()
        all_done(self._loop)

    def _tick(self) -> None:
        """Housekeeping, whose mistakes must not end the traffic."""
        try:
            self._look_around()
        except Exception as error:
            _log.error("housekeeping failed by %s in the proxy itself; please report it", type(error).__name__)

    def _look_around(self) -> None:
        at = perf_counter_ns()
        relay = self._settings.relay
        self._load.watch(at, relay.first_byte_timeout, relay.read_timeout, self._spool)
        self._pool.trim(at)
        if self._walk.callers is not None:
            self._walk.callers.look()
        ready, reason = self._signer.readiness()
        if (ready, reason) != self._told:
            self._told = (ready, reason)
            if not ready:
                _log.error("%s", reason)
        self._beat(ready, reason)
        status = WorkerStatus(
            worker_id=self._settings.worker_id,
            at=identity.timestamp(time.time_ns()),
            ready=ready and not self._left,
            reason=reason or ("draining" if self._left else None),
            in_flight=len(self._load.open),
            loop_lag=self._watch.take_longest(),
        )
        self._spool.append(status)

    def _beat(self, has_role: bool, reason: str | None) -> None:
        """Whether we can serve. Without a role that only some requests need the others are served."""
        if self._beats is None or self._settings.heartbeat is None:
            return
        if not self._left:
            ready = has_role or self._settings.relay.signing != "resign"
            self._beats.beat(self._settings.heartbeat[1], time.monotonic(), ready, reason)
        elif not self._leaving.has_successor:
            self._beats.beat(self._settings.heartbeat[1], time.monotonic(), False, "draining")

    async def _close(self) -> None:
        self._pool.close()
        await self._slow.close()
        self._signer.close()
        self._tunnels.close()
        if self._walk.callers is not None:
            self._walk.callers.close()
        await self._walk.settled()
        self._watch.stop()
        self._spool.close()


def main() -> None:
    """Process entry point."""
    settings = read_settings(WorkerSettings)
    try:
        refuse_python_parser()
    except CouldNotRun as error:
        sys.stderr.write(f"streamgauge: {error}\n")
        sys.exit(error.exit_code)
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("botocore").setLevel(logging.WARNING)  # it tells where credentials were found, once per worker

    async def serve() -> None:
        await Worker(settings).run()

    try:
        uvloop.run(serve())
    except (UsageError, CouldNotRun) as error:  # such as a file that has changed since the supervisor looked at it
        _log.error("this worker cannot serve: %s", error)
        sys.exit(CouldNotRun.exit_code)


if __name__ == "__main__":
    main()
