"""Connecting to the first of several addresses that answers (RFC 8305): a silent one costs its delay and not the whole time allowed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

DELAY = 0.5
"""Seconds before the next address is tried beside one that has not answered. RFC 8305 has 0.25 for TCP alone; here TLS is inside."""


class Closable(Protocol):
    """What is connected."""

    def close(self) -> None:
        """Close it."""


C = TypeVar("C", bound=Closable)


async def first_of(
    addresses: Sequence[str], connect: Callable[[str], Coroutine[Any, Any, C]], failed: Callable[[str], None], delay: float = DELAY
) -> C:
    """The first connection that comes about; attempts that are not needed any more end. ``failed`` is told of each worse address.

    Raises ``ssl.SSLError`` at once (another address is no cure for a certificate), or the last ``OSError`` when no address is left.
    Sets no limit of its own to the whole.
    """
    attempts: dict[asyncio.Task[C], str] = {}
    left = list(addresses)
    failure: OSError = OSError("no address")
    try:
        while left or attempts:
            if left:
                address = left.pop(0)
                attempts[asyncio.get_running_loop().create_task(connect(address))] = address
            done, _ = await asyncio.wait(attempts, timeout=delay if left else None, return_when=asyncio.FIRST_COMPLETED)
            for attempt in done:
                error = attempt.exception()
                if error is None:
                    del attempts[attempt]
                    return attempt.result()
                failed(attempts.pop(attempt))
                if isinstance(error, ssl.SSLError) or not isinstance(error, OSError):
                    raise error
                failure = error
    finally:
        for attempt, address in attempts.items():
            failed(address)
            attempt.add_done_callback(discard)
            attempt.cancel()
    raise failure


def discard(attempt: asyncio.Task[C]) -> None:
    """Callback of an attempt that is not needed any more: the other one was faster, or nobody waits."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()
