"""The certificate's settings: what is wrong is named with its file and the fix."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from streamgauge.errors import UsageError
from streamgauge.relay.tls import TlsSettings, server_context, too_open
from tests.relay.loopback import certificate


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tls")
    certificate(made, "localhost")
    certificate(made, "other")
    (made / "empty").write_bytes(b"")
    command = ["openssl", "pkey", "-aes128", "-passout", "pass:x", "-in", str(made / "localhost.key"), "-out", str(made / "locked.key")]
    subprocess.run(command, check=True, capture_output=True)
    return made


@pytest.mark.parametrize(
    ("cert", "key", "client_ca", "says"),
    [
        (None, "localhost.key", None, r"tls\.cert_file: not set"),
        ("localhost.pem", None, None, r"tls\.key_file: not set"),
        ("gone.pem", "localhost.key", None, r"tls\.cert_file: .*gone\.pem cannot be read \(No such file or directory\); name a PEM file"),
        ("localhost.pem", "gone.key", None, r"tls\.key_file: .*gone\.key cannot be read"),
        ("localhost.pem", "other.key", None, r"tls\.key_file: .*other\.key is not the key of the certificate in .*localhost\.pem"),
        ("localhost.pem", "locked.key", None, r"tls\.key_file: .*locked\.key has a password; .*openssl pkey -in"),
        ("empty", "localhost.key", None, r"tls: .*empty and .*localhost\.key must be a certificate and its key in PEM"),
        ("localhost.pem", "localhost.key", "empty", r"tls\.client_ca_file: .*empty holds no CA certificate"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(folder: Path, cert: str | None, key: str | None, client_ca: str | None, says: str) -> None:
    settings = TlsSettings(*(None if name is None else str(folder / name) for name in (cert, key, client_ca)))
    with pytest.raises(UsageError, match=says):
        server_context(settings)


def test_a_pair_that_belongs_together_is_taken(folder: Path) -> None:
    settings = TlsSettings(str(folder / "localhost.pem"), str(folder / "localhost.key"), str(folder / "other.pem"))
    assert server_context(settings).verify_mode.name == "CERT_REQUIRED"


def test_a_key_that_others_may_read_is_told_with_the_remedy(tmp_path: Path) -> None:
    key = tmp_path / "k"
    key.write_bytes(b"")
    key.chmod(0o640)
    assert too_open(str(key)) == f"{key} can be read by others (mode 0640): chmod 0600 {key}"
    key.chmod(0o600)
    assert too_open(str(key)) is None
    assert too_open(str(tmp_path / "gone")) is None
