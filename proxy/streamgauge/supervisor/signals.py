"""What the supervisor is told by signals."""

from __future__ import annotations

import selectors
import signal
import socket


class StopSignals:
    """SIGTERM and SIGINT as something to wait for, without a thread. To be made, in the main thread, before anything is started.

    SIGHUP, which service managers send for "read your settings anew" and terminals when they close, ends nothing: ``hung_up`` tells of it.
    """

    def __init__(self) -> None:
        self._hung_up = False
        self._read, self._write = socket.socketpair()
        for end in (self._read, self._write):
            end.setblocking(False)
        self._before = {sig: signal.signal(sig, lambda *_: None) for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
        self._wakeup = signal.set_wakeup_fd(self._write.fileno())
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._read, selectors.EVENT_READ)

    def wait(self, seconds: float) -> bool:
        """Whether a signal has come, or comes within ``seconds``."""
        if not self._selector.select(seconds):
            return False
        came = set(self._read.recv(64))
        self._hung_up = self._hung_up or signal.SIGHUP in came
        return bool(came & {signal.SIGTERM, signal.SIGINT})

    def hung_up(self) -> bool:
        """Whether SIGHUP has come since this was asked last."""
        came, self._hung_up = self._hung_up, False
        return came

    def close(self) -> None:
        """Put things back."""
        signal.set_wakeup_fd(self._wakeup)
        for sig, handler in self._before.items():
            signal.signal(sig, handler)
        self._selector.close()
        self._read.close()
        self._write.close()
