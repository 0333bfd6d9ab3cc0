"""``python -m streamgauge.testing``: a scripted upstream as a process of its own.

Prints one JSON line with its URL when it listens, and runs until SIGTERM or SIGINT; with ``--leash`` until its parent ends, too.

    python -m streamgauge.testing --port 9000 --profile plain --log sends.jsonl
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from streamgauge.testing.profiles import Demo, plain
from streamgauge.testing.received import SendLog
from streamgauge.testing.server import ScriptFor
from streamgauge.testing.upstream import ScriptedUpstream

MODEL_NICE = 10
"""A tenth of the weight of an ordinary process where both want the same core; all of it where nobody else does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 after a signal, 4 if the port, the log file or the model could not be opened."""
    options = _parser().parse_args(argv)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if options.leash:
        threading.Thread(target=_wait_for_the_parent, args=(stop,), name="leash", daemon=True).start()
    try:
        with (
            _journal(options.log) as write,
            _script_for(options) as script_for,
            ScriptedUpstream(script_for, options.host, options.port, on_over=write) as upstream,
        ):
            # What is alive now stays: collections that walked it again would be delays of answers whose moments are looked at.
            gc.collect()
            gc.freeze()
            print(json.dumps({"url": upstream.url, "pid": os.getpid()}), flush=True)  # noqa: T201 - the process's one answer
            stop.wait()
    except (OSError, RuntimeError) as error:
        print(f"streamgauge.testing: {error}", file=sys.stderr)  # noqa: T201 - the reason it could not run
        return 4
    return 0


def _wait_for_the_parent(stop: threading.Event) -> None:
    """Whoever started this process holds the other end of its standard input for as long as he lives."""
    # The descriptor itself: a thread inside sys.stdin's lock would make the interpreter complain at its end.
    while os.read(0, 4096):
        pass
    stop.set()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m streamgauge.testing", description="A scripted Bedrock/SageMaker upstream.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    parser.add_argument("--profile", choices=("plain", "demo", "model"), default="plain", help="model: a real language model answers")
    parser.add_argument("--log", type=Path, help="file to append the send log to, one JSON object per response")
    parser.add_argument("--leash", action="store_true", help="end as well when standard input does: with the process that holds it")
    parser.add_argument("--seed", type=int, default=1, help="of the demo profile's jitter")
    parser.add_argument("--slow-model", help="demo: the model that degrades")
    parser.add_argument("--slow-from", type=int, default=0, help="demo: the number of the request from which it does")
    parser.add_argument("--slow-factor", type=float, default=6.0, help="demo: how many times slower it gets")
    return parser


@contextmanager
def _script_for(options: argparse.Namespace) -> Iterator[ScriptFor]:
    if options.profile == "model":
        from streamgauge.testing.real_model import serving_model

        # A provider computes elsewhere; here it must not take the processor from what measures it, and from the callers.
        os.nice(MODEL_NICE)
        with serving_model() as reply:
            yield lambda _: reply
    elif options.profile == "demo":
        yield Demo(options.seed, slow_model=options.slow_model, slow_from=options.slow_from, slow_factor=options.slow_factor)
    else:
        yield plain


@contextmanager
def _journal(path: Path | None) -> Iterator[Callable[[SendLog], None] | None]:
    if path is None:
        yield None
        return
    with path.open("a", encoding="utf-8") as file:

        def write(log: SendLog) -> None:
            # A full disk must not stop the answers; the reader of the log will miss the line.
            with contextlib.suppress(OSError):
                file.write(log.as_json() + "\n")
                file.flush()

        yield write


if __name__ == "__main__":
    sys.exit(main())
