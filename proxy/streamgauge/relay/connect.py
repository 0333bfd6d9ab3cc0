"""CONNECT, for applications that are pointed at us by ``HTTPS_PROXY``: taken up with a certificate for the host they ask for.

Never a blind tunnel: what is not an allowed target is refused, and what is allowed is read, measured and sent on like any other request.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from time import perf_counter_ns

from streamgauge.addresses import split_authority
from streamgauge.certificates import Certificate, Issuer, read, use
from streamgauge.errors import TargetNotAllowed, UsageError
from streamgauge.records import Operation
from streamgauge.relay.tls import HANDSHAKE_SECONDS, SHUTDOWN_SECONDS, bare_context
from streamgauge.targets import Targets

HOSTS_KEPT = 256
"""Certificates at hand. The allow-list has a few dozen hosts in a usual region; each context is some 100 KiB."""

CERTIFICATE_AGE_NS = 86_400 * 1_000_000_000
"""A certificate is made anew after a day: it is good for a week, so nobody sees one that is about to end."""

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"

OFF = (
    "CONNECT is not relayed, for what is inside could not be measured: set the endpoint variable of your SDK instead, "
    "or give the proxy a private CA (connect.ca_cert_file and connect.ca_key_file, made by `streamgauge ca create`)"
)

_ANY = Operation("unknown", "opaque", "opaque", streaming=False)


@dataclass(frozen=True)
class ConnectSettings:
    """The private CA of ``HTTPS_PROXY`` applications, which must trust it: certificate and key, PEM files. Both or none."""

    ca_cert_file: str | None = None
    ca_key_file: str | None = None


def authority_of(settings: ConnectSettings) -> Certificate | None:
    """The CA, or ``None`` where CONNECT is off. Raises ``UsageError`` naming setting, file and fix."""
    if settings.ca_cert_file is None and settings.ca_key_file is None:
        return None
    if settings.ca_cert_file is None or settings.ca_key_file is None:
        missing = "ca_cert_file" if settings.ca_cert_file is None else "ca_key_file"
        raise UsageError(f"connect.{missing}: not set; a CA is a certificate and its key, `streamgauge ca create` makes both")
    return read(settings.ca_cert_file, settings.ca_key_file, "connect")


class Tunnels:
    """One per worker. Call from its event loop."""

    def __init__(self, settings: ConnectSettings, targets: Targets) -> None:
        self._settings = settings
        self._targets = targets
        self._issuer: Issuer | None = None
        self._made: dict[str, tuple[int, asyncio.Future[ssl.SSLContext]]] = {}

    async def context(self, authority: str) -> ssl.SSLContext:
        """What to present to an application that asked for ``authority`` (``host:port``). Raises ``TargetNotAllowed`` or ``CouldNotRun``."""
        if self._settings.ca_key_file is None:
            raise TargetNotAllowed(OFF)
        self._targets.resolve(f"https://{authority}/", None, None, _ANY)
        host, _ = split_authority(authority)
        at = perf_counter_ns()
        made_at, making = self._made.get(host, (0, None))
        if (
            making is None
            or at - made_at > CERTIFICATE_AGE_NS
            or (making.done() and (making.cancelled() or making.exception() is not None))
        ):
            making = asyncio.get_running_loop().run_in_executor(None, self._make, host)
            self._made.pop(host, None)
            self._made[host] = at, making
            while len(self._made) > HOSTS_KEPT:
                del self._made[next(iter(self._made))]
        # Never cancelled by one who waits for it: others may.
        return await asyncio.shield(making)

    def _make(self, host: str) -> ssl.SSLContext:
        """In a thread: some 10 ms each, once for each host and day."""
        issuer = self._issuer
        if issuer is None:
            ca = authority_of(self._settings)
            assert ca is not None
            issuer = self._issuer = Issuer(ca)
        context = bare_context()
        use(context, issuer.issue([host]))
        return context


class Waiting(asyncio.Protocol):
    """Keeps what comes right behind a handshake until the connection's own protocol is in place."""

    def __init__(self) -> None:
        self._data: list[bytes] = []
        self._ended: Exception | bool | None = None

    def data_received(self, data: bytes) -> None:
        """Callback of asyncio."""
        self._data.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Callback of asyncio."""
        self._ended = exc or True

    def give(self, transport: asyncio.Transport, protocol: asyncio.Protocol) -> None:
        """Put ``protocol`` in our place."""
        if self._ended:
            transport.abort()
            return
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        for data in self._data:
            protocol.data_received(data)


async def take_up(transport: asyncio.Transport, context: ssl.SSLContext, inside: asyncio.Protocol) -> None:
    """Answer the CONNECT and go on with TLS; ``inside`` is the protocol of what comes then. A handshake that fails ends the connection."""
    waiting = Waiting()
    transport.write(ESTABLISHED)
    try:
        secured = await asyncio.get_running_loop().start_tls(
            transport,
            waiting,
            context,
            server_side=True,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
            ssl_shutdown_timeout=SHUTDOWN_SECONDS,
        )
    except (OSError, ssl.SSLError):  # it does not trust us, or has gone: it knows better than we why
        transport.abort()
        return
    if secured is not None:
        waiting.give(secured, inside)
