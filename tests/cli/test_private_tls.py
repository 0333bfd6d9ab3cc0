"""TLS for one run: trusted beside all that was trusted before, and gone afterwards."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from streamgauge.cli.private_tls import private_tls
from streamgauge.errors import CouldNotRun
from tests.relay.loopback import certificate

BUNDLES = ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


def trusted(bundle: str) -> int:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(bundle)
    return context.cert_store_stats()["x509"]


@pytest.fixture(autouse=True)
def _nobodys_bundles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*BUNDLES, "CURL_CA_BUNDLE", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)


def test_the_keys_directory_is_the_users_alone_and_gone_afterwards(tmp_path: Path) -> None:
    with private_tls(["127.0.0.1", "127.0.0.2"], {}) as made:
        folder = Path(made.key_file).parent
        assert folder.stat().st_mode & 0o077 == 0
        assert Path(made.key_file).stat().st_mode & 0o077 == 0
        assert "PRIVATE KEY" in Path(made.key_file).read_text()
        # The CA's own key was forgotten.
        assert sum("PRIVATE KEY" in path.read_text() for path in folder.iterdir()) == 1
    assert not folder.exists()


def test_the_public_authorities_stay_trusted_where_nothing_else_was_said() -> None:
    with private_tls(["127.0.0.1"], {}) as made:
        assert set(made.variables) == set(BUNDLES)
        assert min(trusted(made.variables[name]) for name in BUNDLES[:3]) > 100
        assert trusted(made.variables["NODE_EXTRA_CA_CERTS"]) == 1  # Node adds it to its own


def test_a_bundle_of_the_users_is_extended_and_nothing_else_becomes_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, _ = certificate(tmp_path, "corporate")
    environ = dict.fromkeys(BUNDLES, str(theirs))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(theirs))  # botocore reads the process's own
    with private_tls(["127.0.0.1"], environ) as made:
        assert {name: trusted(path) for name, path in made.variables.items()} == dict.fromkeys(BUNDLES, 2)


def test_a_bundle_of_the_profile_and_one_that_is_a_directory_are_extended(tmp_path: Path) -> None:
    theirs, _ = certificate(tmp_path, "corporate")
    (tmp_path / "aws-config").write_text(f"[default]\nca_bundle = {theirs}\n")
    folder = tmp_path / "certs"
    folder.mkdir()
    certificate(folder, "a")
    certificate(folder, "b")
    (folder / "c").mkdir()
    with private_tls(["127.0.0.1"], {"REQUESTS_CA_BUNDLE": str(folder)}) as made:
        assert trusted(made.variables["AWS_CA_BUNDLE"]) == 2
        assert trusted(made.variables["REQUESTS_CA_BUNDLE"]) == 3


def test_of_a_users_file_only_certificates_are_taken(tmp_path: Path) -> None:
    theirs, _ = certificate(tmp_path, "corporate")
    folder = tmp_path / "certs"
    folder.mkdir()
    (folder / "both.pem").write_bytes(
        (tmp_path / "corporate.key").read_bytes() + theirs.read_bytes() + b"-----BEGIN RSA PRIVATE KEY-----\n"
    )
    with private_tls(["127.0.0.1"], {"SSL_CERT_FILE": str(folder), "REQUESTS_CA_BUNDLE": str(folder / "both.pem")}) as made:
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            assert trusted(made.variables[name]) == 2
            assert "PRIVATE" not in Path(made.variables[name]).read_text()


def test_what_cannot_be_read_adds_nothing(tmp_path: Path) -> None:
    with private_tls(["127.0.0.1"], {"SSL_CERT_FILE": str(tmp_path / "gone")}) as made:
        assert trusted(made.variables["SSL_CERT_FILE"]) == 1


def test_without_openssl_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CouldNotRun, match="openssl"), private_tls(["127.0.0.1"], {}):
        pass
