"""What names and addresses mean on this machine when the proxy starts: looked up within bounded time, and no loop through ourselves.

Knows: the machine's resolver, which addresses are its own.
Must not know: what is served; which spellings are one machine is decided by ``addresses``.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from streamgauge.addresses import Listeners, check_no_loop, own_proxy_variables, parse_upstream, plain_address, proxy_address

RESOLVE_SECONDS = 2.0
"""All names together: a resolver answers in milliseconds, and one that does not must not keep the proxy from starting."""

Lookup = Callable[[str], Iterable[str]]
"""From a host name to its addresses. Raises ``OSError`` where there are none."""


def addresses_of(host: str) -> list[str]:
    """The machine's own answer."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


def resolve(hosts: Iterable[str], lookup: Lookup = addresses_of, seconds: float = RESOLVE_SECONDS) -> dict[str, tuple[str, ...]]:
    """The addresses of those hosts whose names were answered within ``seconds``, all of them asked at once; an address stands for itself.

    A name without an answer is left out: it may get one later, and a proxy starts without its network.
    """
    found: dict[str, tuple[str, ...]] = {}

    def ask(host: str) -> None:
        try:
            found[host] = tuple(lookup(host))
        except (OSError, UnicodeError):  # the latter for a name that no domain can have
            pass

    threads = [threading.Thread(target=ask, args=(host,), name="resolve", daemon=True) for host in {*hosts} if host]
    until = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return dict(found)


def is_own(address: str) -> bool:
    """Whether ``address`` is one of this machine's: only such a one can be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except (OSError, UnicodeError):
        return False
    return True


def leads_to(listeners: Listeners, addresses: Iterable[str], port: int) -> bool:
    """Whether one of a name's ``addresses`` is where we listen ourselves. Asks the kernel, and only where the port is one of ours."""
    return listeners.on(port) and any(listeners.reached_by(address, port, {address} if is_own(address) else ()) for address in addresses)


def refuse_loops(
    listeners: Sequence[tuple[str, int]], upstreams: Mapping[str, str], extra_hosts: Iterable[str] = (), lookup: Lookup = addresses_of
) -> None:
    """``UsageError`` where an upstream, by whatever name, leads back to one of our own listeners. Takes at most ``RESOLVE_SECONDS``.

    ``upstreams`` are URLs by the dotted key of their setting.
    """
    # An entry without a port is reached at the port that its caller names: nothing to compare yet.
    extra = [
        entry if "://" in entry else f"http://{entry}" for entry in extra_hosts if "://" in entry or entry.rpartition(":")[2].isdecimal()
    ]
    urls = [*upstreams.items(), *(("targets.extra_hosts", url) for url in extra)]
    hosts = {parse_upstream(url, key).host for key, url in urls}
    known = resolve([host for host in (*hosts, *(host for host, _ in listeners)) if "{" not in host], lookup)
    own = {plain_address(address) for host in hosts for address in known.get(host, ()) if is_own(address)}
    bound = [(address, port) for host, port in listeners for address in (host, *known.get(host, ()))]
    for key, url in urls:
        check_no_loop(bound, {key: url}, known, own)


def variables_naming_us(environ: Mapping[str, str], listeners: Sequence[tuple[str, int]], lookup: Lookup = addresses_of) -> list[str]:
    """The proxy variables that name one of our own listeners, by whatever name. Takes at most ``RESOLVE_SECONDS``."""
    named = [address for name, value in environ.items() if (address := proxy_address(name, value)) is not None]
    ports = {port for _, port in listeners}
    known = resolve([host for host, port in named if port in ports], lookup)
    own = {address for found in known.values() for address in found if is_own(address)}
    return own_proxy_variables(environ, listeners, own, known)
