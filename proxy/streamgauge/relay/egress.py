"""The way out through a corporate proxy: CONNECT to the upstream's name, then TLS with the upstream itself inside.

Only ``https`` upstreams go this way, as ``HTTPS_PROXY`` has it: an ``http`` one is a gateway of the same network.
The proxy's credentials appear in no text of ours.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import msgspec

from streamgauge.addresses import bracketed, default_port
from streamgauge.errors import EgressProxyRefused, UpstreamTlsFailed, UsageError

ENVIRONMENT = "environment"
"""Value of ``relay.egress_proxy``: take ``HTTPS_PROXY``, so that the password need not stand in a settings file."""

_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
"""The first of them that is set is taken."""

MAX_REPLY_BYTES = 16_384
"""A head of a proxy's answer to CONNECT is a few hundred bytes; with a page that explains a refusal, we do not read on."""


class EgressProxy(msgspec.Struct, frozen=True):
    """Where it is and who we are to it. ``authorization``: the value of ``Proxy-Authorization``. ``direct``: what ``NO_PROXY`` lists."""

    scheme: str
    host: str
    port: int
    authorization: bytes | None = None
    direct: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Without credentials."""
        return f"<EgressProxy {self.name}>"

    @property
    def name(self) -> str:
        """For texts."""
        return bracketed(self.host, self.port)

    def serves(self, host: str, port: int) -> bool:
        """Whether the way to ``host`` leads through it."""
        return not any(_matches(entry, host.lower(), port) for entry in self.direct)


def read_egress(setting: str | None, environ: Mapping[str, str]) -> EgressProxy | None:
    """What ``relay.egress_proxy`` says, with ``NO_PROXY`` of the environment. Raises ``UsageError`` that shows no credentials."""
    if setting is None:
        return None
    where = "relay.egress_proxy"
    url = setting
    if setting == ENVIRONMENT:
        name = next((name for name in _VARIABLES if environ.get(name)), None)
        if name is None:
            return None
        where, url = f"{name} (relay.egress_proxy: environment)", environ[name]
    no_proxy = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    return _parse(url, where, tuple(entry for part in no_proxy.split(",") if (entry := part.strip().lower())))


def _parse(url: str, where: str, direct: tuple[str, ...]) -> EgressProxy:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in ("http", "https") or parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageError(f"{where}: is not of the form http://[user:password@]host:port or https://...; characters such as @ in it as %40")
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = b"Basic " + base64.b64encode(pair.encode())
    return EgressProxy(parts.scheme, host, port or default_port(parts.scheme), authorization, direct)


def _matches(entry: str, host: str, port: int) -> bool:
    """One entry of ``NO_PROXY``: ``*``, a host, a domain with or without its dot, each with an optional port."""
    if entry == "*":
        return True
    name, colon, its_port = entry.rpartition(":")
    if colon and its_port.isdecimal() and "]" not in its_port and (":" not in name or name.startswith("[")):
        if int(its_port) != port:
            return False
        entry = name
    entry = entry.strip("[]").removeprefix("*").removeprefix(".")
    return bool(entry) and (host == entry or host.endswith("." + entry))


async def through(
    proxy: EgressProxy, address: str, host: str, port: int, protocol: asyncio.Protocol, tls: ssl.SSLContext, opened: asyncio.Event
) -> asyncio.Transport:
    """A TLS connection to ``host`` through the proxy at ``address``, told to ``protocol``. ``tls`` is also for the way to an ``https`` proxy.

    Sets ``opened`` when the proxy has let us through: all that fails before is its doing, what fails afterwards the upstream's.
    Raises ``OSError`` where the proxy cannot be reached at this address, or ends the connection; ``EgressProxyRefused`` or ``UpstreamTlsFailed``
    for what another address would not mend. Sets no limit of its own to the whole.
    """
    loop = asyncio.get_running_loop()
    secure = proxy.scheme == "https"
    try:
        transport, handshake = await loop.create_connection(
            Handshake, address, proxy.port, ssl=tls if secure else None, server_hostname=proxy.host if secure else None
        )
    except ssl.SSLError as error:
        reason = error.reason or "handshake failed"
        raise EgressProxyRefused(f"no trusted TLS session with the egress proxy {proxy.name} ({reason}); see relay.ca_file") from None
    try:
        transport.write(_request(proxy, host, port))
        status = await handshake.answered
        if status != 200:
            raise refused(proxy, status, f"{host}:{port}")
        opened.set()
        return await _secured(transport, protocol, tls, f"{host}:{port}", host, proxy)
    except BaseException:
        transport.abort()
        raise


async def _secured(
    transport: asyncio.Transport, protocol: asyncio.Protocol, tls: ssl.SSLContext, target: str, host: str, proxy: EgressProxy
) -> asyncio.Transport:
    reason = "it ended the handshake"
    try:
        inside = await asyncio.get_running_loop().start_tls(transport, protocol, tls, server_hostname=host)
    except ssl.SSLError as error:
        inside, reason = None, error.reason or "handshake failed"
    except OSError:
        inside = None
    if inside is None:
        raise UpstreamTlsFailed(f"no trusted TLS session with {target} through the egress proxy {proxy.name} ({reason})")
    protocol.connection_made(inside)
    return inside


def silent(host: str, port: int) -> str:
    """The end of a sentence that begins with the proxy."""
    return f"opened no way to {host}:{port} in time (relay.name_timeout, relay.connect_timeout, relay.tls_timeout): ask its operators"


_NO_WAY = "it found no way to this host, or has too much to do: ask its operators"


def refused(proxy: EgressProxy, status: int, target: str) -> EgressProxyRefused:
    """What its answer to CONNECT means, and what to do. Status 0: it is no answer."""
    remedy = {
        407: "user or password are missing or wrong: set them in relay.egress_proxy",
        403: "its rules do not allow this host: ask its operators",
        502: _NO_WAY,
        503: _NO_WAY,
        504: _NO_WAY,
    }.get(status, "see its log")
    said = f"answered CONNECT {target} with {status}" if status else f"did not answer CONNECT {target} as a proxy does"
    return EgressProxyRefused(f"the egress proxy {proxy.name} {said} ({remedy})")


def _request(proxy: EgressProxy, host: str, port: int) -> bytes:
    target = bracketed(host, port).encode("ascii")
    lines = [b"CONNECT %b HTTP/1.1" % target, b"Host: %b" % target]
    if proxy.authorization is not None:
        lines.append(b"Proxy-Authorization: %b" % proxy.authorization)
    return b"\r\n".join(lines) + b"\r\n\r\n"


class Handshake(asyncio.Protocol):
    """Reads the proxy's answer. ``answered``: its status, 0 for what is none."""

    def __init__(self) -> None:
        self._head = b""
        self.answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        """Callback of asyncio."""
        self._head += data
        if self.answered.done():
            return
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if end:
            words = head.split(b"\r\n")[0].split(b" ", 2)
            known = len(words) > 1 and words[0] in (b"HTTP/1.1", b"HTTP/1.0") and len(words[1]) == 3 and words[1].isdigit()
            status = int(words[1]) if known else 0
            # Nobody may speak inside before we have: such bytes would be taken for the upstream's.
            self.answered.set_result(0 if status == 200 and rest else status)
        elif len(self._head) > MAX_REPLY_BYTES:
            self.answered.set_result(0)

    def connection_lost(self, exc: Exception | None) -> None:
        """Callback of asyncio."""
        if not self.answered.done():
            self.answered.set_exception(exc or ConnectionResetError())
