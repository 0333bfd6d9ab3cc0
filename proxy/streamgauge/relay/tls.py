"""The certificate that applications see: settings, the context made from them, and what is wrong with the files.

Imports neither aiohttp nor the loop: the supervisor checks with this what the workers will use.
"""

from __future__ import annotations

import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamgauge.errors import UsageError

ALPN = ("http/1.1",)
"""What we speak. A client that offers only ``h2`` gets no protocol named, and then our refusal in HTTP/2 (``local_reply``)."""


HANDSHAKE_SECONDS = 10.0
"""What an application gets for its TLS handshake: a few round trips to the farthest one."""

SHUTDOWN_SECONDS = 2.0
"""How long a TLS connection that we close waits for the other side's goodbye, which many never say."""


@dataclass(frozen=True)
class TlsSettings:
    """The certificate of the addresses in ``listen_tls``; files in PEM, read again on SIGHUP.

    ``cert_file``: the certificate with its chain behind it. ``key_file``: its key, without a password. ``client_ca_file``: only applications
    with a certificate of this CA are let in (mutual TLS), which also counts as knowing who spends the proxy's role.
    """

    cert_file: str | None = None
    key_file: str | None = None
    client_ca_file: str | None = None


def bare_context() -> ssl.SSLContext:
    """A server's context without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(list(ALPN))
    return context


def server_context(settings: TlsSettings) -> ssl.SSLContext:
    """The context of the TLS listeners. Raises ``UsageError`` naming setting, file and fix."""
    cert, key = _readable("cert_file", settings.cert_file), _readable("key_file", settings.key_file)
    context = bare_context()
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except _Encrypted:
        raise UsageError(f"tls.key_file: {key} has a password; write it without one: openssl pkey -in {key} -out NEW") from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise UsageError(
                f"tls.key_file: {key} is not the key of the certificate in {cert}; name the pair that belongs together"
            ) from None
        raise UsageError(f"tls: {cert} and {key} must be a certificate and its key in PEM ({error.reason or 'unreadable'})") from None
    if settings.client_ca_file is not None:
        authority = _readable("client_ca_file", settings.client_ca_file)
        try:
            context.load_verify_locations(authority)
        except ssl.SSLError:
            raise UsageError(f"tls.client_ca_file: {authority} holds no CA certificate in PEM") from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def options(context: ssl.SSLContext) -> dict[str, Any]:
    """What the loop is told of a connection's TLS, listening and accepting alike."""
    return {"ssl": context, "ssl_handshake_timeout": HANDSHAKE_SECONDS, "ssl_shutdown_timeout": SHUTDOWN_SECONDS}


def too_open(path: str) -> str | None:
    """A sentence for the log where others may read a key, which then is no secret."""
    try:
        mode = stat.S_IMODE(Path(path).expanduser().stat().st_mode)
    except OSError:
        return None
    if not mode & 0o077:
        return None
    return f"{path} can be read by others (mode {mode:04o}): chmod 0600 {path}"


class _Encrypted(Exception):
    """A signal between two functions of this module."""


def _no_password() -> str:
    """Without this, OpenSSL would ask for one on the terminal and wait."""
    raise _Encrypted


def _readable(name: str, path: str | None) -> str:
    if path is None:
        raise UsageError(f"tls.{name}: not set; listen_tls needs a certificate (tls.cert_file) and its key (tls.key_file)")
    expanded = Path(path).expanduser()
    try:
        with expanded.open("rb"):
            return str(expanded)
    except OSError as error:
        raise UsageError(f"tls.{name}: {path} cannot be read ({error.strerror}); name a PEM file that this user may read") from None
