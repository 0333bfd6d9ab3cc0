"""``streamgauge demo``: the main job without an AWS account."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from streamgauge.app import Supervisor

CALLS, SECONDS, THREADS, SEED = 160, 12.0, 24, 7
"""A demo is over before anybody wonders whether it hangs: about fifteen seconds."""


def demo(
    ledger: Annotated[str | None, typer.Option(help="Keep the rows in this ledger. Default: a new one that is named at the end.")] = None,
    model: Annotated[bool, typer.Option("--model", help="Put a real language model behind the proxy (see `make demo MODEL=1`).")] = False,
) -> None:
    """Run a scripted Bedrock, the proxy and real boto3 traffic of mixed sizes on this machine, and show what was measured.

    Example: streamgauge demo
    """
    from streamgauge.app import Supervisor
    from streamgauge.cli import measured
    from streamgauge.cli.serve import log_to_stderr
    from streamgauge.config import load

    # Nobody's credentials, so that the proxy has a role to sign with and boto3 never asks a cloud's metadata service.
    os.environ.update(AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY="example", AWS_EC2_METADATA_DISABLED="true")  # noqa: S106 - an example
    os.environ.pop("AWS_SESSION_TOKEN", None)
    where = ledger or str(Path(tempfile.mkdtemp(prefix="streamgauge-demo-")) / "ledger.db")
    with _upstream(model=model) as url:
        settings = load(
            None,
            {
                "listen": ("127.0.0.1:0",),
                "admin": "127.0.0.1:0",
                "ledger": where,
                "targets.upstreams": {"bedrock-runtime": url},
                "targets.default_region": "us-east-1",
                "relay.early_credentials": True,
                "log_level": "CRITICAL",
            },
        )
        log_to_stderr("CRITICAL")
        proxy = Supervisor(settings)
        proxy.open()
        try:
            sys.stdout.write(f"boto3 calls of real conversations' sizes, sped up, through the proxy at http://{proxy.addresses[0]}\n")
            _drive(proxy, f"http://{proxy.addresses[0]}", model=model)
        finally:
            proxy.stop()
    sys.stdout.write("\n")
    measured.show(proxy.ledger)
    sys.stdout.write(f"\nEvery field of every call: streamgauge exchanges --format jsonl --ledger {proxy.ledger}\n")


@contextlib.contextmanager
def _upstream(*, model: bool) -> Iterator[str]:
    """The provider's place: scripted, or a real model behind the scripted server, which translates live."""
    from streamgauge.testing.profiles import Demo
    from streamgauge.testing.upstream import ScriptedUpstream

    if not model:
        with ScriptedUpstream(Demo()) as upstream:
            yield upstream.url
        return
    from streamgauge.testing.real_model import serving_model

    with serving_model() as reply, ScriptedUpstream(lambda _: reply) as upstream:
        yield upstream.url


def _drive(proxy: Supervisor, url: str, *, model: bool) -> None:
    """Traffic in a thread; meanwhile a line of progress twice a second, and the proxy's processes are tended."""
    from streamgauge.cli import measured
    from streamgauge.testing.traffic import TrafficSettings, run

    settings = TrafficSettings(calls=CALLS, seconds=SECONDS, threads=THREADS, seed=SEED)
    if model:  # one small model on a processor: few calls, short answers, and only the operations it is translated to
        mix = {"converse_stream": 0.8, "converse": 0.2}
        settings = TrafficSettings(calls=12, seconds=20.0, threads=2, seed=SEED, mix=mix, max_input=120, max_output=60)
    traffic = threading.Thread(target=run, args=(url, settings), daemon=True)
    traffic.start()
    while traffic.is_alive():
        traffic.join(0.5)
        proxy.tend()
        if proxy.ledger.exists():
            sys.stdout.write(f"\r{measured.count(proxy.ledger)} calls measured ")
            sys.stdout.flush()
