"""Applications that go on calling whatever happens, and remember what became of each call."""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

CALLERS = 6
"""Enough that exchanges overlap; few enough that callers and upstream, which share this process, leave the proxy some of the machine."""

PATIENCE_SECONDS = 60.0
"""What a call may take: a worker that dies again and again is replaced after up to five seconds, on a busy machine a few more."""

UNARY, STREAM = "/model/m/converse", "/model/m/converse-stream"

Became = Literal["under way", "refused", "broken", "whole"]


@dataclass
class Call:
    """One request. ``began``: part of its answer came, so a worker saw it. ``ended_at``: monotonic seconds, ``took``: seconds. ``refused``: nobody
    listened.
    """

    call_id: str
    began: bool = False
    became: Became = "under way"
    status: int = 0
    ended_at: float = 0.0
    took: float = 0.0
    received: bytes = field(default=b"", repr=False)


def call(connection: http.client.HTTPConnection, call_id: str, path: str) -> Call:
    """Make one call and read its answer; never raises for what a network does."""
    made, begun = Call(call_id), time.monotonic()
    headers = {"Content-Type": "application/json", "amz-sdk-invocation-id": call_id}
    try:
        if connection.sock is None:
            connection.connect()
        connection.request("POST", path, b"{}", headers)
        response = connection.getresponse()
        made.began, made.status = True, response.status
        if not response.chunked:
            made.received = response.read()
        while response.chunked and (part := response.read1(65_536)):  # as it comes: what came before a break counts
            made.received += part
        made.became = "whole"
    except ConnectionRefusedError:
        made.became = "refused"
    except (OSError, http.client.HTTPException):
        made.became = "broken"
    made.ended_at = time.monotonic()
    made.took = made.ended_at - begun
    if made.became != "whole":
        connection.close()
    return made


class Callers:
    """Threads that call, streaming and not, one call after the other, while the block runs; ``keep``: on kept connections."""

    def __init__(self, address: str, count: int = CALLERS, *, keep: bool = True) -> None:
        self._address = address
        self._keep = keep
        self._made: list[list[Call]] = [[] for _ in range(count)]
        self._answered = [0] * count
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._calls, args=(number,)) for number in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Let each call under way come to its end, and begin no more."""
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)

    @property
    def calls(self) -> list[Call]:
        """All calls that are over."""
        return [made for of_one in self._made for made in list(of_one)]

    def answered(self) -> int:
        """Calls that were answered whole."""
        return sum(self._answered)

    def _calls(self, number: int) -> None:
        mine = self._made[number]
        connection = http.client.HTTPConnection(self._address, timeout=PATIENCE_SECONDS)
        while not self._over.is_set():
            mine.append(call(connection, f"c{number}-{len(mine)}", UNARY if len(mine) % 3 == 0 else STREAM))
            if not self._keep:
                connection.close()
            self._answered[number] += mine[-1].became == "whole"
            if mine[-1].became == "refused":
                break  # nobody listens, and asking in a loop would only keep the machine busy
        connection.close()


class Caller:
    """One call in a thread of its own, on a connection that is made at once."""

    def __init__(self, address: str, call_id: str, path: str = STREAM) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=PATIENCE_SECONDS)
        self._connection.connect()
        self._made: list[Call] = []
        self._thread = threading.Thread(target=lambda: self._made.append(call(self._connection, call_id, path)))
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether the call has come to its end."""
        return bool(self._made)

    def result(self) -> Call:
        """Wait for its end."""
        self._thread.join()
        self._connection.close()
        return self._made[0]
