"""The recorder as a process: the recording thread, the admin server on the event loop, and an orderly end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from dataclasses import dataclass, field

from aiohttp import web

from streamgauge.recorder.admin import is_loopback, listen, make_app
from streamgauge.recorder.recording import Recording
from streamgauge.sinks.ledger import LedgerSettings

_log = logging.getLogger("streamgauge.recorder")


@dataclass(frozen=True)
class RecorderSettings:
    """What the recorder process needs. ``admin_fd`` is an inherited listening socket and goes before host and port.

    ``stop_seconds`` is how long the spools may take to be read to their end after SIGTERM. ``keep`` measurements feed the live figures.
    """

    spool_dir: str
    ledger: LedgerSettings
    admin_host: str = "127.0.0.1"
    admin_port: int = 8788
    admin_fd: int | None = None
    admin_token: str | None = field(default=None, repr=False)
    stop_seconds: float = 10.0
    keep: int = 1000


async def run_recorder(settings: RecorderSettings) -> None:
    """Record and serve the admin API until SIGTERM; then read every spool to its end, commit, and return.

    SIGINT is ignored: a terminal sends it to all processes, and the workers must have ended before the spools are at their end.
    Raises ``CouldNotRun`` (exit code 4) when ledger, spool or admin address cannot be had, or the ledger could not be written until the end.
    """
    listener = listen(settings.admin_host, settings.admin_port) if settings.admin_fd is None else socket.socket(fileno=settings.admin_fd)
    recording = Recording(settings.spool_dir, settings.ledger, settings.keep)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, recording.stop, settings.stop_seconds)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    app = make_app(recording, settings.ledger.path, settings.admin_token, is_loopback(listener))
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    thread = loop.run_in_executor(None, recording.run)
    try:
        await runner.setup()
        await web.SockSite(runner, listener).start()
        _log.info("recording %s to %s, admin on %s", settings.spool_dir, settings.ledger.path, listener.getsockname())
        await thread
    finally:
        recording.stop(settings.stop_seconds)
        await runner.cleanup()
        await asyncio.wait([thread])
        loop.remove_signal_handler(signal.SIGTERM)
