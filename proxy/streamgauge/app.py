"""The supervisor: opens the listening sockets, starts workers and recorder, restarts what dies, stops everything in order.

It holds the sockets for its whole life: a worker that is replaced leaves its queued connections to its successor.
It relays nothing, measures nothing and imports neither aiohttp nor boto3.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamgauge.certificates import Issuer
from streamgauge.child import ENDING_SECONDS
from streamgauge.config import Config
from streamgauge.config.reread import changed_keys
from streamgauge.errors import CouldNotRun, StreamgaugeError, UsageError
from streamgauge.heartbeat import Heartbeats
from streamgauge.relay.connect import authority_of
from streamgauge.relay.egress import read_egress
from streamgauge.relay.request_parser import refuse_without_extension
from streamgauge.relay.tls import server_context, too_open
from streamgauge.resolution import Lookup, addresses_of, refuse_loops, variables_naming_us
from streamgauge.routing import shipped_table
from streamgauge.sinks.ledger_access import refuse_unusable
from streamgauge.sinks.ledger_read import default_ledger_path
from streamgauge.spool import bytes_in, claim_directory, find_workers, prepare_directory
from streamgauge.supervisor.children import Child, end
from streamgauge.supervisor.cores import usable_cores, workers_for
from streamgauge.supervisor.listening import bind, shown, split
from streamgauge.supervisor.signals import StopSignals
from streamgauge.supervisor.stand_in import answer
from streamgauge.supervisor.workers import Workers, restart
from streamgauge.targets import Targets, urls_by_key

SETTLED = ("listen", "listen_tls", "admin", "ledger", "spool_dir", "workers")
"""Settings that hold for the life of a proxy."""

RECORDER_SECONDS = 20.0
"""What the recorder gets at the end to read the spools and commit: a full spool of 1 GiB takes longer and is read at the next start."""

LOOK_SECONDS = 0.2
"""How often the processes are looked at: what has died is noticed before a caller would, and a look costs microseconds."""

_log = logging.getLogger("streamgauge")


@dataclass
class Supervisor:
    """One proxy. ``open`` binds and starts, ``run`` watches until a signal, ``stop`` ends in order."""

    config: Config
    proxy_id: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")
    addresses: list[str] = field(default_factory=list)
    tls_addresses: list[str] = field(default_factory=list)
    admin_address: str = ""
    lookup: Lookup = addresses_of
    """How names of upstreams become addresses, to see at start that none is ours."""
    _listeners: list[list[socket.socket]] = field(default_factory=list)
    """One group for each worker, with one socket for each address, those with TLS last."""
    _admin: socket.socket | None = None
    _workers: Workers = field(default_factory=Workers)
    _recorder: Child | None = None
    _beats: Heartbeats | None = None

    @property
    def ledger(self) -> Path:
        """Where rows go."""
        return Path(self.config.ledger).expanduser() if self.config.ledger else default_ledger_path()

    @property
    def spool_dir(self) -> Path:
        """Where workers leave their records."""
        return Path(self.config.spool_dir) if self.config.spool_dir else self.ledger.parent / f"{self.ledger.name}.spool"

    def open(self) -> None:
        """Bind all sockets and start all processes.

        Raises ``UsageError`` for settings that cannot work, ``CouldNotRun`` naming an address, a ledger or a spool that
        cannot be had and who has it; then nothing is left behind.
        """
        config = self.config
        self._refuse_unworkable(config)
        if self.ledger.is_dir():
            raise CouldNotRun(f"the ledger {self.ledger} is a directory: name a file in it")
        refuse_unusable(self.ledger)
        os.close(claim_directory(prepare_directory(self.spool_dir)))
        try:
            self._bind()
            self._start()
        except BaseException:
            self.stop()
            raise

    def _refuse_unworkable(self, config: Config) -> None:
        """What cannot work is said before anything listens. Raises ``UsageError``, ``CouldNotRun`` where certificates cannot be made."""
        refuse_without_extension()
        Targets(config.targets, shipped_table())
        listeners = [split(address) for address in (*config.listen, *config.listen_tls, config.admin)]
        upstreams = urls_by_key(config.targets)
        egress = read_egress(config.relay.egress_proxy, os.environ)
        if egress is not None:
            upstreams["relay.egress_proxy"] = f"{egress.scheme}://{egress.name}"
        refuse_loops(listeners, upstreams, config.targets.extra_hosts, self.lookup)
        if config.listen_tls:
            server_context(config.tls)
        authority = authority_of(config.connect)
        if authority is not None:
            Issuer(authority).issue(["localhost"])  # a worker would only find out when somebody asks
        for path in (config.tls.key_file if config.listen_tls else None, config.connect.ca_key_file, config.tenants.secrets_file):
            if path is not None and (warning := too_open(path)) is not None:
                _log.warning("%s", warning)

    def _bind(self) -> None:
        config = self.config
        self._listeners = [[]]
        for address in (*config.listen, *config.listen_tls):
            self._listeners[0].append(bind(address))
        everything = [shown(sock) for sock in self._listeners[0]]
        self.addresses, self.tls_addresses = everything[: len(config.listen)], everything[len(config.listen) :]
        for _ in range(workers_for(config.workers, usable_cores()) - 1):
            # Further workers get sockets of their own on the very same ports: the kernel spreads connections over them.
            self._listeners.append([])
            for address in everything:
                self._listeners[-1].append(bind(address, shared=True))
        self._admin = bind(config.admin)
        self.admin_address = shown(self._admin)

    def _start(self) -> None:
        assert self._admin is not None
        # Proxy variables may point applications at us; the way to our own credentials must not lead through ourselves.
        bound = [split(address) for address in (*self.addresses, *self.tls_addresses, self.admin_address)]
        for name in variables_naming_us(os.environ, bound, self.lookup):
            del os.environ[name]
        self._beats = Heartbeats.create(len(self._listeners))
        self._recorder = self._recorder_child(self._admin.fileno())
        self._recorder.start()
        self._workers.drain_seconds = self.config.drain_seconds
        self._workers.start(self._worker_child, len(self._listeners))

    def _worker_child(self, index: int, config: Config | None = None) -> Child:
        """A worker for a place, with the settings as they are now if none are given."""
        fds = [sock.fileno() for sock in self._listeners[index]]
        beats = [self._beats.descriptor] if self._beats is not None else []
        config = config or self.config

        def settings() -> dict[str, Any]:
            return {
                "worker_id": f"{self.proxy_id}-w{index}-{uuid.uuid4().hex[:8]}",
                "proxy_id": self.proxy_id,
                "fds": fds[: len(self.addresses)],
                "tls_fds": fds[len(self.addresses) :],
                "tls": config.tls,
                "connect": config.connect,
                "spool_dir": str(self.spool_dir),
                "relay": config.relay,
                "targets": config.targets,
                "spool": config.spool,
                "workload": config.workload,
                "tenants": config.tenants,
                "drain_seconds": config.drain_seconds,
                "own_addresses": (*self.addresses, *self.tls_addresses, self.admin_address),
                "log_level": config.log_level,
                "heartbeat": (*beats, index) if beats else None,
            }

        return Child(f"worker {index}", [sys.executable, "-P", "-m", "streamgauge.relay.worker"], settings, [*fds, *beats])

    def _recorder_settings(self) -> dict[str, Any]:
        assert self._admin is not None
        assert self._beats is not None
        return {
            "heartbeat_fd": self._beats.descriptor,
            "spool_dir": str(self.spool_dir),
            "ledger": {"path": str(self.ledger), "days": self.config.ledger_days},
            "shared_ledger": self.config.shared_ledger,
            "admin_fd": self._admin.fileno(),
            "admin_token": self.config.admin_token,
            # A service manager may signal all processes at once: then the recorder outlasts the workers' draining.
            "stop_seconds": self.config.drain_seconds + ENDING_SECONDS + 3.0,
            "log_level": self.config.log_level,
        }

    def _recorder_child(self, admin_fd: int) -> Child:
        assert self._beats is not None
        return Child(
            "recorder",
            [sys.executable, "-P", "-m", "streamgauge.recorder.process"],
            self._recorder_settings,
            [admin_fd, self._beats.descriptor],
        )

    def run(self, told: StopSignals, reread: Callable[[], Config] | None = None) -> None:
        """Watch the processes until SIGTERM or SIGINT has come. On SIGHUP the settings that ``reread`` gives are taken over."""
        while not told.wait(LOOK_SECONDS):
            if told.hung_up():
                self.reload(reread)
            self.tend()

    def reload(self, reread: Callable[[], Config] | None) -> None:
        """Replace the workers, one by one, and the recorder by such with new settings. What is wrong with those is logged, and changes nothing."""
        if reread is None:
            _log.warning("SIGHUP: settings are read at start only; restart streamgauge to change them")
            return
        try:
            config = reread()
            self._refuse_settled(config)
            self._refuse_unworkable(config)
        except (StreamgaugeError, OSError) as error:
            _log.error("SIGHUP: all settings stay as they were: %s", error)
            return
        except Exception as error:  # a mistake of ours in reading a file must not end a proxy that works
            _log.error("SIGHUP: all settings stay as they were: %s in reading them; please report it", type(error).__name__)
            return

        def done(good: bool) -> None:
            if good:
                self._take_over(config)
            else:
                _log.error("SIGHUP: the new settings are not taken over; correct them and send SIGHUP again")

        self._workers.roll(lambda index: self._worker_child(index, config), done)

    def _refuse_settled(self, config: Config) -> None:
        """What sockets and files depend on stays for the proxy's life."""
        changed = [key for key in SETTLED if getattr(config, key) != getattr(self.config, key)]
        if changed:
            raise UsageError(f"{', '.join(changed)} cannot change while the proxy runs; restart streamgauge for that")

    def _take_over(self, config: Config) -> None:
        new = ", ".join(changed_keys(self.config, config)) or "none"
        before, self.config = self._recorder_settings(), config
        self._workers.drain_seconds = config.drain_seconds
        logging.getLogger().setLevel(config.log_level)
        _log.info("SIGHUP: all workers have the new settings; changed: %s", new)
        if self._recorder is not None and self._recorder.process is not None and self._recorder_settings() != before:
            self._recorder.retire()  # the next one goes on behind its last commit

    def tend(self) -> None:
        """Start again what has died and whose wait is over, and go on with what a reload began."""
        if self._recorder is not None:
            now = time.monotonic()
            restart(self._recorder, now)
            if self._recorder.process is None and self._admin is not None and self._beats is not None:
                why = (
                    f"there is no recorder, the log says why; another is started in {self._recorder.restart_at - now:.0f} s, "
                    "and the spool keeps what comes until then"
                )
                answer(self._admin, self._beats.health(now), why)
        self._workers.tend()

    def stop(self) -> bool:
        """The port first, so that who comes now is refused at once; then the workers, which drain; then the recorder, which reads what they left.

        A recorder that is dead at that moment is started once more: the ledger is complete when the proxy has ended. Where it is not, it says
        so in the log and returns ``False``: the next start reads what is left.
        """
        for group in self._listeners:
            for sock in group:
                sock.close()
        self._workers.end(self.config.drain_seconds + ENDING_SECONDS)
        complete = True
        if self._recorder is not None:
            self._recorder.died()
            if self._recorder.process is None and self._recorder.started_at:
                self._recorder.start()
            end([self._recorder], RECORDER_SECONDS)
            complete = not self._tell_unread()
        self._recorder = None
        if self._admin is not None:
            self._admin.close()
        if self._beats is not None:
            self._beats.close()
            self._beats = None
        return complete

    def _tell_unread(self) -> bool:
        """Whether the spool holds what the ledger lacks, and a word about it in the log."""
        try:
            workers, size = find_workers(self.spool_dir), bytes_in(self.spool_dir)
        except OSError as error:
            _log.error("the spool %s cannot be looked at (%s)", self.spool_dir, error.strerror)
            return True
        if workers:
            _log.error(
                "not everything is in the ledger %s yet: the spool %s keeps %d bytes of records of %d worker(s), and the next proxy with this "
                "ledger reads them",
                self.ledger,
                self.spool_dir,
                size,
                len(workers),
            )
        return bool(workers)

    def pids(self) -> dict[str, int]:
        """Process ids by name, of those that live and are in their place."""
        recorder = [self._recorder] if self._recorder is not None else []
        return {child.name: child.process.pid for child in [*recorder, *self._workers.placed] if child.process is not None}
