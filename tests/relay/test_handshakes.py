"""Handshakes that fail are counted and told of by their reasons, not more often than once a minute."""

from __future__ import annotations

import asyncio
import logging
import ssl

import pytest

from streamgauge.relay.handshakes import TELL_SECONDS, FailedHandshakes, reason
from tests.relay.loopback import on_uvloop, until


class Clock:
    """A loop's, whose timers go off when told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: list[tuple[float, object]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, callback: object) -> object:
        self.due.append((seconds, callback))
        return self

    def strike(self) -> float:
        """Let the next timer go off; how long that took."""
        seconds, callback = self.due.pop(0)
        self.now += seconds
        assert callable(callback)
        callback()
        return seconds


def of_openssl(name: str) -> ssl.SSLError:
    error = ssl.SSLError(1, name)
    error.reason = name
    return error


def test_the_first_one_is_told_at_once_and_those_after_it_together(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    failed = FailedHandshakes(clock)  # type: ignore[arg-type]
    failed.add(of_openssl("TLSV1_ALERT_UNKNOWN_CA"))
    assert clock.strike() == 0.0
    for error in (of_openssl("HTTP_REQUEST"), of_openssl("HTTP_REQUEST"), ConnectionResetError()):
        failed.add(error)
    assert len(clock.due) == 1
    assert clock.strike() == TELL_SECONDS
    assert failed.total == 4
    assert [record.getMessage() for record in caplog.records] == [
        "1 TLS handshake(s) with applications failed: tlsv1 alert unknown ca (1); 1 since the start",
        "3 TLS handshake(s) with applications failed: http request (2), connection ended (1); 4 since the start",
    ]


def test_on_the_loop_of_the_product_it_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        FailedHandshakes(asyncio.get_running_loop()).add(ConnectionResetError())
        await until(lambda: caplog.records, "a line")

    with caplog.at_level(logging.WARNING):
        on_uvloop(main)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (of_openssl("NO_SHARED_CIPHER"), "no shared cipher"),
        (ssl.SSLError(), "no reason given"),
        (ConnectionAbortedError(), "took too long"),
        (TimeoutError(), "took too long"),
        (ConnectionResetError(), "connection ended"),
        (OSError(), "connection ended"),
    ],
)
def test_a_reason_is_a_few_words(error: OSError, said: str) -> None:
    assert reason(error) == said
