"""What cannot work although every value is of the right kind: sizes, addresses, files, and what contradicts itself."""

from __future__ import annotations

import dataclasses
import ipaddress
import math
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from streamgauge.addresses import check_no_loop
from streamgauge.config.mistakes import Mistake, shown
from streamgauge.config.settings import MAY_BE_ZERO, Config
from streamgauge.config.tenant_checks import check_tenants, verifies_everybody
from streamgauge.errors import UsageError
from streamgauge.relay.connect import authority_of
from streamgauge.relay.egress import ENVIRONMENT, read_egress
from streamgauge.relay.tls import server_context
from streamgauge.routing import RouteTable, shipped_table
from streamgauge.sinks.postgres_access import refuse_unusable_address
from streamgauge.targets import Targets, TargetSettings, urls_by_key

MOST_PROCESSES = 256
"""Relay processes: more than any machine has cores for."""


def check(config: Config) -> Iterator[Mistake]:
    """Every mistake that the values make together or alone."""
    yield from _numbers(config, "")
    for rule in (
        _addresses,
        _bounds,
        _ledger,
        _shared_ledger,
        _targets,
        _loops,
        _certificates,
        _tls,
        _connect,
        _egress,
        _tenants,
        _signing,
    ):
        yield from rule(config)


def _numbers(settings: Any, prefix: str) -> Iterator[Mistake]:
    """Every number is a size or a time: finite and above zero, unless zero switches something off."""
    for field in dataclasses.fields(settings):
        key, value = prefix + field.name, getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            yield from _numbers(value, f"{key}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            if not math.isfinite(value):
                yield Mistake(key, "must be a finite number", shown(key, value))
            elif value < 0 or (value == 0 and key not in MAY_BE_ZERO):
                reason = "must be above zero" if key not in MAY_BE_ZERO else "must not be negative"
                yield Mistake(key, reason, shown(key, value))


def _addresses(config: Config) -> Iterator[Mistake]:
    if not config.listen and not config.listen_tls:
        yield Mistake("listen", "names no address; 127.0.0.1:8787 is the default")
    named = [*(("listen", address) for address in config.listen), *(("listen_tls", address) for address in config.listen_tls)]
    for number, (key, address) in enumerate(named):
        yield from _address(key, address)
        if address in [before for _, before in named[:number]] and not address.endswith(":0"):
            yield Mistake(key, "is named twice", shown(key, address))
    yield from _address("admin", config.admin)
    if config.admin in (*config.listen, *config.listen_tls) and not config.admin.endswith(":0"):
        yield Mistake("admin", "is also in listen; health and API need an address of their own", shown("admin", config.admin))


def _address(key: str, address: str) -> Iterator[Mistake]:
    host, colon, port = address.rpartition(":")
    if not colon or not (port.isascii() and port.isdecimal() and int(port) < 65_536):
        yield Mistake(key, "must be host:port, such as 127.0.0.1:8787", shown(key, address))
    elif "/" in host:
        yield Mistake(key, "must be host:port without a scheme, such as 127.0.0.1:8787", shown(key, address))
    elif ":" in host and not (host.startswith("[") and host.endswith("]")):
        yield Mistake(key, "an IPv6 address goes into brackets, such as [::1]:8787", shown(key, address))


def _bounds(config: Config) -> Iterator[Mistake]:
    relay, spool = config.relay, config.spool
    if config.workers != "auto" and config.workers > MOST_PROCESSES:
        yield Mistake("workers", f"must not be above {MOST_PROCESSES}", str(config.workers))
    if relay.max_buffered_bytes < relay.max_request_bytes:
        yield Mistake("relay.max_buffered_bytes", "must not be below relay.max_request_bytes", str(relay.max_buffered_bytes))
    if spool.max_bytes < spool.segment_bytes:
        yield Mistake("spool.max_bytes", "must not be below spool.segment_bytes", str(spool.max_bytes))


def _ledger(config: Config) -> Iterator[Mistake]:
    if config.ledger is not None and "://" in config.ledger:
        # Not shown: it may hold a password.
        yield Mistake("ledger", "must be the path of a file", f"a {config.ledger.partition('://')[0][:20]} address")


def _shared_ledger(config: Config) -> Iterator[Mistake]:
    """The address is not shown: it may hold a password, in a place where nobody expects one."""
    shared = config.shared_ledger
    if shared.url is not None:
        try:
            refuse_unusable_address(shared.url)
        except UsageError as error:
            yield Mistake("shared_ledger.url", str(error))
    if shared.password_file is not None and not Path(shared.password_file).is_file():
        yield Mistake("shared_ledger.password_file", "names no file that can be read")


def _targets(config: Config) -> Iterator[Mistake]:
    """Workers build the allow-list from these; each is tried alone, so that one mistake does not hide another."""
    table, targets = shipped_table(), config.targets
    alone: list[TargetSettings] = [TargetSettings(upstreams={name: url}) for name, url in targets.upstreams.items()]
    alone += [TargetSettings(regions=(region,)) for region in targets.regions]
    alone += [TargetSettings(extra_hosts=(host,)) for host in targets.extra_hosts]
    alone += [TargetSettings(own_hosts=(name,)) for name in targets.own_hosts]
    alone += [TargetSettings(default_region=targets.default_region), TargetSettings(default_service=targets.default_service)]
    plain = TargetSettings()
    # What is not a list of one's own is tried together, so that a setting added later is looked at too.
    alone.append(
        dataclasses.replace(
            targets, upstreams={}, regions=(), extra_hosts=(), own_hosts=(), default_region=None, default_service=plain.default_service
        )
    )
    for settings in alone:
        yield from _target(settings, table)


def _loops(config: Config) -> Iterator[Mistake]:
    """Upstreams that are one of our own addresses as they are written; names are looked up at start (``resolution``)."""
    named = (*config.listen, *config.listen_tls, config.admin)
    listeners = [
        (host.strip("[]"), int(port)) for host, _, port in (address.rpartition(":") for address in named if not any(_address("", address)))
    ]
    for key, url in urls_by_key(config.targets).items():
        try:
            check_no_loop(listeners, {key: url})
        except UsageError as error:
            reason = str(error).partition(": ")[2]
            if "own listener" in reason:  # what is no URL was told already
                yield Mistake(key, reason)


def _target(settings: TargetSettings, table: RouteTable) -> Iterator[Mistake]:
    try:
        Targets(settings, table)
    except UsageError as error:
        key, _, reason = str(error).partition(": ")
        yield Mistake(key, reason)


def _certificates(config: Config) -> Iterator[Mistake]:
    """A worker would only meet this when it connects."""
    if config.relay.ca_file is None:
        return
    try:
        with Path(config.relay.ca_file).open("rb"):
            pass
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(config.relay.ca_file)
    except ssl.SSLError:
        yield Mistake(
            "relay.ca_file", "holds no certificate in PEM form, or one that is damaged", shown("relay.ca_file", config.relay.ca_file)
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no such name"
        yield Mistake("relay.ca_file", f"cannot be read ({why})", shown("relay.ca_file", config.relay.ca_file))


def _tls(config: Config) -> Iterator[Mistake]:
    """Only of what is used: a certificate without an address that shows it may be anywhere."""
    if config.listen_tls:
        yield from _refused(lambda: server_context(config.tls))


def _connect(config: Config) -> Iterator[Mistake]:
    yield from _refused(lambda: authority_of(config.connect))


def _egress(config: Config) -> Iterator[Mistake]:
    """The environment's own URL is looked at when the proxy starts."""
    if config.relay.egress_proxy != ENVIRONMENT:
        yield from _refused(lambda: read_egress(config.relay.egress_proxy, {}))


def _tenants(config: Config) -> Iterator[Mistake]:
    yield from check_tenants(config.tenants)


def _refused(read: Callable[[], object]) -> Iterator[Mistake]:
    """What ``read`` says against a setting, whose key stands first in its sentence."""
    try:
        read()
    except UsageError as error:
        key, _, reason = str(error).partition(": ")
        yield Mistake(key, reason)


def _signing(config: Config) -> Iterator[Mistake]:
    tls = () if config.tls.client_ca_file is not None else config.listen_tls  # whose certificate was checked is known
    exposed = [address for address in (*config.listen, *tls) if not is_loopback(address) and not any(_address("listen", address))]
    known = config.allow_unauthenticated or verifies_everybody(config.tenants)
    if exposed and config.relay.signing != "passthrough" and not known:
        yield Mistake(
            "listen" if exposed[0] in config.listen else "listen_tls",
            f"can be reached by others, who would spend this proxy's AWS role unasked (relay.signing: {config.relay.signing}). "
            "Issue keys to callers (`streamgauge tenants add`, tenants.file), or set relay.signing: passthrough, or listen on 127.0.0.1, or with TLS and tls.client_ca_file, or write allow_unauthenticated: true if the network itself decides who may call",
            exposed[0],
        )


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach ``host:port``."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
