"""The recorder as a process: the recording thread, the admin server on the event loop, and an orderly end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from dataclasses import dataclass, field, replace

import uvloop
from aiohttp import web

from streamgauge.child import all_done, read_settings, stop_on_signal
from streamgauge.errors import CouldNotRun
from streamgauge.heartbeat import Heartbeats
from streamgauge.recorder.admin import is_loopback, listen, make_app
from streamgauge.recorder.recording import Recording
from streamgauge.recorder.shipping import shipping_to
from streamgauge.sinks.ledger import LedgerSettings
from streamgauge.sinks.postgres_access import SharedLedgerSettings, shown

_log = logging.getLogger("streamgauge.recorder")


@dataclass(frozen=True)
class RecorderSettings:
    """What the recorder process needs. ``admin_fd`` is an inherited listening socket and goes before host and port.

    ``stop_seconds`` is how long, after SIGTERM, workers that still live are waited for and the spools may take to be read to their end;
    workers that drain at the same signal must have ended by then. ``keep`` measurements feed the live figures.
    """

    spool_dir: str
    ledger: LedgerSettings
    admin_host: str = "127.0.0.1"
    admin_port: int = 8788
    admin_fd: int | None = None
    admin_token: str | None = field(default=None, repr=False)
    stop_seconds: float = 15.0
    keep: int = 1000
    heartbeat_fd: int | None = None
    """The descriptor of ``heartbeat.Heartbeats``, in which the workers say whether they can serve."""
    shared_ledger: SharedLedgerSettings = field(default_factory=SharedLedgerSettings)
    log_level: str = "INFO"


async def run_recorder(settings: RecorderSettings, child: bool = False) -> None:
    """Record and serve the admin API until SIGTERM; then read every spool to its end, commit, and return.

    SIGINT is ignored: a terminal sends it to all processes, and the workers must have ended before the spools are at their end.
    ``child``: standard input is the supervisor's pipe, and its end is the same as SIGTERM.
    Raises ``CouldNotRun`` (exit code 4) when ledger, spool or admin address cannot be had, or the ledger could not be written until the end.
    """
    listener = listen(settings.admin_host, settings.admin_port) if settings.admin_fd is None else socket.socket(fileno=settings.admin_fd)
    beats = Heartbeats(settings.heartbeat_fd) if settings.heartbeat_fd is not None else None
    shipping = shipping_to(settings.shared_ledger, settings.ledger.path)
    shared = shown(settings.shared_ledger.url) if settings.shared_ledger.url is not None else None
    recording = Recording(settings.spool_dir, replace(settings.ledger, shared=shared), settings.keep, beats, shipping)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        recording.stop(settings.stop_seconds)

    if child:
        stop_on_signal(loop, stop, retire=lambda: recording.stop(0.0))  # workers live on, for the next recorder to read
    else:
        loop.add_signal_handler(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    app = make_app(recording, settings.ledger.path, settings.admin_token, is_loopback(listener))
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    thread = loop.run_in_executor(None, recording.run)
    if shipping is not None:
        shipping.start()
    try:
        await runner.setup()
        await web.SockSite(runner, listener).start()
        _log.info("recording %s to %s, admin on %s", settings.spool_dir, settings.ledger.path, listener.getsockname())
        await thread
    finally:
        stop()
        await runner.cleanup()
        await asyncio.wait([thread])
        if shipping is not None:
            await loop.run_in_executor(None, shipping.stop)
        if child:
            all_done(loop)
        else:
            loop.remove_signal_handler(signal.SIGTERM)


def main() -> None:
    """Process entry point of a supervisor's child."""
    settings = read_settings(RecorderSettings)
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    try:
        uvloop.run(run_recorder(settings, child=True))
    except CouldNotRun as error:
        _log.error("%s", error)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
