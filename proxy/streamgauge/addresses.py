"""Hosts, ports and upstream URLs as text: splitting, spelling, and whether two of them are one machine.

Knows: authorities of RFC 3986, IPv4 and IPv6 literals, wildcard and loopback addresses.
Must not know: name resolution; where names matter, the caller passes what they resolve to.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import urlsplit

import msgspec

from streamgauge.errors import TargetNotAllowed, UsageError

_AUTHORITY = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^\s:/@?#\[\]\\]*))(?::([0-9]{0,5}))?")

_SCHEME = re.compile(r"(?:[A-Za-z][\w+.-]*:)?//")
_NO_PORT = re.compile(r"([^:/?#\[\]]*:)(?![0-9]*(?:[/?#]|$))")
"""Behind a host's colon stands a port, or else the rest of somebody's password that lost its @."""


class Upstream(msgspec.Struct, frozen=True):
    """One place to connect to. ``path`` goes before every request path; it has no slash at its end."""

    scheme: str
    host: str
    port: int
    path: str


def default_port(scheme: str) -> int:
    """443 for https, else 80."""
    return 443 if scheme == "https" else 80


def split_authority(text: str) -> tuple[str, int | None]:
    """Host in lower case without a final dot and without brackets, and the port if one is written.

    Raises ``TargetNotAllowed`` for what is no host[:port]; userinfo is not accepted, it serves to disguise the true host.
    """
    found = _AUTHORITY.fullmatch(text)
    port = int(found[3]) if found and found[3] else None
    if found is None or (port is not None and not 0 < port < 65_536):
        raise TargetNotAllowed(f"{text[:80]!r} is not a host with an optional port")
    return (found[1] or found[2] or "").lower().removesuffix("."), port


def bracketed(host: str, port: int | None) -> str:
    """``host`` or ``host:port`` as it stands in a Host header."""
    name = f"[{host}]" if ":" in host else host
    return name if port is None else f"{name}:{port}"


def without_user(value: str) -> str:
    """One setting's value as it may be shown: without what stands before the last @ of a URL or of an address, a user and often a password.

    A password may hold any character, slashes, quotes and further @ too, so that rather too much is left out. The path of a file stays as it is.
    Never to be asked of a sentence: mask each value before it is put into one.
    """
    found = _SCHEME.match(value)
    scheme = found[0] if found else ""
    before, at, place = value[len(scheme) :].rpartition("@")
    if at and not (not scheme and before.startswith(("/", "./", "../", "~"))):
        return f"{scheme}***@{place}"
    return f"{scheme}{no_port[1]}***" if scheme and (no_port := _NO_PORT.match(place)) else value


def parse_upstream(url: str, key: str) -> Upstream:
    """An upstream's URL in parts; ``UsageError`` naming the settings ``key`` where it cannot be one."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:  # its text quotes what it takes for the port, which may be a password
        raise UsageError(f"{key}: {without_user(url)!r} is not a URL") from None
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(f"{key}: {without_user(url)!r} is not a URL of the form http://host[:port] or https://host[:port]")
    if parts.username is not None or parts.query or parts.fragment:
        raise UsageError(f"{key}: the URL of {host} has a user, query or fragment; leave only scheme, host, port and path")
    return Upstream(parts.scheme, host, port or default_port(parts.scheme), parts.path.rstrip("/"))


def same_machine(listener: str, other: str, own_addresses: Collection[str] = ()) -> bool:
    """Whether connecting to ``other`` may reach a socket bound to ``listener`` on the same port.

    A wildcard listener (``0.0.0.0``, ``::``, empty) is reached by every loopback name and by each of ``own_addresses``.
    """
    if listener.lower() == other.lower():
        return True
    mine, theirs = _address(listener), _address(other)
    if mine is None or theirs is None:
        return False
    # Connecting to a wildcard address reaches the machine's loopback; "localhost" may be either family.
    loopback = theirs.is_loopback or theirs.is_unspecified
    if mine.is_unspecified:
        return loopback or str(theirs) in {plain_address(own) for own in own_addresses}
    if _is_localhost(listener) or _is_localhost(other) or theirs.is_unspecified:
        return mine.is_loopback and loopback
    return mine == theirs


class Listeners:
    """Our own listening addresses, to ask whether another one leads to one of them. ``addresses`` are ``host:port``, as sockets tell them."""

    def __init__(self, addresses: Iterable[str] = ()) -> None:
        self._hosts: dict[int, list[str]] = {}
        for host, port in map(split_authority, addresses):
            self._hosts.setdefault(port or 0, []).append(host)

    def on(self, port: int) -> bool:
        """Whether one of them has this port; nothing that has none of their ports leads to them."""
        return port in self._hosts

    def reached_by(self, host: str, port: int, own_addresses: Collection[str] = ()) -> bool:
        """Whether connecting there may reach one of them (see ``same_machine``)."""
        return any(same_machine(listener, host, own_addresses) for listener in self._hosts.get(port, ()))


def check_no_loop(
    listeners: Iterable[tuple[str, int]],
    upstreams: Mapping[str, str],
    addresses: Mapping[str, Collection[str]] | None = None,
    own_addresses: Collection[str] = (),
) -> None:
    """``UsageError`` where an upstream is one of our own listeners: each request would come back to us until the sockets run out.

    ``upstreams`` are URLs by the key of their setting. ``addresses`` are resolved addresses by host name, ``own_addresses`` this machine's; both
    come from the caller, who may look them up (``resolution``).
    """
    resolved = addresses or {}
    for key, url in upstreams.items():
        upstream = parse_upstream(url, key)
        candidates = {upstream.host, *resolved.get(upstream.host, ())}
        for host, port in listeners:
            if port == upstream.port and any(same_machine(host, candidate, own_addresses) for candidate in candidates):
                raise UsageError(
                    f"{key}: {without_user(url)} is this proxy's own listener {bracketed(host, port)}; name the provider's address instead"
                )


def _is_localhost(host: str) -> bool:
    return host.lower() == "localhost" or host.lower().endswith(".localhost")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if not host:
        return ipaddress.IPv4Address("0.0.0.0")
    if _is_localhost(host):
        return ipaddress.IPv4Address("127.0.0.1")
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if mapped is not None else address


def plain_address(address: str) -> str:
    """One spelling for each address: an IPv4 address in IPv6's clothes is the IPv4 address. What is no address stays as it is."""
    found = _address(address)
    return address if found is None or _is_localhost(address) else str(found)


PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")


def own_proxy_variables(
    environ: Mapping[str, str],
    listeners: Iterable[tuple[str, int]],
    own_addresses: Collection[str] = (),
    addresses: Mapping[str, Collection[str]] | None = None,
) -> list[str]:
    """The proxy variables that name one of our own listeners; ``addresses`` are resolved addresses by host name.

    An application is pointed at us with them; were they to hold for us too, the way to our own credentials would lead through ourselves.
    """
    bound, resolved = list(listeners), addresses or {}
    return [
        name
        for name, value in environ.items()
        if (address := proxy_address(name, value)) is not None
        and any(
            port == address[1] and same_machine(host, candidate, own_addresses)
            for host, port in bound
            for candidate in (address[0], *resolved.get(address[0], ()))
        )
    ]


def proxy_address(name: str, value: str) -> tuple[str, int] | None:
    """Host and port in an environment variable that names a proxy; ``None`` for any other variable."""
    return _proxy_address(value) if name.lower() in PROXY_VARIABLES else None


def _proxy_address(value: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        return (parts.hostname or "", parts.port or default_port(parts.scheme)) if parts.hostname else None
    except ValueError:
        return None
