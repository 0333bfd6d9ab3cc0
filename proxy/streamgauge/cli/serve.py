"""``streamgauge serve``: the proxy."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from streamgauge.errors import CouldNotRun, UsageError


def serve(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Settings file (YAML). Options here override it.")] = None,
    listen: Annotated[
        list[str] | None, typer.Option(help="Address for applications, host:port; repeatable. Default 127.0.0.1:8787.")
    ] = None,
    listen_tls: Annotated[
        list[str] | None,
        typer.Option("--listen-tls", help="Address for applications over TLS, host:port; repeatable. Needs a certificate."),
    ] = None,
    tls_cert: Annotated[str | None, typer.Option("--tls-cert", help="Its certificate with its chain, a PEM file.")] = None,
    tls_key: Annotated[str | None, typer.Option("--tls-key", help="The certificate's key, a PEM file.")] = None,
    admin: Annotated[str | None, typer.Option(help="Address of health, API and metrics. Default 127.0.0.1:8788.")] = None,
    upstream: Annotated[
        list[str] | None, typer.Option(help="SERVICE=URL: send a service (bedrock-runtime, sagemaker-runtime, ...) there. Repeatable.")
    ] = None,
    ledger: Annotated[str | None, typer.Option(help="Ledger file. Default $STREAMGAUGE_LEDGER or the user's state directory.")] = None,
    workers: Annotated[
        str | None, typer.Option(metavar="N|auto", help="Relay processes; auto: one for each core that may be used. Default 1.")
    ] = None,
    signing: Annotated[str | None, typer.Option(help="auto, passthrough or resign.")] = None,
    region: Annotated[str | None, typer.Option(help="Region of requests that name none.")] = None,
) -> None:
    """Run the proxy until SIGTERM or Ctrl-C. SIGHUP: read the settings file again, without an interruption.

    Example: streamgauge serve --listen 127.0.0.1:8787
    """
    from streamgauge.app import Supervisor
    from streamgauge.config import Config, load
    from streamgauge.config.reread import reread
    from streamgauge.supervisor.signals import StopSignals

    def read() -> Config:
        options = overrides(listen, admin, upstream, ledger, workers, signing, region)
        tls = {"listen_tls": tuple(listen_tls) if listen_tls else None, "tls.cert_file": tls_cert, "tls.key_file": tls_key}
        return load(config, options | {key: value for key, value in tls.items() if value is not None}, os.environ)

    settings = read()
    log_to_stderr(settings.log_level)
    proxy = Supervisor(settings)
    told = StopSignals()
    try:
        proxy.open()
        sys.stdout.write(banner(proxy.addresses, proxy.tls_addresses, proxy.admin_address, proxy.ledger, settings.connect.ca_cert_file))
        sys.stdout.flush()
        proxy.run(told, lambda: reread(config, read))
    finally:
        told.close()  # whoever asks a second time does not want to wait
        complete = proxy.stop()
    if not complete:
        raise typer.Exit(CouldNotRun.exit_code)


def overrides(
    listen: list[str] | None,
    admin: str | None,
    upstream: list[str] | None,
    ledger: str | None,
    workers: str | None,
    signing: str | None,
    region: str | None,
) -> dict[str, Any]:
    """Options as dotted settings keys; an option that is not given leaves its setting alone."""
    given = {
        "listen": tuple(listen) if listen else None,
        "admin": admin,
        "targets.upstreams": upstreams(upstream) if upstream else None,
        "ledger": ledger,
        "workers": int(workers) if workers is not None and workers.isdecimal() else workers,
        "relay.signing": signing,
        "targets.default_region": region,
    }
    return {key: value for key, value in given.items() if value is not None}


def upstreams(pairs: list[str]) -> dict[str, str]:
    """``SERVICE=URL`` pairs as a table. Raises ``UsageError``."""
    table = {}
    for pair in pairs:
        service, found, url = pair.partition("=")
        if not found or not url or not re.fullmatch(r"[\w-]+", service):
            # Not repeated: where a URL stands alone, a password may stand in it.
            raise UsageError("--upstream: expected SERVICE=URL, such as bedrock-runtime=http://127.0.0.1:9000")
        table[service] = url
    return table


def log_to_stderr(level: str) -> None:
    """Set up logging of the supervisor."""
    import logging

    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)


def banner(addresses: Sequence[str], tls_addresses: Sequence[str], admin: str, ledger: Path, ca_cert: str | None = None) -> str:
    """What to set in an application."""
    listening = [*(f"http://{address}" for address in addresses), *(f"https://{address}" for address in tls_addresses)]
    base = listening[0]
    lines = [
        f"streamgauge listens on {' '.join(listening)}   admin http://{admin}   ledger {ledger}",
        "",
        "Point an application here with one of:",
        f"  export AWS_ENDPOINT_URL_BEDROCK_RUNTIME={base}",
        f"  export AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME={base}",
        f"  export ANTHROPIC_BEDROCK_BASE_URL={base}",
        f"  export OPENAI_BASE_URL={base}/openai/v1",
    ]
    if tls_addresses:
        lines.append(f"  export AWS_ENDPOINT_URL_BEDROCK_RUNTIME=https://{tls_addresses[0]}   # boto3 with a bearer key")
    if ca_cert is not None:
        lines.append(f"  export HTTPS_PROXY={base}   # and trust {ca_cert}")
    return "\n".join([*lines, "", f"Then: streamgauge report latency --ledger {ledger}", ""])
