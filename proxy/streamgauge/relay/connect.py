"""CONNECT, for applications that are pointed at us by ``HTTPS_PROXY``: taken up with a certificate for the host they ask for.

Never a blind tunnel: what is not an allowed target is refused, and what is allowed is read, measured and sent on like any other request.
"""

from __future__ import annotations

import asyncio
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from streamgauge.addresses import split_authority
from streamgauge.certificates import BACKDATED_SECONDS, Certificate, Issuer, read, use
from streamgauge.errors import CouldNotRun, TargetNotAllowed, UsageError
from streamgauge.records import Operation
from streamgauge.relay.refusal import Busy
from streamgauge.relay.tls import HANDSHAKE_SECONDS, SHUTDOWN_SECONDS, bare_context
from streamgauge.targets import Targets

NAMES_KEPT = 256
"""Certificates at hand. AWS has some forty regions with two or three names each; a context is some 100 KiB."""

CERTIFICATE_SECONDS = 86_400.0
"""A certificate is made anew after a day: it is good for a week, so nobody sees one that is about to end."""

QUEUED = 16
"""Certificates that may wait to be made, one after the other, for half a second at most: which hosts are asked for is a stranger's choice."""

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"

OFF = (
    "CONNECT is not relayed, for what is inside could not be measured: set the endpoint variable of your SDK instead, "
    "or give the proxy a private CA (connect.ca_cert_file and connect.ca_key_file, made by `streamgauge ca create`)"
)

NESTED = "a tunnel inside a tunnel is not relayed: send the CONNECT to the proxy itself, once"

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
        self._made: dict[str, tuple[float, asyncio.Future[ssl.SSLContext]]] = {}
        self._maker: ThreadPoolExecutor | None = None
        self._queued = 0

    async def context(self, authority: str) -> ssl.SSLContext:
        """What to present to an application that asked for ``authority`` (``host:port``).

        Raises ``TargetNotAllowed``, ``Busy`` where too many certificates are to be made already, or ``CouldNotRun``.
        """
        if self._settings.ca_key_file is None:
            raise TargetNotAllowed(OFF)
        place = self._targets.resolve(f"https://{authority}/", None, None, _ANY)
        host, _ = split_authority(authority)
        name = certificate_name(host) if place.role_allowed else host
        now = datetime.now(UTC).timestamp()
        made_at, making = self._made.pop(name, (0.0, None))
        # By the wall clock, as a certificate's end is; a machine that was asleep has not heard the other one tick.
        if making is None or _failed(making) or not -BACKDATED_SECONDS < now - made_at <= CERTIFICATE_SECONDS:
            made_at, making = now, self._begin(name)
        self._made[name] = made_at, making  # used last, and the last to go
        while len(self._made) > NAMES_KEPT:
            del self._made[next(iter(self._made))]
        # Never cancelled by one who waits for it: others may.
        return await asyncio.shield(making)

    def close(self) -> None:
        """Nothing is made any more."""
        if self._maker is not None:
            self._maker.shutdown(wait=False, cancel_futures=True)

    def _begin(self, name: str) -> asyncio.Future[ssl.SSLContext]:
        if self._queued >= QUEUED:
            raise Busy("too many tunnels to new hosts are being opened at this moment: try again in a second")
        if self._maker is None:  # one thread of its own: what others do in threads does not wait for strangers
            self._maker = ThreadPoolExecutor(1, "certificates")
        self._queued += 1
        making = asyncio.get_running_loop().run_in_executor(self._maker, self._make, name)
        making.add_done_callback(self._over)
        return making

    def _over(self, making: asyncio.Future[ssl.SSLContext]) -> None:
        self._queued -= 1
        _failed(making)  # who waited may have gone, and the loop would complain

    def _make(self, name: str) -> ssl.SSLContext:
        """In a thread: some 20 ms each, once for each name and day."""
        issuer = self._issuer
        if issuer is None:
            ca = authority_of(self._settings)
            assert ca is not None
            issuer = self._issuer = Issuer(ca)
        context = bare_context()
        try:
            use(context, issuer.issue([name]))
        except (OSError, ValueError) as error:  # that of OpenSSL is the former
            raise CouldNotRun(
                f"the certificate for {name} cannot be used ({type(error).__name__}): see the CA in connect.ca_cert_file"
            ) from None
        return context


def certificate_name(host: str) -> str:
    """What the certificate for one of AWS's hosts is made for: all hosts of its region, or all VPC endpoints of its service there.

    Anybody may name any number of endpoints; so they share one.
    """
    return "*." + host.partition(".")[2]


def _failed(making: asyncio.Future[ssl.SSLContext]) -> bool:
    return making.done() and (making.cancelled() or making.exception() is not None)


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


async def take_up(transport: asyncio.Transport, context: ssl.SSLContext, inside: asyncio.Protocol) -> OSError | None:
    """Answer the CONNECT and go on with TLS; ``inside`` is the protocol of what comes then.

    A handshake that fails ends the connection; returns how it failed.
    """
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
    except OSError as error:  # it does not trust us, or has gone: it knows better than we why
        transport.abort()
        return error
    if secured is not None:
        waiting.give(secured, inside)
    return None
