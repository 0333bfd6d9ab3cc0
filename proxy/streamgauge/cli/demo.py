"""``streamgauge demo``: the main job without an AWS account."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamgauge.cli.live_view import LEGEND, Layout, LiveView
from streamgauge.errors import CouldNotRun

if TYPE_CHECKING:
    from streamgauge.app import Supervisor
    from streamgauge.testing.traffic import TrafficSettings

SECONDS, CALLS_PER_SECOND, THREADS, SEED = 12.0, 13.0, 24, 7
"""A demo is over before anybody wonders whether it hangs: about fifteen seconds in all, with enough calls that no second is without one."""

MODEL_SECONDS, MODEL_CALLS_PER_SECOND, MODEL_THREADS = 18.0, 0.7, 2
"""One small model on a processor makes some 60 tokens a second: few calls, short answers, and below half a minute all the same."""

LOOK_SECONDS = 0.25
"""Four pictures a second look alive and cost the machine that is measured next to nothing."""

SETTLE_SECONDS = 5.0
"""How long the last rows may take to reach the ledger; they take half a second."""

ROWS, NEWEST = 12, 100
"""Rows on the screen; and how many of the exchanges begun last are asked for, more than end between two looks."""

SLOW = "ttft=0.5s"
"""The report's objective here: some of the scripted answers miss it, so that it can show who spent the time."""

_SETUP = ("AWS_", "BOTO_")
_WAYS = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle", "curl_ca_bundle", "ssl_cert_file", "ssl_cert_dir")
"""What sets up an AWS client or its way into the network, by the beginning of its name and by its whole name in any case."""

_COLOURS = {"completed": "green", "throttled": "yellow"}


def demo(
    ledger: Annotated[
        str | None, typer.Option(metavar="PATH", help="Keep the rows in this ledger. Default: a new one that is named at the end.")
    ] = None,
    model: Annotated[bool, typer.Option("--model", help="Put a real language model behind the proxy (see `make demo MODEL=1`).")] = False,
    seconds: Annotated[
        float | None,
        typer.Option(min=1.0, max=600.0, help=f"How long calls begin. Default: {SECONDS:.0f}, with --model {MODEL_SECONDS:.0f}."),
    ] = None,
) -> None:
    """Run a scripted Bedrock, the proxy and real boto3 traffic of mixed sizes on this machine; watch each call being measured.

    Example: streamgauge demo
    """
    from streamgauge.app import Supervisor
    from streamgauge.cli.ending import ended_in_order
    from streamgauge.cli.serve import log_to_stderr
    from streamgauge.config import load

    _forget_the_users_setup()
    where = ledger or str(Path(tempfile.mkdtemp(prefix="streamgauge-demo-")) / "ledger.db")
    log_to_stderr("CRITICAL")
    with ended_in_order(), _upstream(model=model) as url:
        settings = load(
            None,
            {
                "listen": ("127.0.0.1:0",),
                "admin": "127.0.0.1:0",
                "ledger": where,
                "targets.upstreams": {"bedrock-runtime": url},
                "targets.default_region": "us-east-1",
                "relay.early_credentials": True,
                "drain_seconds": SETTLE_SECONDS,
                "log_level": "CRITICAL",
            },
        )
        proxy = Supervisor(settings)
        proxy.open()
        try:
            _watch(proxy, _traffic(seconds, model=model), _introduction(proxy.addresses[0], model=model))
        finally:
            proxy.stop()
    _report(proxy.ledger)


def _forget_the_users_setup() -> None:
    """For this process and those it starts. A profile that is gone or a proxy of the company must not decide whether a demo works."""
    for name in [name for name in os.environ if name.startswith(_SETUP) or name.lower() in _WAYS]:
        del os.environ[name]
    # Nobody's credentials, so that the proxy has a role to sign with and boto3 never asks a cloud's metadata service.
    os.environ.update(
        AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
        AWS_SECRET_ACCESS_KEY="example",  # noqa: S106 - an example
        AWS_EC2_METADATA_DISABLED="true",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    )


@contextlib.contextmanager
def _upstream(*, model: bool) -> Iterator[str]:
    """The provider's place, in a process of its own: its moments must not depend on the callers' Python. Raises ``CouldNotRun``."""
    from streamgauge.cli.output import patient
    from streamgauge.testing.process import UpstreamProcess

    if model:
        _need_model()
    with contextlib.ExitStack() as stack:
        try:
            with patient("waiting for the demo's upstream to start"):
                upstream = stack.enter_context(UpstreamProcess("--profile", "model" if model else "demo"))
        except RuntimeError as error:
            raise CouldNotRun(f"the demo's upstream did not start: {error}") from error
        yield upstream.url


def _need_model() -> None:
    from importlib.util import find_spec

    from streamgauge.testing.real_model import weights

    try:
        weights()
    except RuntimeError as error:
        raise CouldNotRun(str(error)) from error
    if find_spec("xllamacpp") is None:
        raise CouldNotRun("xllamacpp is not installed: `make demo MODEL=1` brings it, or pip install xllamacpp")


def _traffic(seconds: float | None, *, model: bool) -> TrafficSettings:
    from streamgauge.testing.traffic import TrafficSettings

    if not model:
        span = seconds or SECONDS
        return TrafficSettings(calls=round(span * CALLS_PER_SECOND), seconds=span, threads=THREADS, seed=SEED)
    span = seconds or MODEL_SECONDS
    return TrafficSettings(
        calls=max(1, round(span * MODEL_CALLS_PER_SECOND)),
        seconds=span,
        threads=MODEL_THREADS,
        seed=SEED,
        mix={"converse_stream": 0.8, "converse": 0.2},  # what it is translated to
        max_input=120,
        max_output=60,
        models=("smollm2-135m",),
    )


def _introduction(address: str, *, model: bool) -> list[str]:
    provider = "a real language model (SmolLM2) in Bedrock's shapes" if model else "a scripted Bedrock: real protocol, made-up answers"
    return [
        f"boto3  ->  streamgauge at http://{address}  ->  {provider}",
        "The calls have the sizes and the rhythm of a production trace (Azure, conversations), sped up."
        + ("" if model else " Some are throttled on purpose, and one stream breaks."),
    ]


def _watch(proxy: Supervisor, settings: TrafficSettings, introduction: Sequence[str]) -> None:
    """Traffic in a thread; meanwhile its exchanges are shown as they complete, and the proxy's processes are tended."""
    from streamgauge.testing import traffic

    stop = threading.Event()
    failed: list[Exception] = []

    def calls() -> None:
        try:
            traffic.run(f"http://{proxy.addresses[0]}", settings, stop=stop)
        except Exception as error:  # told by who waits for the thread
            failed.append(error)

    thread = threading.Thread(target=calls, name="traffic", daemon=True)
    look = _look(proxy, LiveView())
    with _screen(introduction) as show:
        thread.start()
        try:
            while thread.is_alive():
                thread.join(LOOK_SECONDS)
                show(*look())
        except KeyboardInterrupt:  # enough seen: what is open ends, and the report comes
            stop.set()
            thread.join(SETTLE_SECONDS)
        finally:
            stop.set()
        if failed:
            raise CouldNotRun(f"the demo's calls could not be made ({type(failed[0]).__name__})") from failed[0]
        until = time.monotonic() + SETTLE_SECONDS
        view, fresh = look()
        while not view.settled and time.monotonic() < until:
            show(view, fresh)
            time.sleep(LOOK_SECONDS)
            view, fresh = look()
        show(view, fresh)


Ended = Mapping[str, Any]


def _look(proxy: Supervisor, view: LiveView) -> Callable[[], tuple[LiveView, list[Ended]]]:
    from streamgauge.cli.admin_client import AdminClient

    admin = AdminClient(proxy.admin_address)

    def look() -> tuple[LiveView, list[Ended]]:
        proxy.tend()
        try:
            return view, view.take(admin.summary(), admin.newest(NEWEST))
        except CouldNotRun:  # the recorder is not up yet, or the machine is busy: the picture stays as it is
            return view, []

    return look


Show = Callable[[LiveView, list[Ended]], None]


@contextlib.contextmanager
def _screen(introduction: Sequence[str]) -> Iterator[Show]:
    """A terminal gets a picture that is drawn anew; a pipe gets a line for each exchange."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal or console.is_dumb_terminal:
        layout = Layout(shutil.get_terminal_size((160, 50)).columns if sys.stdout.isatty() else 160)
        print(*introduction, "", *LEGEND, "", *layout.heading(), sep="\n", flush=True)
        yield lambda _, fresh: print("".join(f"{layout.row(one)}\n" for one in fresh), end="", flush=True)
        return
    from rich.live import Live

    console.print("\n".join(introduction))
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        yield lambda view, _: live.update(_picture(view, console.width, console.height), refresh=True)


def _picture(view: LiveView, width: int, height: int) -> Any:
    from rich.console import Group
    from rich.text import Text

    layout = Layout(width)
    head = [Text(line, style="bold") for line in view.heading(datetime.now(UTC).timestamp())]
    columns = [Text(line, style="bold cyan") for line in layout.heading()]
    room = max(1, min(ROWS, height - len(head) - len(columns) - len(LEGEND) - 3))
    newest = list(view.ended)[-room:]
    rows = [_coloured(layout.row(one), one["outcome"]) for one in newest] + [Text("")] * (room - len(newest))
    lines = [Text(""), *head, Text(""), *columns, *rows, *(Text(line, style="dim") for line in LEGEND)]
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(*lines)


def _coloured(line: str, outcome: str) -> Any:
    from rich.text import Text

    text = Text(line)
    text.highlight_words([outcome], _COLOURS.get(outcome, "red"))
    return text


def _report(ledger: Path) -> None:
    from streamgauge.cli import measured

    print()
    measured.show(ledger, by="model", listed=0, aim=SLOW)
    slowest = measured.show_slowest(ledger)
    at, program = f"--ledger {shlex.quote(str(ledger))}", measured.program()
    print(
        "\nWhat to do next",
        "  measure your own application, unchanged:",
        f"    {program} run -- python3 your_app.py",
        "  look closer at these calls:",
        f"    {program} exchanges {at}",
        f"    {program} exchanges show {slowest or 'ID'} {at}",
        f"    {program} report errors {at}",
        f"    {program} report latency --by operation,model {at}",
        sep="\n",
    )
