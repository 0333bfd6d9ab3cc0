"""The counting process: bodies in at standard input, token counts out at standard output. Started by a relay worker when first needed.

python -m streamgauge.tokens.process

It keeps no text, may open no connection and no file for writing, leaves no core dump, and ends when its worker does.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from typing import TYPE_CHECKING, Any

from streamgauge.errors import CouldNotRun
from streamgauge.estimate.text import answer_text, prompt_text
from streamgauge.tokens.encoding import count, load
from streamgauge.tokens.messages import Counted, Job, Messages, packed

if TYPE_CHECKING:
    import tiktoken

NICE = 10
"""Traffic goes first: an estimate is late rather than a token."""

COULD_NOT_RUN = 4
"""Exit code: the encoding is damaged or its library is missing."""

_READ = 1 << 16
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND


def counted(encoding: tiktoken.Encoding, job: Job) -> Counted:
    """The counts of one job; whatever a text does to the library, the answer is that nothing is known. Never raises."""
    said = Counted(job.number)
    try:
        if job.prompt is not None:
            texts = prompt_text(job.prompt)
            said.prompt = count(encoding, texts) if texts else None
        if job.answer is not None:
            texts = answer_text(job.answer, event_stream=job.event_stream)
            said.answer = count(encoding, texts) if texts else None
            said.answer_bytes = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    except BaseException:  # a panic in the library is no Exception; its message may quote the text
        return Counted(job.number, failed=True)
    return said


def serve(encoding: tiktoken.Encoding) -> None:
    """Answer jobs in their order until the worker closes its end."""
    messages = Messages(Job)
    while data := os.read(0, _READ):
        for job in messages.feed(data):
            _write(packed(counted(encoding, job)))


def _write(data: bytearray) -> None:
    while data:
        data = data[os.write(1, data) :]


_NEVER = (
    *("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.", "ctypes."),
    *("os.truncate", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.chown", "shutil."),
)
"""Beginnings of the events (docs.python.org, "Audit events table") of what it never does."""


def _forbid(event: str, args: tuple[Any, ...]) -> None:
    """An audit hook: what this process never does, no library does for it."""
    if event.startswith(_NEVER) or (event == "open" and args[2] & _WRITING):
        raise PermissionError("the counting process opens no connection, starts no program and writes no file")


def main() -> None:
    """Process entry point."""
    for sig in (signal.SIGINT, signal.SIGTERM):  # a service manager may signal all processes at once; the worker still has rows to end
        signal.signal(sig, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(NICE)
    try:
        encoding = load()
    except (CouldNotRun, ImportError, OSError):
        sys.exit(COULD_NOT_RUN)
    sys.addaudithook(_forbid)
    try:
        serve(encoding)
    except (BrokenPipeError, ValueError):
        pass  # the worker is gone, or what comes from it makes no sense: it starts another


if __name__ == "__main__":
    main()
