"""``streamgauge run``: measure one command without changing it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamgauge.errors import CouldNotRun, UsageError

if TYPE_CHECKING:
    from streamgauge.app import Supervisor

UP_SECONDS, UP_LOOK_SECONDS = 5.0, 0.02
"""How long the command waits for the proxy to be up, which takes half a second, and how often that is asked."""


def run(
    command: Annotated[list[str], typer.Argument(metavar="-- CMD ...", help="The command to measure, after --.")],
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Settings file (YAML).")] = None,
    upstream: Annotated[list[str] | None, typer.Option(help="SERVICE=URL: send a service there. Repeatable.")] = None,
    ledger: Annotated[
        str | None, typer.Option(help="Keep the rows in this ledger. Default: a new one that is named at the end and kept.")
    ] = None,
    signing: Annotated[str | None, typer.Option(help="auto, passthrough or resign.")] = None,
    region: Annotated[str | None, typer.Option(help="Region of requests that name none. Default: $AWS_REGION.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No report, only the rows in the ledger.")] = False,
) -> None:
    """Start a private proxy on free ports, point the SDKs of CMD at it, run CMD, print what was measured, exit with CMD's code.

    Example: streamgauge run -- python chat.py
    """
    from streamgauge import endpoints
    from streamgauge.app import Supervisor
    from streamgauge.cli.serve import log_to_stderr, overrides, upstreams
    from streamgauge.config import load

    given = upstreams(upstream) if upstream else {}
    found = endpoints.redirect(os.environ, "", given).upstreams
    pairs = [f"{service}={url}" for service, url in {**found, **given}.items()]
    where = ledger or str(Path(tempfile.mkdtemp(prefix="streamgauge-run-")) / "ledger.db")
    settings = load(
        config,
        overrides(["127.0.0.1:0"], "127.0.0.1:0", pairs, where, None, signing, region or endpoints.region(os.environ))
        # A spool shared with another proxy would put that one's rows into this ledger, and these into that one's.
        | {"log_level": "WARNING", "relay.early_credentials": True, "spool_dir": f"{Path(where).expanduser()}.spool"},
    )
    log_to_stderr("WARNING")
    proxy = Supervisor(settings)
    proxy.proxy_id += f"-{uuid.uuid4().hex[:8]}"  # process ids repeat, in containers at once, and a kept ledger holds many runs
    proxy.open()
    try:
        targets = settings.targets
        configured = {service: url for service, url in targets.upstreams.items() if service in given or service not in found}
        redirection = endpoints.redirect(os.environ, f"http://{proxy.addresses[0]}", configured, targets.default_region)
        for note in redirection.notes:
            sys.stderr.write(f"streamgauge: {note}\n")
        _wait_until_up(proxy)
        environ = {**os.environ, **redirection.variables, **endpoints.without_proxy(os.environ, "127.0.0.1")}
        code = _measured(proxy, command, environ)
    finally:
        proxy.stop()
    if not quiet:
        _report(proxy.ledger, proxy.proxy_id)
    raise typer.Exit(code)


def _wait_until_up(proxy: Supervisor) -> None:
    """The command's first call must not pay for our start: it would wait in the port's queue, or for our role to be found (80 ms measured).

    A proxy that is not up in time gets the command all the same: what it lacks, it says itself.
    """
    from streamgauge.cli.admin_client import AdminClient

    admin = AdminClient(proxy.admin_address)
    until = time.monotonic() + UP_SECONDS
    while not admin.ready() and time.monotonic() < until:
        time.sleep(UP_LOOK_SECONDS)
        proxy.tend()


def _measured(proxy: Supervisor, command: Sequence[str], environ: dict[str, str]) -> int:
    """Run the command while the supervisor tends its processes; its exit code, 128 + n where signal n ended it."""
    try:
        child = subprocess.Popen(command, env=environ)
    except FileNotFoundError:
        raise UsageError(f"{command[0]}: no such command") from None
    except OSError as error:
        raise CouldNotRun(f"{command[0]} cannot be started ({error.strerror})") from None
    # Ctrl-C reaches the command by itself (same terminal); a SIGTERM meant for it comes to us.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    try:
        while True:
            try:
                code = child.wait(0.2)
                break
            except subprocess.TimeoutExpired:
                proxy.tend()
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])
    return code if code >= 0 else 128 - code


def _report(ledger: Path, proxy_id: str) -> None:
    """Of this run's calls. On standard output only where a person reads it: in a pipe, that belongs to the command (``run -- app | jq``)."""
    from streamgauge import endpoints
    from streamgauge.cli import measured

    this_run = [f"proxy_id={proxy_id}"]
    # A command that ends at once may end before the recorder has begun a ledger: nothing was there to record.
    if not ledger.exists() or not measured.count(ledger, this_run):
        lines = [f"  - {cause}\n    fix: {fix}" for cause, fix in endpoints.NO_CALLS]
        sys.stderr.write("streamgauge: the command ran, but no call came by. Likely causes:\n" + "\n".join(lines) + "\n")
        return
    with contextlib.redirect_stdout(sys.stdout if sys.stdout.isatty() else sys.stderr):
        print()
        measured.show(ledger, where=this_run)
        print(f"\nEvery field of every call: streamgauge exchanges --format jsonl --ledger {ledger}")
