"""Certificates of our own: a private CA, and server certificates that it signs.

They are made by the ``openssl`` command: Python's own library reads certificates and makes none. Keys go to it and come from it through
pipes and anonymous memory files, so that none is on a disk unless somebody writes it there.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from streamgauge.errors import CouldNotRun, UsageError

OPENSSL_SECONDS = 10.0
"""A call takes 5 to 20 ms; on a machine without randomness it would wait for good."""

SERVER_DAYS = 7
"""A server certificate of ours is made anew by each process; what is stolen with a crashed one soon ends."""

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

    Raises ``CouldNotRun``.
    """
    permitted = [f"permitted;DNS.{n}={domain}" for n, domain in enumerate(domains)]
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
    return Certificate(_openssl("req", "-x509", "-new", "-sha256", "-days", str(days), "-config", config, "-key", key), key)


def new_key() -> bytes:
    """A private key (P-256: every client takes it, and it is made in a millisecond)."""
    return _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:named_curve")


class Issuer:
    """A CA at work: server certificates that share one key, which is this object's alone."""

    def __init__(self, ca: Certificate) -> None:
        self._ca = ca
        self._key = new_key()
        self._request = _openssl("req", "-new", "-sha256", "-config", _request_config("streamgauge"), "-key", self._key)

    def issue(self, names: Sequence[str], days: int = SERVER_DAYS) -> Certificate:
        """A certificate for these host names and addresses, with the CA's behind it. Raises ``CouldNotRun``. Takes some 10 ms."""
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
        cert = _openssl("x509", "-req", "-sha256", "-days", str(days), "-in", self._request, *signer, "-extfile", extensions.encode())
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
    except (ssl.SSLError, ValueError):
        raise UsageError(
            f"{setting}: {cert_file} and {key_file} are not a certificate and its unencrypted key (PEM); `streamgauge ca create` makes both"
        ) from None
    return certificate


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
    """What the command writes. An argument of bytes is what a file contains; the command gets the file's name."""
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
        except FileNotFoundError:
            raise CouldNotRun(NO_OPENSSL) from None
        except subprocess.TimeoutExpired:
            raise CouldNotRun(f"openssl {words[0]} did not end within {OPENSSL_SECONDS:g} s") from None
        except subprocess.CalledProcessError as error:
            last = error.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it says nothing"]
            raise CouldNotRun(f"openssl {words[0]} failed: {last[0][:200]}") from None
        return done.stdout
