"""Certificates of our own: a private CA, and server certificates that it signs.

They are made by the ``openssl`` command: Python's own library reads certificates and makes none. Keys go to it and come from it through
pipes and anonymous memory files, so that none is on a disk unless somebody writes it there.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from streamgauge.errors import CouldNotRun, UsageError

OPENSSL_SECONDS = 10.0
"""A call takes 5 to 20 ms; on a machine without randomness it would wait for good."""

SERVER_DAYS = 7
"""A server certificate of ours is made anew by each process; what is stolen with a crashed one soon ends."""

BACKDATED_SECONDS = 600.0
"""Certificates begin so long ago: the clock of a machine whose application is to trust them may be slow."""

MAX_DOMAIN_CHARS = 253
"""Of a name in DNS."""

_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?=[a-z0-9-]*[a-z])[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""Two labels at least, the last one no number: a CA for one label would vouch for half the internet, and one for none for all of it."""

_VALIDITY = re.compile(rb"\x30\x1e(?:\x17\x0d\d{12}Z){2}")
"""From when until when, in DER, as it is written for years before 2050."""

NO_OPENSSL = "certificates are made by the openssl command, which is not installed: install it (Debian: apt-get install openssl)"


class Certificate(msgspec.Struct, frozen=True):
    """A certificate (or chain) and its private key, both as PEM."""

    cert: bytes
    key: bytes

    def __repr__(self) -> str:
        """Without the key."""
        return f"<Certificate of {len(self.cert)} bytes>"


def new_ca(name: str, days: int, domains: Sequence[str], addresses: Sequence[str] = ()) -> Certificate:
    """A CA named ``name`` that can vouch for nothing but ``domains`` (with all names below them) and ``addresses``, wherever it is trusted.

    Raises ``UsageError`` for a domain that would make it a CA for more than that, ``CouldNotRun``.
    """
    if not domains:
        raise UsageError("a CA must be limited to one domain at least")
    permitted = [f"permitted;DNS.{n}={limit(domain)}" for n, domain in enumerate(domains)]
    permitted += [f"permitted;IP.{n}={address}/{_mask(address)}" for n, address in enumerate(addresses)]
    if not addresses:
        permitted += ["excluded;IP.0=0.0.0.0/0.0.0.0", "excluded;IP.1=0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0"]
    config = _request_config(
        name,
        "basicConstraints=critical,CA:TRUE,pathlen:0",
        "keyUsage=critical,keyCertSign,cRLSign",
        "subjectKeyIdentifier=hash",
        "nameConstraints=critical,@names",
        "[names]",
        *permitted,
    )
    key = new_key()
    made = _openssl("req", "-x509", "-new", "-sha256", "-days", str(days), "-config", config, "-key", key)
    return Certificate(_dated(made, key, days), key)


def limit(domain: str) -> str:
    """``domain`` as a CA's limit: in lower case, without a final dot. Raises ``UsageError`` naming it and the fix for what limits nothing."""
    name = domain.lower().removesuffix(".")
    if name != "localhost" and (len(name) > MAX_DOMAIN_CHARS or not _DOMAIN.fullmatch(name)):
        raise UsageError(
            f"{domain[:80]!r} is no domain that a CA can be limited to: name one of two labels or more, such as gateway.example.com, "
            "without *, port or address; all names below it are meant too"
        )
    return name


def new_key() -> bytes:
    """A private key (P-256: every client takes it, and it is made in a millisecond)."""
    return _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:named_curve")


class Issuer:
    """A CA at work: server certificates that share one key, which is this object's alone."""

    def __init__(self, ca: Certificate) -> None:
        self._ca = ca
        self._key = new_key()
        config = _request_config("streamgauge", "basicConstraints=CA:FALSE")
        self._own = _openssl("req", "-x509", "-new", "-sha256", "-config", config, "-key", self._key)

    def issue(self, names: Sequence[str], days: int = SERVER_DAYS) -> Certificate:
        """A certificate for these host names and addresses, with the CA's behind it. Raises ``CouldNotRun``. Takes some 20 ms."""
        extensions = "\n".join(
            [
                "basicConstraints=critical,CA:FALSE",
                "keyUsage=critical,digitalSignature",
                "extendedKeyUsage=serverAuth",
                "subjectKeyIdentifier=hash",
                "authorityKeyIdentifier=keyid",
                "subjectAltName=" + ",".join(f"IP:{name}" if is_address(name) else f"DNS:{name}" for name in names),
            ]
        )
        serial = hex(secrets.randbits(127) | 1 << 126)
        signer = ("-CA", self._ca.cert, "-CAkey", self._ca.key, "-set_serial", serial)
        own = ("-in", _dated(self._own, self._key, days), "-preserve_dates", "-clrext")
        cert = _openssl("x509", "-sha256", *own, *signer, "-extfile", extensions.encode())
        return Certificate(cert + self._ca.cert, self._key)


def use(context: ssl.SSLContext, certificate: Certificate) -> None:
    """Have ``context`` present this certificate. Raises ``ssl.SSLError``, ``ValueError`` for a key with a password."""
    with _in_memory(certificate.cert) as cert, _in_memory(certificate.key) as key:
        context.load_cert_chain(_path(cert), _path(key), password=_no_password)


def read(cert_file: str, key_file: str, setting: str) -> Certificate:
    """A CA's two files, checked to belong together. Raises ``UsageError`` naming the file and the fix; ``setting`` is the key path of the two."""
    found = []
    for path in (cert_file, key_file):
        try:
            found.append(Path(path).expanduser().read_bytes())
        except OSError as error:
            raise UsageError(f"{setting}: {path} cannot be read ({error.strerror}); `streamgauge ca create` makes both files") from None
    certificate = Certificate(*found)
    try:
        use(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate)
        is_ca = _is_ca(certificate.cert)
    except (ssl.SSLError, ValueError):
        raise UsageError(
            f"{setting}: {cert_file} and {key_file} are not a certificate and its unencrypted key (PEM); `streamgauge ca create` makes both"
        ) from None
    if not is_ca:
        raise UsageError(
            f"{setting}: {cert_file} is no CA's certificate, so that nobody would trust what it signs; `streamgauge ca create` makes one"
        )
    return certificate


def _dated(cert: bytes, key: bytes, days: int) -> bytes:
    """The same certificate, which signs itself with ``key``, begun a moment ago and good for ``days``.

    Of the openssl command only versions from 3.4 can be told when a certificate begins.
    """
    now = datetime.now(UTC)
    begin, end = now - timedelta(seconds=BACKDATED_SECONDS), now + timedelta(days=days)
    dates = b"".join(b"\x17\x0d" + moment.strftime("%y%m%d%H%M%SZ").encode() for moment in (begin, end))
    der, found = _VALIDITY.subn(b"\x30\x1e" + dates, ssl.PEM_cert_to_DER_cert(cert.decode("ascii")), 1)
    if not found:
        raise CouldNotRun("openssl made a certificate whose dates are not found in it; please report it with `openssl version`")
    return _openssl("x509", "-sha256", "-in", ssl.DER_cert_to_PEM_cert(der).encode(), "-signkey", key, "-preserve_dates")


def _is_ca(cert: bytes) -> bool:
    """Whether the first certificate of a file is that of a CA. Raises ``ValueError``, ``ssl.SSLError``."""
    first, end, _ = cert.decode("ascii", "replace").partition("-----END CERTIFICATE-----")
    store = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    store.load_verify_locations(cadata=first + end)
    return store.cert_store_stats()["x509_ca"] > 0


def _no_password() -> str:
    """Without this, OpenSSL would ask for one on the terminal and wait."""
    raise ValueError("the key is encrypted")


def is_address(name: str) -> bool:
    """Whether ``name`` is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _mask(address: str) -> str:
    return "255.255.255.255" if ipaddress.ip_address(address).version == 4 else "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"


def _request_config(name: str, *extensions: str) -> bytes:
    lines = ["[req]", "prompt=no", "distinguished_name=who", "[who]", f"CN={name}"]
    if extensions:
        lines[1:1] = ["x509_extensions=ext"]
        lines += ["[ext]", *extensions]
    return "\n".join(lines).encode() + b"\n"


@contextmanager
def _in_memory(content: bytes) -> Iterator[int]:
    """A file without a place on any disk; ``_path`` names it for this process, and for a child that is given the descriptor."""
    fd = os.memfd_create("streamgauge")
    try:
        os.write(fd, content)
        yield fd
    finally:
        os.close(fd)


def _path(fd: int) -> str:
    return f"/proc/self/fd/{fd}"


def _openssl(*arguments: str | bytes) -> bytes:
    """What the command writes. An argument of bytes is what a file contains; the command gets the file's name. Raises ``CouldNotRun``."""
    try:
        return _run(*arguments)
    except FileNotFoundError:
        raise CouldNotRun(NO_OPENSSL) from None
    except OSError as error:  # not executable, no descriptors, no memory
        raise CouldNotRun(
            f"the openssl command cannot be started ({error.strerror}): see whether `openssl version` works for this user, and its limits"
        ) from None


def _run(*arguments: str | bytes) -> bytes:
    with ExitStack() as stack:
        fds = {n: stack.enter_context(_in_memory(argument)) for n, argument in enumerate(arguments) if isinstance(argument, bytes)}
        words = [_path(fds[n]) if isinstance(argument, bytes) else argument for n, argument in enumerate(arguments)]
        try:
            done = subprocess.run(
                ["openssl", *words],  # noqa: S607 - where it is differs between systems; PATH is the operator's
                capture_output=True,
                check=True,
                timeout=OPENSSL_SECONDS,
                pass_fds=tuple(fds.values()),
            )
        except subprocess.TimeoutExpired:
            raise CouldNotRun(f"openssl {words[0]} did not end within {OPENSSL_SECONDS:g} s") from None
        except subprocess.CalledProcessError as error:
            last = error.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it says nothing"]
            raise CouldNotRun(f"openssl {words[0]} failed: {last[0][:200]}") from None
        return done.stdout
