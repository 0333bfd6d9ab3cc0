"""A scripted upstream in a thread of its own: a context manager for tests and demos."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self, TypeVar

from streamgauge.testing.received import Received, SendLog
from streamgauge.testing.script import Script
from streamgauge.testing.server import Gate, ScriptFor, Service, start
from streamgauge.testing.sigv4 import Verifier

_T = TypeVar("_T")

KEPT = 20_000
"""Requests and send logs that are remembered: more than a test looks at, bounded all the same."""

KEPT_BYTES = 512 * 1024 * 1024
"""Request bytes that are remembered: twenty bodies of Bedrock's largest size."""

STOP_SECONDS = 10.0
"""Stopping takes milliseconds; a script function that hangs must not hang the test with it."""

INTRODUCTION_TURNS = 3
"""Turns of the loop from accepting a connection to telling its protocol: the accepting task begins, makes the transport, the transport calls."""


class Memory:
    """A journal that keeps the newest requests and send logs, and lets a thread wait for them."""

    def __init__(self, on_over: Callable[[SendLog], None] | None = None) -> None:
        self.requests: deque[Received] = deque(maxlen=KEPT)
        self.logs: deque[SendLog] = deque(maxlen=KEPT)
        self.changed = threading.Condition()
        self._bytes = 0
        self._on_over = on_over

    def received(self, received: Received) -> None:
        """Keep a request; the oldest go when there are too many or too large ones."""
        with self.changed:
            if len(self.requests) == KEPT:
                self._drop()
            self.requests.append(received)
            self._bytes += len(received.body)
            while self._bytes > KEPT_BYTES and len(self.requests) > 1:
                self._drop()
            self.changed.notify_all()

    def began(self, log: SendLog) -> None:
        """Keep a send log from its beginning."""
        with self.changed:
            self.logs.append(log)

    def over(self, log: SendLog) -> None:
        """A response is over."""
        if self._on_over is not None:
            self._on_over(log)
        with self.changed:
            self.changed.notify_all()

    def _drop(self) -> None:
        self._bytes -= len(self.requests.popleft().body)


class ScriptedUpstream:
    """A real server on a real port, answering by script.

    ``script`` is a ``Script``, or a function from the request to a ``Script`` or to a ``Reply`` (an async function that writes the
    answer itself); it runs on the server's thread. With ``credentials`` (secrets by access key id) only requests signed with one of
    them pass. ``on_over`` is called, on the server's thread, with each send log when its response is over.
    """

    def __init__(
        self,
        script: Script | ScriptFor = Script(),  # noqa: B008 - frozen
        host: str = "127.0.0.1",
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        credentials: Mapping[str, str] | None = None,
        *,
        gate: Gate | None = None,
        on_over: Callable[[SendLog], None] | None = None,
    ) -> None:
        self.host, self.port = host, port
        self._script_for = (lambda _: script) if isinstance(script, Script) else script
        self._tls = ssl_context
        self._gate: Gate | None = gate or (Verifier(credentials) if credentials else None)
        self._memory = Memory(on_over)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._up = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="scripted-upstream", daemon=True)

    @property
    def url(self) -> str:
        """The base URL, without a slash at the end."""
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}"

    @property
    def received(self) -> list[Received]:
        """The requests so far, oldest first."""
        with self._memory.changed:
            return list(self._memory.requests)

    @property
    def sends(self) -> list[SendLog]:
        """The send logs so far, oldest first; ``over`` tells which are complete."""
        with self._memory.changed:
            return list(self._memory.logs)

    def send(self, request_id: str) -> SendLog:
        """The send log of the response with that ``x-amzn-RequestId``. Raises ``KeyError``."""
        return {log.request_id: log for log in self.sends}[request_id]

    def wait(self, count: int = 1, timeout: float = 10.0) -> list[SendLog]:
        """Wait until ``count`` responses are over, and return all that are. Raises ``TimeoutError``."""
        return self._wait(lambda: [log for log in self._memory.logs if log.over], count, timeout)

    def wait_received(self, count: int = 1, timeout: float = 10.0) -> list[Received]:
        """Wait until ``count`` requests are here whole. Raises ``TimeoutError``."""
        return self._wait(lambda: list(self._memory.requests), count, timeout)

    def clear(self) -> None:
        """Forget requests and logs so far."""
        with self._memory.changed:
            self._memory.requests.clear()
            self._memory.logs.clear()

    def __enter__(self) -> Self:
        """Listen. Raises ``OSError`` if the port is taken."""
        self._thread.start()
        self._up.wait()
        if self._error is not None:
            raise self._error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop it."""
        self.stop()

    def stop(self) -> None:
        """Break every connection, close the port, end the thread. Again: nothing."""
        if self._loop is not None and self._thread.is_alive():
            # Between the question and the call the loop may have ended by itself.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(STOP_SECONDS)

    def _wait(self, found: Callable[[], list[_T]], count: int, timeout: float) -> list[_T]:
        until = time.monotonic() + timeout
        with self._memory.changed:
            while len(here := found()) < count:
                if not self._memory.changed.wait(until - time.monotonic()):
                    raise TimeoutError(f"{len(here)} of {count} after {timeout} s")
            return here

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # the thread that waits raises it
            self._error = error
        finally:
            self._up.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        service = Service(self._script_for, self._memory, self._gate)
        server = await start(service, self.host, self.port, self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        await self._stop.wait()
        await _let_go(server, service)


async def _let_go(server: asyncio.Server, service: Service) -> None:
    """Accept no more, break every connection, and wait for what goes on in the loop to end.

    What was accepted a moment ago is introduced to its protocol first: a server that is closed in between refuses its transport, forgets the
    socket, and the garbage collector's warning about it appears in whatever test runs at that moment.
    """
    for listener in server.sockets:
        asyncio.get_running_loop().remove_reader(listener.fileno())
    for _ in range(INTRODUCTION_TURNS):
        await asyncio.sleep(0)
    server.close()
    await service.close()
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:  # replies being written, and TLS handshakes of callers that do not speak
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=STOP_SECONDS / 2)
    await service.close()
    await asyncio.sleep(0)  # a transport closes its socket in the turn after the one in which it was told to
