"""A worker's side of the counting process: started when first needed, fed without waiting, given up when it does not answer.

Everything here runs on the event loop and never raises towards who asks. Whoever asks is answered exactly once: with counts, or with
the reason why there are none.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from streamgauge.tokens.messages import Counted, Job, Messages, packed
from streamgauge.tokens.settings import EstimateSettings

Refusal = Literal["busy", "late"]
"""Why there are no counts: too much is waiting; or the process is dead, cannot be started, or took too long."""

Done = Callable[[Counted | Refusal], None]

MAX_JOBS = 1000
"""Jobs that wait at a time, however small: their bookkeeping has a bound too."""

SLICE = 1 << 16
"""Bytes written in one turn: what an empty pipe takes, some 20 µs."""

HUNG_SECONDS = 30.0
"""Without any answer for this long, with work to do, the process is ended: its longest job takes a second or two."""

BACKOFF_SECONDS = (1.0, 60.0)
"""First and longest pause before another start after a death."""

# -P: nothing in the working directory is taken for a module.
COMMAND = (sys.executable, "-P", "-m", "streamgauge.tokens.process")
PASSED_ON = ("PATH", "PYTHONPATH", "LANG", "LC_ALL")
"""Of the environment the process gets only what Python needs: it has no use for anybody's secrets."""

_log = logging.getLogger("streamgauge.tokens")


@dataclass
class _Asked:
    size: int
    done: Done | None
    deadline: asyncio.TimerHandle


class TokenCounter:
    """One per worker. ``close`` it: what is waiting is answered then."""

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: EstimateSettings, command: Sequence[str] = COMMAND) -> None:
        self._loop = loop
        self._settings = settings
        self._command = command
        self._asked: dict[int, _Asked] = {}
        self._asked_bytes = 0
        self._unsent: deque[memoryview] = deque()
        self._number = 0
        self._starting: asyncio.Future[subprocess.Popen[bytes]] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._messages = Messages(Counted)
        self._writing = False
        self._not_before = 0.0
        self._pause = BACKOFF_SECONDS[0]
        self._heard_at = 0.0
        self._idle: asyncio.TimerHandle | None = None
        self._hung: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return self._process.pid if self._process is not None else None

    @property
    def waiting(self) -> int:
        """How many still wait for an answer."""
        return sum(asked.done is not None for asked in self._asked.values())

    def ask(self, prompt: bytes | None, answer: bytes | None, done: Done, *, event_stream: bool = False) -> bool:
        """Have the text in these bodies counted. ``done`` is called once, at the latest after ``answer_seconds``; at once, and the result false, where nothing can come of it."""
        size = len(prompt or b"") + len(answer or b"")
        if len(self._asked) >= MAX_JOBS or self._asked_bytes + size > self._settings.waiting_bytes:
            done("busy")
            return False
        job = memoryview(packed(Job(self._number + 1, prompt, answer, event_stream)))
        if self._closed or not self._is_there():
            done("late")
            return False
        if not self._asked:
            self._heard_at = self._loop.time()
        self._number = number = self._number + 1
        deadline = self._loop.call_later(self._settings.answer_seconds, self._late, number)
        self._asked[number] = _Asked(size, done, deadline)
        self._asked_bytes += size
        self._unsent.append(job)
        if self._process is not None:
            self._send()
        return True

    def _is_there(self) -> bool:
        """Whether there is a process, or will be."""
        if self._process is not None or self._starting is not None:
            return True
        if self._loop.time() < self._not_before:
            return False
        # In a thread: a fork of a large process takes milliseconds.
        try:
            self._starting = self._loop.run_in_executor(None, _start, self._command)
        except RuntimeError:  # no thread to be had
            self._put_off("it cannot be started")
            return False
        self._starting.add_done_callback(self._started)
        return True

    def _started(self, starting: asyncio.Future[subprocess.Popen[bytes]]) -> None:
        self._starting = None
        try:
            process = starting.result()
        except (OSError, asyncio.CancelledError):
            self._put_off("it cannot be started")
            return
        assert process.stdin is not None
        assert process.stdout is not None
        os.set_blocking(process.stdin.fileno(), False)
        os.set_blocking(process.stdout.fileno(), False)
        self._process = process
        if self._closed:
            self._end()
            return
        self._messages = Messages(Counted)
        self._heard_at = self._loop.time()
        self._loop.add_reader(process.stdout.fileno(), self._readable)
        self._send()

    def _send(self) -> None:
        """Write what the pipe takes now; the rest when it has room again."""
        process = self._process
        if process is None or self._writing or not self._unsent:
            return
        self._writing = True
        assert process.stdin is not None
        self._loop.add_writer(process.stdin.fileno(), self._writable)

    def _writable(self) -> None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        if self._unsent:
            first = self._unsent[0]
            try:
                sent = os.write(process.stdin.fileno(), first[:SLICE])
            except BlockingIOError:
                return
            except OSError:  # it is gone; the reader sees that too
                self._died()
                return
            if sent < len(first):
                self._unsent[0] = first[sent:]
            else:
                self._unsent.popleft()
        if not self._unsent:
            self._writing = False
            self._loop.remove_writer(process.stdin.fileno())

    def _readable(self) -> None:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        try:
            data = os.read(process.stdout.fileno(), SLICE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._died()
            return
        try:
            for counted in self._messages.feed(data):
                self._heard(counted)
        except ValueError:
            self._died()

    def _heard(self, counted: Counted) -> None:
        self._heard_at = self._loop.time()
        self._pause = BACKOFF_SECONDS[0]
        asked = self._asked.pop(counted.number, None)
        if asked is None:
            return
        self._asked_bytes -= asked.size
        asked.deadline.cancel()
        _tell(asked, counted)
        if not self._asked:
            if self._idle is not None:
                self._idle.cancel()
            self._idle = self._loop.call_later(self._settings.idle_seconds, self._rest)

    def _late(self, number: int) -> None:
        """The row goes without; the work stays on the books until it is done, for it fills the pipe."""
        asked = self._asked.get(number)
        if asked is not None:
            _tell(asked, "late")
            if self._hung is None:
                self._hung = self._loop.call_later(HUNG_SECONDS, self._look)

    def _look(self) -> None:
        """Something was late a while ago."""
        self._hung = None
        if self._asked and self._loop.time() - self._heard_at > HUNG_SECONDS:
            self._died()

    def _rest(self) -> None:
        if not self._asked:
            self._end()

    def _died(self) -> None:
        self._end()
        self._put_off("it has died")

    def _put_off(self, what: str) -> None:
        _log.warning("token counts are estimated from sizes for %.0f s: the counting process is not there, %s", self._pause, what)
        self._not_before = self._loop.time() + self._pause
        self._pause = min(self._pause * 2, BACKOFF_SECONDS[1])
        self._give_up()

    def _give_up(self) -> None:
        """Nothing that was asked will be answered."""
        waiting, self._asked = self._asked, {}
        self._asked_bytes = 0
        self._unsent.clear()
        for asked in waiting.values():
            asked.deadline.cancel()
            _tell(asked, "late")

    def _end(self) -> None:
        """End the process, if there is one, and have it collected."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        self._loop.remove_reader(process.stdout.fileno())
        self._loop.remove_writer(process.stdin.fileno())
        self._writing = False
        process.stdin.close()
        process.stdout.close()
        process.kill()
        if not self._closed:
            self._loop.run_in_executor(None, process.wait)
        else:
            process.wait()

    def close(self) -> None:
        """Answer who still waits, end the process. It may be killed at any moment: there is nothing it could lose."""
        self._closed = True
        for timer in (self._idle, self._hung):
            if timer is not None:
                timer.cancel()
        self._give_up()
        self._end()


def _tell(asked: _Asked, what: Counted | Refusal) -> None:
    done, asked.done = asked.done, None
    if done is not None:
        done(what)


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    environ = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ, start_new_session=True, bufsize=0
    )
