"""TLS for one run: a CA that ends with it, and bundles in which the command finds it beside all it trusted before.

boto3 sends bearer keys to https only. The CA can vouch for this machine's own addresses and nothing else, and its key is forgotten as soon as the
one certificate is signed.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from streamgauge.cli.run_folders import private_folder

DAYS = 30
"""Longer than any command that is measured this way."""

MAX_BUNDLE_BYTES = 16 << 20
"""The usual bundle of public CAs has 0.25 MB."""

_CERTIFICATE = re.compile(rb"-----BEGIN ((?:TRUSTED |X509 )?CERTIFICATE)-----\s[^-]*-----END \1-----")
"""Nothing else is taken from a user's file: a key may stand beside a certificate."""


class PrivateTls(msgspec.Struct, frozen=True):
    """The certificate's two files, and the variables that make the command trust it."""

    cert_file: str
    key_file: str
    variables: dict[str, str]


@contextmanager
def private_tls(addresses: Sequence[str], environ: Mapping[str, str]) -> Iterator[PrivateTls]:
    """A certificate for these addresses, in a directory that only this user can enter and that is gone afterwards.

    Raises ``CouldNotRun`` where no certificate can be made.
    """
    from streamgauge.certificates import Issuer, new_ca

    ca = new_ca("streamgauge run", DAYS, ["localhost"], addresses)
    made = Issuer(ca).issue([*addresses, "localhost"], DAYS)
    with private_folder() as folder:
        cert, key = folder / "cert.pem", folder / "key.pem"
        cert.write_bytes(made.cert)
        key.touch(0o600)
        key.write_bytes(made.key)
        yield PrivateTls(str(cert), str(key), _bundles(folder, ca.cert, environ))


def _bundles(folder: Path, ca: bytes, environ: Mapping[str, str]) -> dict[str, str]:
    """A bundle for each variable: what its clients trust now, and the CA."""
    system = ssl.get_default_verify_paths().cafile or _boto_default()
    now = {
        "AWS_CA_BUNDLE": _boto_bundle() or environ.get("REQUESTS_CA_BUNDLE") or _boto_default(),
        "SSL_CERT_FILE": environ.get("SSL_CERT_FILE") or system,
        "REQUESTS_CA_BUNDLE": environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE") or _boto_default(),
        "NODE_EXTRA_CA_CERTS": environ.get("NODE_EXTRA_CA_CERTS"),
    }
    variables = {}
    for variable, trusted in now.items():
        path = folder / f"{variable.lower()}.pem"
        path.write_bytes((_certificates(Path(trusted)) if trusted else b"") + ca)
        variables[variable] = str(path)
    return variables


def _boto_bundle() -> str | None:
    """What the environment or the profile names for boto3."""
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

    try:
        found = Session().get_config_variable("ca_bundle")
    except BotoCoreError:  # the command's own boto3 will say it
        return None
    return str(found) if found else None


def _boto_default() -> str:
    from botocore.httpsession import where

    return str(where())


def public_authorities() -> bytes:
    """What boto3 trusts where nothing else is said: the public CAs, as PEM."""
    return _certificates(Path(_boto_default()))


def _certificates(path: Path) -> bytes:
    """What a file of certificates holds, or a directory of such files. What cannot be read adds nothing: nobody could have read it before."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    found = []
    for file in files:
        try:
            with file.open("rb") as opened:
                content = opened.read(MAX_BUNDLE_BYTES)
        except OSError:
            continue
        found += [match[0] + b"\n" for match in _CERTIFICATE.finditer(content)]
    return b"".join(found)
