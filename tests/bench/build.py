"""Makes what a run needs and the repository does not hold: the two load programs, a certificate, nginx."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests import debian

SOURCES = Path(__file__).resolve().parent / "src"
UPSTREAM = ("upstream.c", "answers.c", "lab.c")
LOADGEN = ("loadgen.c", "groups.c", "response.c", "histogram.c", "lab.c")
FLAGS = ("-O2", "-Wall", "-Wextra", "-Werror")
TLS_HEADER = Path("/usr/include/openssl/ssl.h")


class CannotRun(Exception):
    """Something outside the benchmark is missing or failed; the text says what and how to mend it."""


@dataclass(frozen=True)
class Lab:
    """The compiled programs. ``tls`` is false where OpenSSL's headers are missing: then the fake upstream speaks plain HTTP only."""

    upstream: Path
    loadgen: Path
    tls: bool


def compile_lab(into: Path) -> Lab:
    """Compiles both programs into ``into`` unless these very sources are compiled there already. Raises ``CannotRun``."""
    tls = TLS_HEADER.exists()
    into = into / f"lab-{_digest(tls)}"
    lab = Lab(into / "upstream", into / "loadgen", tls)
    if lab.upstream.exists() and lab.loadgen.exists():
        return lab
    into.mkdir(parents=True, exist_ok=True)
    _compile(lab.upstream, UPSTREAM, ("-DWITH_TLS", "-lssl", "-lcrypto") if tls else ())
    _compile(lab.loadgen, LOADGEN, ())
    return lab


def _digest(tls: bool) -> str:
    digest = hashlib.sha256(repr((FLAGS, tls)).encode())
    for source in sorted(SOURCES.iterdir()):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def _compile(program: Path, sources: tuple[str, ...], more: tuple[str, ...]) -> None:
    # Under another name first: a second run that starts now must not find half a program.
    partial = program.with_suffix(f".{os.getpid()}")
    command = ["gcc", *FLAGS, "-o", str(partial), *(str(SOURCES / source) for source in sources), *more]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except FileNotFoundError as error:
        raise CannotRun("gcc is missing: install a C compiler (Debian: apt-get install gcc libc6-dev)") from error
    if done.returncode:
        raise CannotRun(f"{program.name} does not compile:\n{done.stderr}")
    partial.rename(program)


def ensure_packages() -> None:
    """nginx to compare with and OpenSSL's headers for the TLS upstream; installed from Debian's packages when missing and we are root."""
    missing = [] if shutil.which("nginx") else ["nginx-light"]
    missing += [] if TLS_HEADER.exists() else ["libssl-dev"]
    try:
        debian.install(missing)
    except debian.NotInstalled as error:
        raise CannotRun(str(error)) from None


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate for localhost, and its key, as PEM files."""

    certificate: Path
    key: Path


def make_certificate(into: Path) -> Certificate:
    """A fresh certificate in ``into``, valid for two days: long enough for the longest run. Raises ``CannotRun``."""
    made = Certificate(into / "localhost.pem", into / "localhost.key")
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", names, "-out", str(made.certificate), "-keyout", str(made.key)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise CannotRun(f"openssl made no certificate: {done.stderr.strip()}")
    return made
