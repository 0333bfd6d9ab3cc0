"""``streamgauge run``: measure one command without changing it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamgauge import endpoints
from streamgauge.cli.run_folders import new_folder
from streamgauge.errors import CouldNotRun, StreamgaugeError

if TYPE_CHECKING:
    from streamgauge.app import Supervisor
    from streamgauge.cli.private_tls import PrivateTls
    from streamgauge.config import Config

VARIABLES = (
    "Sets, for CMD only: "
    + ", ".join(f"{variable.name} for {variable.client}" for variable in endpoints.VARIABLES)
    + ". An endpoint that such a variable names already is where its clients' calls still go, through the proxy. Never HTTP_PROXY."
)
"""Shown under the options of ``run --help``."""

UP_SECONDS, UP_LOOK_SECONDS = 5.0, 0.02
"""How long the command waits for the proxy to be up, which takes half a second, and how often that is asked."""


def run(
    command: Annotated[list[str], typer.Argument(metavar="CMD", help="The command to measure, with its own arguments.")],
    config: Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings file (YAML).")] = None,
    upstream: Annotated[
        list[str] | None,
        typer.Option(metavar="SERVICE=URL", help="Send a service there: bedrock-runtime, sagemaker-runtime, ... Repeatable."),
    ] = None,
    ledger: Annotated[
        str | None, typer.Option(metavar="PATH", help="Keep the rows in this ledger. Default: a new one that is named at the end and kept.")
    ] = None,
    signing: Annotated[str | None, typer.Option(metavar="MODE", help="auto, passthrough or resign. Default: auto.")] = None,
    region: Annotated[str | None, typer.Option(metavar="NAME", help="Region of requests that name none. Default: $AWS_REGION.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No report, only the rows in the ledger.")] = False,
) -> None:
    """Start a private proxy on free ports, point the SDKs of CMD at it, run CMD, print what was measured, exit with CMD's code.

    Example: streamgauge run -- python chat.py
    """
    from streamgauge.cli import aws_files
    from streamgauge.cli.serve import log_to_stderr, overrides, upstreams

    given = upstreams(upstream) if upstream else {}
    redirection = endpoints.redirect(os.environ, given, aws_files.endpoints(os.environ))
    hosts = [f"127.0.0.{number}" for number in range(1, len(redirection.ways) + 1)]
    where = ledger or str(new_folder() / "ledger.db")
    options = overrides(
        [f"{host}:0" for host in hosts], "127.0.0.1:0", upstream, where, None, signing, region or endpoints.region(os.environ)
    ) | {
        "targets.by_listener": {host: way.upstream for host, way in zip(hosts, redirection.ways, strict=True) if way.upstream},
        "listen_tls": (),
        "log_level": "WARNING",
        "relay.early_credentials": True,
        # A spool shared with another proxy would put that one's rows into this ledger, and these into that one's.
        "spool_dir": f"{Path(where).expanduser()}.spool",
    }
    log_to_stderr("WARNING")
    with contextlib.ExitStack() as until_the_end:
        tls, notes = _tls(redirection, hosts, until_the_end)
        if tls is not None and redirection.secure is not None:
            options |= {
                "listen_tls": (f"{hosts[redirection.secure]}:0",),
                "tls.cert_file": tls.cert_file,
                "tls.key_file": tls.key_file,
                "tls.client_ca_file": None,
            }
        settings, about_the_way = _as_without_us(config, options)
        for note in (*redirection.notes, *notes, *about_the_way):
            sys.stderr.write(f"streamgauge: {note}\n")
        code = _measured(command, settings, redirection, tls, quiet=quiet)
    raise typer.Exit(code)


def _tls(
    redirection: endpoints.Redirection, hosts: list[str], until_the_end: contextlib.ExitStack
) -> tuple[PrivateTls | None, tuple[str, ...]]:
    """What boto3 needs with a bearer key, if it has one, and sentences for the user."""
    from streamgauge.cli.private_tls import private_tls

    if redirection.secure is None:
        return None, ()
    try:
        return until_the_end.enter_context(private_tls(hosts, os.environ)), ()
    except CouldNotRun as error:
        return None, (f"{endpoints.BEARER} is set: boto3 sends it over https only and will refuse this http proxy; {error}",)


def _as_without_us(config: Path | None, options: dict[str, Any]) -> tuple[Config, tuple[str, ...]]:
    """The settings, with the way to AWS that the command's environment asks for where the settings name none, and sentences for the user."""
    from streamgauge.config import load

    settings = load(config, options, os.environ)
    relay, targets = settings.relay, settings.targets
    notes: tuple[str, ...] = ()
    if relay.egress_proxy is None:
        through, notes = endpoints.egress(os.environ)
        relay = dataclasses.replace(relay, egress_proxy="environment") if through else relay
    fips, dual_stack = endpoints.variants(os.environ)
    targets = dataclasses.replace(targets, use_fips=targets.use_fips or fips, use_dualstack=targets.use_dualstack or dual_stack)
    return dataclasses.replace(settings, relay=relay, targets=targets), notes


def _measured(command: list[str], settings: Config, redirection: endpoints.Redirection, tls: PrivateTls | None, *, quiet: bool) -> int:
    from streamgauge.app import Supervisor
    from streamgauge.cli.ending import ended_in_order, run_to_its_end
    from streamgauge.cli.output import patient

    proxy = Supervisor(settings)
    proxy.proxy_id += f"-{uuid.uuid4().hex[:8]}"  # process ids repeat, in containers at once, and a kept ledger holds many runs
    with ended_in_order():
        proxy.open()
        try:
            _wait_until_up(proxy)
            secure = f"https://{proxy.tls_addresses[0]}" if proxy.tls_addresses else None
            pointed = redirection.pointed([f"http://{address}" for address in proxy.addresses], secure)
            hosts = [address.rpartition(":")[0] for address in proxy.addresses]
            trusting = tls.variables if tls is not None else {}
            environ = {**os.environ, **trusting, **pointed, **endpoints.without_proxy(os.environ, hosts)}
            code = run_to_its_end(command, environ, proxy.tend)
        finally:
            with patient("waiting for open calls to end and for the last rows"):
                proxy.stop()
        if quiet:
            sys.stderr.write(f"streamgauge: the rows are in {proxy.ledger}\n")
        else:
            _tell(proxy.ledger, proxy.proxy_id, code)
    return code


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


def _tell(ledger: Path, proxy_id: str, code: int) -> None:
    """The report, if anybody is there to read it; the exit code is the command's whatever becomes of the report."""
    from streamgauge.cli.output import PipeClosed

    try:
        _report(ledger, proxy_id, code)
    except (PipeClosed, OSError):  # the terminal has closed, or `2>&1 | head` has seen enough
        pass
    except StreamgaugeError as error:
        sys.stderr.write(f"streamgauge: no report: {error}\n")


def _report(ledger: Path, proxy_id: str, code: int) -> None:
    """Of this run's calls. On standard output only where a person reads it: in a pipe, that belongs to the command (``run -- app | jq``)."""
    from streamgauge.cli import measured

    this_run = [f"proxy_id={proxy_id}"]
    # A command that ends at once may end before the recorder has begun a ledger: nothing was there to record.
    if not ledger.exists() or not measured.count(ledger, this_run):
        lines = [f"  - {cause}\n    fix: {fix}" for cause, fix in endpoints.NO_CALLS]
        ran = "ran, but no call came by. Likely causes:"
        if code:
            ran = f"ended with exit code {code}, and no call came by.\nWhat it says itself, above, comes first. Where that is not it:"
        sys.stderr.write(f"streamgauge: the command {ran}\n" + "\n".join(lines) + "\n")
        return
    with contextlib.redirect_stdout(sys.stdout if sys.stdout.isatty() else sys.stderr):
        print()
        measured.show(ledger, where=this_run)
        print(
            f"\nEvery field of these calls: {measured.program()} exchanges --format jsonl"
            f" --where {this_run[0]} --ledger {shlex.quote(str(ledger))}"
        )
