"""Whether the providers can be reached from here: name, connection, TLS, and what their clock says."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from streamgauge.addresses import Upstream, bracketed, parse_upstream
from streamgauge.aws_hosts import AwsHosts
from streamgauge.doctor.finding import Finding, finding, note, ok
from streamgauge.relay.egress import EgressProxy
from streamgauge.resolution import resolve
from streamgauge.routing import shipped_table
from streamgauge.targets import TargetSettings, urls_by_key

SECONDS = 5.0
"""For each step: a round trip around the world is 0.3 s."""

TOLERATED = timedelta(minutes=5)
"""SigV4 refuses a signature whose time is further from AWS's own."""

WORTH_TELLING = timedelta(minutes=1)
"""A clock that is kept right is right to milliseconds; one that is a minute off goes on to be five."""

MAX_HEAD = 65_536
SERVICES = ("bedrock-runtime", "sagemaker-runtime")
"""What is looked at in each region where the settings name no upstream, beside ``targets.default_service``: not every region has Mantle."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What became of one upstream. ``offset``: its clock minus ours, where it said."""

    finding: Finding
    offset: timedelta | None = None


class _Failed(Exception):
    """A step failed; the arguments are what was seen and the fix."""


def upstreams(targets: TargetSettings, region: str | None) -> dict[str, Upstream]:
    """What the settings lead to, by a name to show; regions are those allowed, else the default one, else ``region``."""
    table = shipped_table()
    aws = AwsHosts(table)
    regions = targets.regions or tuple(r for r in (targets.default_region or region,) if r)
    found: dict[str, Upstream] = {}
    for key, url in urls_by_key(targets).items():
        name = key.removeprefix("targets.upstreams.")
        for place in regions if "{region}" in url else ("",):
            found[f"{name} {place}".strip()] = parse_upstream(url.replace("{region}", place), key)
    looked_at = {*SERVICES, targets.default_service} - {*targets.upstreams}
    for service in table.services:
        for place in regions if service.name in looked_at else ():
            host = aws.name(service, place, fips=targets.use_fips, dual_stack=targets.use_dualstack)
            if host is not None:  # a call there is refused, by its own reason
                found[f"{service.name} {place}"] = Upstream("https", host, 443, "")
    return found


def reach_all(found: dict[str, Upstream], ca_file: str | None, egress: EgressProxy | None, seconds: float = SECONDS) -> Iterator[Finding]:
    """Every upstream at once, each step within ``seconds``; then one finding about the clock."""
    if not found:
        yield note(
            "reachability", "no region is named, so no provider was tried", "name one: --region us-east-1, or targets.default_region"
        )
        return
    with ThreadPoolExecutor(max_workers=min(16, len(found)), thread_name_prefix="doctor") as pool:
        reached = list(pool.map(lambda item: reach(item[0], item[1], ca_file, egress, seconds), found.items()))
    yield from (each.finding for each in reached)
    offsets = [each.offset for each in reached if each.offset is not None]
    if offsets:
        yield judge_clock(min(offsets, key=abs))


def judge_clock(offset: timedelta) -> Finding:
    """``offset``: the provider's clock minus ours; a Date header has whole seconds."""
    off = f"{abs(offset.total_seconds()):.0f} s {'behind' if offset > timedelta() else 'ahead of'} the provider's"
    fix = "let the machine keep its time (systemd-timesyncd, chrony, Amazon Time Sync at 169.254.169.123)"
    if abs(offset) > TOLERATED:
        return finding("clock", f"this machine's clock is {off}; signatures more than 5 minutes off are refused", fix)
    if abs(offset) > WORTH_TELLING:
        return finding("clock", f"this machine's clock is {off}; at 5 minutes signatures are refused", fix)
    return ok("clock", "this machine's clock agrees with the provider's, to the second or two that can be seen")


def reach(name: str, upstream: Upstream, ca_file: str | None, egress: EgressProxy | None, seconds: float = SECONDS) -> Reached:
    """One upstream, step by step; the first step that fails is the finding."""
    where = f"{name}: {bracketed(upstream.host, upstream.port)}"
    through = egress if egress is not None and upstream.scheme == "https" and egress.serves(upstream.host, upstream.port) else None
    if through is not None and through.scheme != "http":
        return Reached(note("reachability", f"{where} goes through the proxy {through.name}, which is reached by TLS; not tried"))
    try:
        began = time.perf_counter()
        with _connected(upstream, through, seconds) as sock:
            connected = time.perf_counter()
            with _secured(sock, upstream, ca_file, through) as channel:
                secured = time.perf_counter()
                offset = _offset(_head(channel, upstream))
    except _Failed as failed:
        return Reached(finding("reachability", f"{where} {failed.args[0]}", failed.args[1]))
    tls = f", TLS in {1000 * (secured - connected):.0f} ms" if upstream.scheme == "https" else ""
    by = f" through {through.name}" if through is not None else ""
    return Reached(ok("reachability", f"{where} answers{by}: connected in {1000 * (connected - began):.0f} ms{tls}"), offset)


@contextlib.contextmanager
def _connected(upstream: Upstream, through: EgressProxy | None, seconds: float) -> Iterator[socket.socket]:
    host, port = (through.host, through.port) if through is not None else (upstream.host, upstream.port)
    if not resolve([host], seconds=seconds):
        raise _Failed(
            f"has no address here ({host} is not resolved)", "look at DNS (resolv.conf, the VPC's resolver) and at the spelling of the name"
        )
    try:
        sock = socket.create_connection((host, port), seconds)
    except TimeoutError:
        raise _Failed(f"does not answer within {seconds:g} s", _ROUTE) from None
    except OSError as error:
        raise _Failed(f"cannot be connected to ({error.strerror})", _ROUTE) from None
    with sock:
        if through is not None:
            _tunnel(sock, through, upstream)
        yield sock


def _tunnel(sock: socket.socket, through: EgressProxy, upstream: Upstream) -> None:
    target = bracketed(upstream.host, upstream.port).encode()
    credentials = b"Proxy-Authorization: %b\r\n" % through.authorization if through.authorization is not None else b""
    try:
        sock.sendall(b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (target, target, credentials))
        head = _read_head(sock)
    except OSError as error:
        raise _Failed(f"is not reached: the proxy {through.name} does not answer ({type(error).__name__})", _EGRESS) from None
    words = head.split(b" ", 2)
    if len(words) < 2 or words[1] != b"200":
        said = words[1][:3].decode("ascii", "replace") if len(words) > 1 else "nothing"
        raise _Failed(f"is not reached: the proxy {through.name} says {said} to CONNECT", _EGRESS)


@contextlib.contextmanager
def _secured(sock: socket.socket, upstream: Upstream, ca_file: str | None, through: EgressProxy | None) -> Iterator[socket.socket]:
    if upstream.scheme != "https":
        yield sock
        return
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    try:
        channel = context.wrap_socket(sock, server_hostname=upstream.host)
    except ssl.SSLCertVerificationError as error:
        fix = "if a corporate proxy opens TLS, name its CA in relay.ca_file; else look at the name and at this machine's CA bundle"
        raise _Failed(f"shows a certificate that is not trusted ({error.verify_message})", fix) from None
    except OSError as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise _Failed(f"ends the TLS handshake ({reason})", _EGRESS if through else _ROUTE) from None
    with channel:
        yield channel


def _head(channel: socket.socket, upstream: Upstream) -> bytes:
    """The head of the answer to a request without a signature, which every service refuses and dates."""
    request = f"GET {upstream.path}/ping HTTP/1.1\r\nHost: {upstream.host}\r\nConnection: close\r\n\r\n"
    try:
        channel.sendall(request.encode("ascii", "replace"))
        return _read_head(channel)
    except OSError:
        return b""


def _read_head(channel: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < MAX_HEAD and (part := channel.recv(4096)):
        head += part
    return head.partition(b"\r\n\r\n")[0]


def _offset(head: bytes) -> timedelta | None:
    """The Date header's time minus ours. It is cut to the second, so half of one is added."""
    now = datetime.now(UTC)
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"date":
            with contextlib.suppress(ValueError, TypeError):
                return parsedate_to_datetime(value.decode("latin-1").strip()) + timedelta(seconds=0.5) - now
    return None


_ROUTE = (
    "look at security groups, the route to the internet or the VPC endpoint, and whether an egress proxy is needed (relay.egress_proxy)"
)
_EGRESS = "look at relay.egress_proxy: its address, its user, and whether it allows CONNECT to this host"
