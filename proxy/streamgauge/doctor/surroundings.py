"""What the environment does to calls before anybody notices: loops, and proxy variables that lead them elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from streamgauge.config import Config
from streamgauge.doctor.finding import Finding, finding, note, ok
from streamgauge.errors import UsageError
from streamgauge.relay.egress import read_egress
from streamgauge.resolution import refuse_loops, variables_naming_us
from streamgauge.targets import urls_by_key

METADATA = ("169.254.169.254", "169.254.170.2", "169.254.170.23")
"""Instance metadata, ECS task roles, EKS Pod Identity: where a role comes from, and never through a proxy."""


def look_at_loops(config: Config) -> Finding:
    """Whether an upstream, or the proxy on the way out, leads back to one of our own addresses."""
    listeners = [_split(address) for address in (*config.listen, *config.listen_tls, config.admin)]
    try:
        upstreams = urls_by_key(config.targets)
        egress = read_egress(config.relay.egress_proxy, os.environ)
        if egress is not None:
            upstreams["relay.egress_proxy"] = f"{egress.scheme}://{egress.name}"
        refuse_loops(listeners, upstreams, config.targets.extra_hosts)
    except UsageError as error:
        what, _, fix = str(error).partition("; ")
        return finding("loops", what, fix or "name the provider's address instead")
    return ok("loops", "no upstream leads back to this proxy")


def look_at_proxies(environ: Mapping[str, str], config: Config) -> Iterator[Finding]:
    """HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY as an application here and the relay would see them."""
    plain, secure = (
        _value(environ, "http_proxy") or _value(environ, "all_proxy"),
        _value(environ, "https_proxy") or _value(environ, "all_proxy"),
    )
    listeners = [_split(address) for address in (*config.listen, *config.listen_tls, config.admin)]
    ours = variables_naming_us(environ, listeners)
    if ours:
        yield ok("proxies", f"{', '.join(sorted(ours))} names this proxy: applications here come as to a forward proxy")
    if not plain and not secure:
        yield ok("proxies", "no proxy variable is set")
        return
    direct = [entry.strip().lower() for entry in (_value(environ, "no_proxy") or "").split(",")]
    if plain and not ours:
        yield from _bypassed(plain, direct, config)
    elsewhere = secure if not variables_naming_us({"https_proxy": secure or ""}, listeners) else None
    if elsewhere and config.relay.egress_proxy is None:
        text = f"HTTPS_PROXY names {_place(elsewhere)}, and the relay goes to the provider directly"
        yield note("proxies", text, "if this network lets nothing out directly, set relay.egress_proxy: environment")


def _bypassed(plain: str, direct: Sequence[str], config: Config) -> Iterator[Finding]:
    own = list(dict.fromkeys(_split(address)[0] or "127.0.0.1" for address in (*config.listen, *config.listen_tls)))
    missing = [host for host in own if not _is_direct(host, direct)]
    if missing:
        text = f"HTTP_PROXY names {_place(plain)}, and NO_PROXY lacks {', '.join(missing)}: calls to this proxy would go there"
        yield finding("proxies", text, f"add {','.join(missing)} to NO_PROXY where applications run")
    lost = [address for address in METADATA[:1] if not _is_direct(address, direct)]
    if lost:
        text = f"NO_PROXY lacks {', '.join(lost)}: instance metadata, where a role comes from, would be asked through {_place(plain)}"
        yield note("proxies", text, f"add {','.join(METADATA)} to NO_PROXY")
    if not missing:
        yield ok("proxies", f"HTTP_PROXY is set, and NO_PROXY keeps {', '.join(own)} out of it")


def _is_direct(host: str, direct: Sequence[str]) -> bool:
    return any(entry == "*" or (entry and (host == entry or host.endswith("." + entry.lstrip(".")))) for entry in direct)


def _value(environ: Mapping[str, str], name: str) -> str | None:
    return environ.get(name) or environ.get(name.upper())


def _place(url: str) -> str:
    """Host and port of a proxy variable: it may hold a password."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        return f"{parts.hostname or 'nothing'}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        return "no address"


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
