"""``streamgauge ca``: the private CA of applications that are pointed at the proxy by ``HTTPS_PROXY``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamgauge.errors import CouldNotRun, UsageError


def create(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go; made if it does not exist.")] = Path(
        "streamgauge-ca"
    ),
    domain: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A domain besides AWS's, for targets.extra_hosts. Repeatable.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long the CA is good for.")] = 365,
) -> None:
    """Make a private CA that can vouch for AWS's domains and nothing else, and say what to do with it.

    Example: streamgauge ca create /etc/streamgauge/ca
    """
    from streamgauge.certificates import limit, new_ca
    from streamgauge.cli.private_tls import public_authorities
    from streamgauge.routing import shipped_table

    folder = directory.expanduser().absolute()
    cert, key, bundle = folder / "ca.pem", folder / "ca-key.pem", folder / "bundle.pem"
    for path in (cert, key, bundle):
        if path.exists():
            raise UsageError(f"{path} is there already: name another directory, or delete it once no application trusts it any more")
    suffixes = {suffix for partition in shipped_table().partitions for suffix in (partition.dns_suffix, partition.dual_stack_suffix)}
    try:
        named = {limit(name) for name in domain or ()}
    except UsageError as error:
        raise UsageError(f"--domain: {error}") from None
    made = new_ca("streamgauge private CA", days, sorted({*suffixes, *named}))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        key.touch(0o600, exist_ok=False)
        key.write_bytes(made.key)
        cert.write_bytes(made.cert)
        bundle.write_bytes(public_authorities() + made.cert)
    except OSError as error:
        raise CouldNotRun(f"{error.filename or folder} cannot be written ({error.strerror})") from error
    print(_instructions(cert, key, bundle))


def _instructions(cert: Path, key: Path, bundle: Path) -> str:
    return f"""{key} is the CA's key (mode 0600): it belongs to the proxy alone.
{cert} is what applications must trust; {bundle} holds it with the public authorities.

1. In the settings file of the proxy, then restart it or send it SIGHUP:
     connect:
       ca_cert_file: {cert}
       ca_key_file: {key}
2. Where the application runs:
     export HTTPS_PROXY=http://127.0.0.1:8787
     export AWS_CA_BUNDLE={bundle}        # boto3, AWS CLI
     export SSL_CERT_FILE={bundle}        # anthropic, openai, Go
     export NODE_EXTRA_CA_CERTS={cert}    # Node
     export NO_PROXY=...                  # what is not for Bedrock or SageMaker: the proxy refuses all else"""
