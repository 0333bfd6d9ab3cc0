"""What cannot work about tenants: files, issuers, names and patterns, and signing for callers whom nobody knows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

from streamgauge.config.mistakes import Mistake, shown
from streamgauge.errors import UsageError
from streamgauge.tenancy.claims import UrlPrefix, named
from streamgauge.tenancy.tenant_settings import TenantSettings, TokenIssuer
from streamgauge.tenant_files import read_files

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_NEVER_TAKEN_OUT = ("authorization", "host", "content-", "transfer-encoding", "accept", "x-amz", "connection", "user-agent")
"""Headers that a provider needs: a tenant's is not sent on."""


def check_tenants(settings: TenantSettings) -> Iterator[Mistake]:
    """Every mistake in them; the files are read."""
    yield from _names(settings)
    yield from _headers(settings)
    if settings.url_prefix is not None:
        try:
            UrlPrefix(settings.url_prefix)
        except ValueError as error:
            yield Mistake("tenants.url_prefix", str(error), shown("url_prefix", settings.url_prefix))
    for number, issuer in enumerate(settings.issuers):
        yield from _issuer(f"tenants.issuers.{number}", issuer)
    if settings.issuers:
        yield from _library()
    try:
        read_files(settings)
    except UsageError as error:
        key, _, reason = str(error).partition(": ")
        # What is wrong inside a file begins with the file's name, or speaks of the mapping.
        inside = "tenants.mapping_file" if "in the mapping" in key else "tenants.file"
        yield Mistake(key, reason) if key.startswith("tenants.") else Mistake(inside, str(error))


def verifies_everybody(settings: TenantSettings) -> bool:
    """Whether nobody is signed for who was not verified."""
    return settings.proves and settings.required != "never"


def _names(settings: TenantSettings) -> Iterator[Mistake]:
    fixed = settings.identity
    for key, value in (("tenant", fixed.tenant), ("team", fixed.team), ("app", fixed.app)):
        if value is not None and named(value) is None:
            yield Mistake(f"tenants.identity.{key}", "must be a name: letters, digits and _.:/+=@-, at most 128", shown(key, value))
    for alias, name in settings.aliases.items():
        if named(name) is None:
            yield Mistake(f"tenants.aliases.{alias}", "must be a name: letters, digits and _.:/+=@-, at most 128", shown("aliases", name))
    for source, times in Counter(settings.sources).items():
        if times > 1:
            yield Mistake("tenants.sources", "names a source twice", source)


def _headers(settings: TenantSettings) -> Iterator[Mistake]:
    for key in ("header", "team_header", "app_header"):
        name = getattr(settings, key)
        if name is None:
            continue
        if not _HEADER.fullmatch(name):
            yield Mistake(f"tenants.{key}", "must be the name of a header, such as x-tenant", shown(key, name))
        elif name.lower().startswith(_NEVER_TAKEN_OUT):
            yield Mistake(
                f"tenants.{key}", "is a header that the provider needs, and would not be sent on: name one of your own", shown(key, name)
            )


def _issuer(key: str, issuer: TokenIssuer) -> Iterator[Mistake]:
    if not issuer.issuer or not issuer.audience:
        yield Mistake(key, "needs issuer and audience, as they stand in its tokens (iss, aud)")
    places = [place for place in (issuer.jwks_file, issuer.jwks_url) if place is not None]
    if len(places) > 1 or (not places and not issuer.kubernetes):
        yield Mistake(key, "needs jwks_file or jwks_url, one of them: where its keys are published")
    if issuer.jwks_url is not None and not _keeps_keys(issuer.jwks_url):
        yield Mistake(
            f"{key}.jwks_url", "must be https: who can change the keys on the way can be anybody", shown("jwks_url", issuer.jwks_url)
        )


def _keeps_keys(url: str) -> bool:
    """Whether nobody on the way can change what is read there: it is https, or does not leave this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in ("127.0.0.1", "::1", "localhost")))


def _library() -> Iterator[Mistake]:
    from streamgauge.relay.token_issuers import library

    try:
        library()
    except UsageError as error:
        yield Mistake("tenants.issuers", str(error).partition(": ")[2])
