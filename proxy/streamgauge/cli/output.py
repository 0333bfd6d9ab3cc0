"""Toward the person: a terminal with colours and a width, or a pipe that gets plain text."""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from streamgauge.errors import CouldNotRun
from streamgauge.reports.bars import UNICODE, Ink, ink
from streamgauge.reports.table import Line

PATIENCE = 2.0
"""Seconds after which somebody who waits wants to know that something happens."""

AGAIN, AGAIN_IN_A_LOG = 0.5, 10.0
"""Seconds after which he wants to know how far it is: on a terminal, where the line is written over, and in a log, where lines add up."""

_STYLES = {"title": "bold", "heading": "bold cyan", "rule": "dim", "key": "bold", "row": "", "note": "dim", "blank": ""}

_PLAIN = {"µ": "u", "…": ".", "─": "-", "│": "|", "█": "#"}
"""What stands for a character that an output cannot show, in the same width; a question mark for all others."""


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(character, "?") for character in error.object[error.start : error.end]), error.end


def settle_streams() -> None:
    """An output that cannot show a character (``LC_ALL=C``, a model's odd name) shows another; one that was closed (``>&-``) takes everything."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number, before a socket of ours gets it; and the processes that we start have it too.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    # Python has none for a stream that was closed.
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    codecs.register_error("streamgauge.plainly", _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # something else under a test
            stream.reconfigure(errors="streamgauge.plainly")


class PipeClosed(Exception):
    """Whoever read our output has left (``| head``). Not an error: there is nobody to tell."""


def silence() -> None:
    """What is still in the buffer has nowhere to go; the interpreter would complain while it flushes."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def cannot_take_more(error: BaseException) -> bool:
    """Whether it is the output, a full disk or a terminal that has gone, that failed."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@contextlib.contextmanager
def _pipe() -> Iterator[None]:
    """Turns a closed pipe into ``PipeClosed`` before typer makes exit code 1 of it, which means a finding here; a full disk into ``CouldNotRun``."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        silence()
        raise PipeClosed from None
    except OSError as error:
        if not cannot_take_more(error):
            raise
        silence()
        raise CouldNotRun(f"the output cannot be written ({error.strerror})") from None


class Screen:
    """Standard output. ``width`` is the terminal's, ``None`` for a pipe or a file."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        self.terminal = sys.stdout.isatty()
        self.width = self._console.width if self.terminal else None
        self.chars: Ink = ink(sys.stdout.encoding)

    def show(self, lines: Iterable[Line]) -> None:
        """Lines in the colours of their styles; without any in a pipe, or where NO_COLOR asks for none."""
        with _pipe():
            for line in lines:
                if self.terminal:
                    self._console.print(line.text, style=_STYLES[line.style])
                else:
                    print(line.text)


def write(texts: Iterable[str]) -> None:
    """Lines for programs, as they are: always in UTF-8, which JSON prescribes and whatever reads a file expects."""
    if isinstance(sys.stdout, io.TextIOWrapper) and ink(sys.stdout.encoding) is not UNICODE:
        sys.stdout.reconfigure(encoding="utf-8")
    with _pipe():
        for text in texts:
            print(text)


def watched(rows: Iterable[Any], every: int = 5_000) -> Iterator[Any]:
    """The rows, with their count on standard error when it takes longer than two seconds."""
    begun = shown = time.monotonic()
    again = AGAIN if sys.stderr.isatty() else AGAIN_IN_A_LOG
    count = 0
    try:
        for count, row in enumerate(rows, 1):
            if count % every == 0 and (now := time.monotonic()) - begun > PATIENCE and (shown == begun or now - shown > again):
                shown = now
                _tell(f"read {count:,} exchanges")
            yield row
    finally:
        if shown != begun:
            _clear()


@contextlib.contextmanager
def patient(what: str, patience: float = PATIENCE, again: float = AGAIN_IN_A_LOG) -> Iterator[None]:
    """Says ``what`` is going on when the block takes longer than two seconds, and every ten seconds for how long: where there is nothing to count."""
    ended, told = threading.Event(), threading.Event()
    begun = time.monotonic()

    def tell() -> None:
        wait = patience
        while not ended.wait(wait):
            _tell(f"{what} ({time.monotonic() - begun:.0f} s)" if told.is_set() else what)
            told.set()
            wait = again

    watcher = threading.Thread(target=tell, name="patient", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        if told.is_set():
            _clear()


def _clear() -> None:
    with contextlib.suppress(OSError):
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _tell(text: str) -> None:
    with contextlib.suppress(OSError):
        if sys.stderr.isatty():
            print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)
        else:
            print(f"streamgauge: {text}", file=sys.stderr, flush=True)
