"""Where a request goes: from its target, its ``Host`` and its credential scope to one allowed upstream.

Knows: the three ways a request is addressed to us, the names of AWS's runtime hosts, the configured upstreams, the allow-list.
Must not know: sockets, name resolution, signatures. What is not on the allow-list is refused, so that nobody can use
the proxy, or the network position and the role it has, to reach anything else.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal

import msgspec

from streamgauge.addresses import Listeners, Upstream, bracketed, default_port, parse_upstream, split_authority, without_user
from streamgauge.authorization import Authorization
from streamgauge.aws_hosts import REGION, AwsHosts
from streamgauge.errors import TargetNotAllowed, UsageError
from streamgauge.records import Operation
from streamgauge.routing import RouteTable, Service

Form = Literal["base_url", "forward", "host"]
"""How the caller addressed us: our own address as base URL; absolute target (forward proxy); origin target with the upstream's true Host."""

MAX_AUTHORITY_CHARS = 300
"""A host name has at most 253 characters, a port 6. Longer is no address."""

PLACES_KEPT = 1_024
"""Remembered answers. Regions x services x spellings of Host stay far below it; a caller who varies Host only empties the memory."""

PRIVATE_DOMAINS = (".localhost", ".local", ".internal", ".svc")
"""Domains that no public name server answers for (RFC 6761, RFC 6762, ICANN's reserved ``internal``, and Kubernetes' ``svc``, which nobody has been
given): a web page cannot come from there, so a request to such a name was meant for us. They cover containers, ECS and Kubernetes services."""

_NAME = re.compile(r"\.?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


@dataclass(frozen=True)
class TargetSettings:
    """Where requests may go.

    ``upstreams`` replaces a service's AWS host by a URL (``{region}`` in it becomes the request's region). ``regions`` lists the allowed
    AWS regions, empty means any. ``default_region`` and ``default_service`` serve requests that name neither (no SigV4 signature, no
    scope in the key). ``extra_hosts`` are further hosts a caller may name: ``host``, ``host:port`` (reached as the caller says) or
    ``scheme://host[:port]`` (reached like this). ``own_hosts`` are public names of this proxy, ``llm.example.com`` or ``*.example.com``: only
    what is addressed to a name that is ours for certain is signed with the proxy's role (see ``Target.ours``). ``by_listener`` maps a host that
    we listen on to the URL that everything addressed to it goes to, whatever its service: before ``upstreams``.
    ``use_fips`` and ``use_dualstack``: which of AWS's hosts serve requests that were addressed to us; a host that a caller names is taken as named.
    """

    upstreams: dict[str, str] = field(default_factory=dict)
    regions: tuple[str, ...] = ()
    default_region: str | None = None
    default_service: str = "bedrock-runtime"
    extra_hosts: tuple[str, ...] = ()
    own_hosts: tuple[str, ...] = ()
    by_listener: dict[str, str] = field(default_factory=dict)
    use_fips: bool = False
    use_dualstack: bool = False


class Target(msgspec.Struct, frozen=True):
    """One upstream and what to send there.

    ``host`` and ``port`` are to be connected (``host`` also names the certificate), ``origin_path`` is the raw target to send, query
    included, ``host_header`` the value of ``Host``. ``service`` is the addressed service even where the path does not tell it;
    ``signing_name`` goes into a signature's scope. ``rewritten``: Host or path are not what the caller sent, so that his signature, which
    covers both, cannot hold. ``ours``: the name by which the caller addressed us is nobody else's. Of any other, a web page may have come from
    there, and then had its name led to us (DNS rebinding). ``role_allowed``: the upstream is AWS's or a configured one, so that a signature with
    the proxy's role, and its session token, may go there; never to an extra host, which is only somebody the caller may talk to.
    """

    scheme: str
    host: str
    port: int
    origin_path: bytes
    host_header: bytes
    region: str | None
    service: str
    signing_name: str
    form: Form
    rewritten: bool
    ours: bool
    role_allowed: bool


class _Place(msgspec.Struct, frozen=True):
    """A target without its path: what can be remembered."""

    upstream: Upstream
    host_header: bytes
    region: str | None
    service: str
    signing_name: str
    form: Form
    rewritten: bool
    ours: bool
    role_allowed: bool


class Targets:
    """The allow-list, ready to ask. Raises ``UsageError`` for settings that cannot work.

    ``own_addresses`` (``host:port``) are those we listen on: whatever is allowed, nothing goes there.
    """

    def __init__(self, settings: TargetSettings, table: RouteTable, own_addresses: Iterable[str] = ()) -> None:
        self._settings = settings
        self._services = {service.name: service for service in table.services}
        self._by_signing: dict[str, str] = {}
        for service in table.services:
            self._by_signing.setdefault(service.signing_name, service.name)
        self._aws = AwsHosts(table)
        self._check()
        self._overrides = {name: parse_upstream(url, _key("upstreams", name)) for name, url in settings.upstreams.items()}
        self._by_listener = {host: parse_upstream(url, _key("by_listener", host)) for host, url in settings.by_listener.items()}
        self._extra = dict(_extra(entry) for entry in settings.extra_hosts)
        self._own_names = frozenset(_own_name(entry) for entry in settings.own_hosts)
        self._listeners = Listeners(own_addresses)
        self._places: dict[tuple[str | None, ...], _Place] = {}

    def _check(self) -> None:
        for key, name in [(_key("upstreams", name), name) for name in self._settings.upstreams] + [
            ("targets.default_service", self._settings.default_service)
        ]:
            if name not in self._services:
                near = get_close_matches(name, self._services, 1) or [", ".join(self._services)]
                raise UsageError(f"{key}: unknown service {without_user(name)!r}; did you mean {near[0]}?")
        named = [("targets.regions", region) for region in self._settings.regions]
        if self._settings.default_region is not None:
            named.append(("targets.default_region", self._settings.default_region))
        for key, region in named:
            if not REGION.fullmatch(region):
                raise UsageError(f"{key}: {without_user(region)!r} is not the name of an AWS region, such as us-east-1")

    def resolve(
        self, raw_target: str | bytes, host: str | bytes | None, authorization: Authorization | None, operation: Operation
    ) -> Target:
        """The upstream of one request, or ``TargetNotAllowed`` naming the host and what to change.

        ``raw_target`` and ``host`` are the request target and the ``Host`` value as received, ``authorization`` the header's claims,
        ``operation`` what ``Routes.match`` found.
        """
        host = None if host is None else _text(host)
        scheme, authority, path = _split_target(_text(raw_target))
        region, signing = _scope(authorization)
        key = (scheme, authority, host, region, signing, operation.service)
        place = self._places.get(key)
        if place is None:
            place = self._find(scheme, authority, host or "", region, signing, operation.service)
            if self._listeners.reached_by(place.upstream.host, place.upstream.port):
                raise own_listener(place.upstream.host, place.upstream.port)
            if len(self._places) >= PLACES_KEPT:
                self._places.clear()
            self._places[key] = place
        upstream = place.upstream
        return Target(
            upstream.scheme,
            upstream.host,
            upstream.port,
            (upstream.path + path).encode("utf-8", "surrogateescape"),
            place.host_header,
            place.region,
            place.service,
            place.signing_name,
            place.form,
            place.rewritten,
            place.ours,
            place.role_allowed,
        )

    def _find(self, scheme: str | None, authority: str | None, host: str, region: str | None, signing: str | None, service: str) -> _Place:
        named = host if authority is None else authority
        if len(named) > MAX_AUTHORITY_CHARS or len(host) > MAX_AUTHORITY_CHARS:
            raise TargetNotAllowed(f"the request names a host of more than {MAX_AUTHORITY_CHARS} characters")
        name, port = split_authority(named)
        aws = self._aws.read(name)
        if aws is not None:
            return self._named_aws(scheme, name, port, host, *aws)
        extra = self._extra.get((name, port), self._extra.get((name, None)))
        if extra is not None:
            return self._named_extra(scheme, name, port, host, extra, region, signing, service)
        if scheme is not None:
            raise TargetNotAllowed(
                f"host {_shown(named)} is not relayed: name an AWS runtime host of an allowed region, or add the host to targets.extra_hosts"
            )
        return self._base_url(host, region, signing, service)

    def _named_aws(self, scheme: str | None, name: str, port: int | None, host: str, service: Service, region: str) -> _Place:
        """The caller named an AWS host, so a signature of his covers it: Host stays, the way there is upgraded to TLS."""
        upstream = self._override(service.name, region)
        if upstream is None:
            self._allow_region(region, name)
            if scheme is not None and port not in (None, 80, 443):
                raise TargetNotAllowed(f"port {port} of {name} is not relayed: AWS is reached on 443, leave the port out")
            upstream = Upstream("https", name, 443, "")
        kept = split_authority(host)[0] == name and (port is None or port in (80, 443))
        header = host if kept else name
        form: Form = "host" if scheme is None else "forward"
        rewritten = header != host or bool(upstream.path)
        return _Place(
            upstream, header.encode("utf-8", "surrogateescape"), region, service.name, service.signing_name, form, rewritten, True, True
        )

    def _named_extra(
        self, scheme: str | None, name: str, port: int | None, host: str, extra: str, region: str | None, signing: str | None, service: str
    ) -> _Place:
        found = self._addressed(service, signing)
        if extra:
            upstream = parse_upstream(extra, "targets.extra_hosts")
        else:
            upstream = Upstream(scheme or "http", name, port or default_port(scheme or "http"), "")
        header = host if split_authority(host)[0] == name else bracketed(name, port)
        form: Form = "host" if scheme is None else "forward"
        chosen = self._region(region)
        return _Place(
            upstream, header.encode("utf-8", "surrogateescape"), chosen, found.name, found.signing_name, form, header != host, True, False
        )

    def _base_url(self, host: str, region: str | None, signing: str | None, service: str) -> _Place:
        """The caller addressed us: service and region come from path and scope, the upstream's name replaces ours in Host."""
        found = self._addressed(service, signing)
        chosen = self._region(region)
        upstream = self._by_listener.get(split_authority(host)[0]) or self._override(found.name, chosen)
        if upstream is None:
            if chosen is None:
                raise TargetNotAllowed(
                    f"{found.name}: the request names no region (no SigV4 signature, no scope in its key); set targets.default_region"
                )
            name = self._standard_host(found, chosen)
            self._allow_region(chosen, name)
            upstream = Upstream("https", name, 443, "")
        if chosen is None and (aws := self._aws.read(upstream.host)):
            chosen = aws[1]
        header = bracketed(upstream.host, None if upstream.port == default_port(upstream.scheme) else upstream.port)
        rewritten = header.lower() != host.lower() or bool(upstream.path)
        raw, ours = header.encode("utf-8", "surrogateescape"), self._is_ours(split_authority(host)[0], upstream)
        return _Place(upstream, raw, chosen, found.name, found.signing_name, "base_url", rewritten, ours, True)

    def _is_ours(self, name: str, upstream: Upstream) -> bool:
        """Whether ``name`` leads to us because we or this network say so; a name without a dot is looked up in this network only."""
        if "." not in name or name.endswith(PRIVATE_DOMAINS) or name == upstream.host or name in self._own_names or _is_address(name):
            return True
        return any(own.startswith(".") and name.endswith(own) for own in self._own_names)

    def _addressed(self, service: str, signing: str | None) -> Service:
        """The path's service, unless the signature was made for another one; then that, since its path rules are the ones that count."""
        by_path = self._services.get(service)
        if by_path is not None and signing in (None, by_path.signing_name):
            return by_path
        if signing is None:
            return self._services[self._settings.default_service]
        if signing not in self._by_signing:
            raise TargetNotAllowed(
                f"the request is signed for service {_shown(signing)}, which is not relayed: use {', '.join(self._by_signing)}"
            )
        return self._services[self._by_signing[signing]]

    def _region(self, claimed: str | None) -> str | None:
        if claimed is None:
            return self._settings.default_region
        if not REGION.fullmatch(claimed):
            raise TargetNotAllowed(f"the signature's region {_shown(claimed)} is not the name of an AWS region, such as us-east-1")
        return claimed

    def _allow_region(self, region: str, host: str) -> None:
        if self._settings.regions and region not in self._settings.regions:
            raise TargetNotAllowed(f"host {host} is not relayed: add {region} to targets.regions (now {', '.join(self._settings.regions)})")

    def _override(self, service: str, region: str | None) -> Upstream | None:
        upstream = self._overrides.get(service)
        if upstream is None or "{region}" not in upstream.host:
            return upstream
        if region is None:
            raise TargetNotAllowed(f"{service}: its upstream needs a region and the request names none; set targets.default_region")
        self._allow_region(region, upstream.host)
        return msgspec.structs.replace(upstream, host=upstream.host.replace("{region}", region))

    def _standard_host(self, service: Service, region: str) -> str:
        settings = self._settings
        name = self._aws.name(service, region, fips=settings.use_fips, dual_stack=settings.use_dualstack)
        if name is None:
            raise TargetNotAllowed(
                f"{service.name} has no FIPS host in {region} that is known here (targets.use_fips); name one in targets.upstreams.{service.name}"
            )
        return name


def own_listener(host: str, port: int) -> TargetNotAllowed:
    """A request that would come back to us, again and again until the sockets run out."""
    return TargetNotAllowed(
        f"{bracketed(host, port)} is this proxy itself: name the provider's address in the call, or in targets.upstreams"
    )


def urls_by_key(settings: TargetSettings) -> dict[str, str]:
    """Every URL that requests may be sent to, by the dotted key that names it."""
    return {_key("upstreams", name): url for name, url in settings.upstreams.items()} | {
        _key("by_listener", host): url for host, url in settings.by_listener.items()
    }


def _key(table: str, name: str) -> str:
    return f"targets.{table}.{without_user(name)}"


def _extra(entry: str) -> tuple[tuple[str, int | None], str]:
    """(host and port that a caller may name, ``None`` for any port; the URL it is reached by or nothing)."""
    if "://" in entry:
        upstream = parse_upstream(entry, "targets.extra_hosts")
        return (upstream.host, None), entry
    try:
        host, port = split_authority(entry)
    except TargetNotAllowed:
        raise UsageError(f"targets.extra_hosts: {without_user(entry)!r} is not host, host:port or scheme://host") from None
    if not host:
        raise UsageError(f"targets.extra_hosts: {entry!r} names no host; is there a comma too many?")
    return (host, port), ""


def _own_name(entry: str) -> str:
    """A name as ``split_authority`` gives it; with a dot in front if all names below it are meant."""
    name = entry.removeprefix("*").lower().removesuffix(".")
    if not _NAME.fullmatch(name) or entry.startswith("*") != name.startswith("."):
        raise UsageError(
            f"targets.own_hosts: {without_user(entry)!r} is not a host name without port, such as llm.example.com or *.example.com"
        )
    return name


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _split_target(raw: str) -> tuple[str | None, str | None, str]:
    """(scheme and authority of an absolute target or ``None``, the path with its query)."""
    if raw.startswith("/"):
        return None, None, raw
    scheme, separator, rest = raw.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        raise TargetNotAllowed("the request target is neither a path nor an http URL; CONNECT and '*' are not relayed")
    end = min((index for index in (rest.find("/"), rest.find("?")) if index >= 0), default=len(rest))
    path = rest[end:]
    return scheme.lower(), rest[:end], path if path.startswith("/") else "/" + path


def _text(raw: str | bytes) -> str:
    """The way aiohttp turns header bytes into text; it can be turned back without loss."""
    return raw.decode("utf-8", "surrogateescape") if isinstance(raw, bytes) else raw


def _scope(authorization: Authorization | None) -> tuple[str | None, str | None]:
    """Region and signing name. A bearer key's scope says ``bedrock`` for Mantle too, so only its region counts."""
    if authorization is None:
        return None, None
    return authorization.region, authorization.service if authorization.kind in ("sigv4", "sigv4a") else None


def _shown(text: str) -> str:
    """Caller's text in an error message: bounded, no control characters."""
    return repr(text[:80])
