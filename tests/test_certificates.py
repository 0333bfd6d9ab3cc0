"""Certificates of our own: trusted by who trusts the CA, for nothing but what the CA may vouch for, with keys on no disk."""

from __future__ import annotations

import ssl
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streamgauge.certificates import BACKDATED_SECONDS, Certificate, Issuer, limit, new_ca, read, use
from streamgauge.errors import CouldNotRun, UsageError


@pytest.fixture(scope="module")
def ca() -> Certificate:
    return new_ca("test CA", 2, ["example.com", "localhost"], ["127.0.0.1"])


@pytest.fixture(scope="module")
def issuer(ca: Certificate) -> Issuer:
    return Issuer(ca)


def shaken(ca: Certificate, certificate: Certificate, name: str, *, strict: bool = False) -> str:
    """ "ok", or why a client that trusts the CA does not take this certificate for ``name``."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    use(server, certificate)
    client = ssl.create_default_context(cadata=ca.cert.decode())
    if strict:
        client.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=name)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(5):
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return error.verify_message
    return "ok"


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "a.b.example.com"])
def test_who_trusts_the_ca_takes_its_certificates_also_by_the_strictest_rules(ca: Certificate, issuer: Issuer, name: str) -> None:
    assert shaken(ca, issuer.issue([name]), name) == "ok"
    assert shaken(ca, issuer.issue([name, "example.com"]), name, strict=True) == "ok"


@pytest.mark.parametrize("name", ["example.org", "127.0.0.2", "notexample.com"])
def test_the_ca_can_vouch_for_nothing_else(ca: Certificate, issuer: Issuer, name: str) -> None:
    assert shaken(ca, issuer.issue([name]), name) == "permitted subtree violation"


def test_a_ca_for_domains_alone_vouches_for_no_address() -> None:
    ca = new_ca("test CA", 2, ["example.com"])
    assert shaken(ca, Issuer(ca).issue(["127.0.0.1"]), "127.0.0.1") == "excluded subtree violation"


@pytest.mark.parametrize(
    "domain",
    [
        "",
        ".",
        "*",
        "*.example.com",
        ".example.com",
        "com",
        "127.0.0.1",
        "::1",
        "a.1",
        "a b.com",
        "a.com\nnames",
        "a.com/x",
        "a..com",
        "-a.com",
    ],
)
def test_a_domain_that_would_limit_nothing_is_refused_with_the_fix(domain: str) -> None:
    with pytest.raises(UsageError, match=r"no domain that a CA can be limited to: name one .* such as gateway\.example\.com"):
        new_ca("test CA", 2, ["example.com", domain])
    with pytest.raises(UsageError, match="one domain at least"):
        new_ca("test CA", 2, [], ["127.0.0.1"])


def test_a_domain_is_meant_however_it_is_spelled() -> None:
    assert limit("Gateway.Example.com.") == "gateway.example.com"
    assert limit("xn--bcher-kva.example") == "xn--bcher-kva.example"


def test_a_certificate_is_for_its_names_only(ca: Certificate, issuer: Issuer) -> None:
    assert "mismatch" in shaken(ca, issuer.issue(["a.example.com"]), "b.example.com")


def test_certificates_began_a_moment_ago_for_those_whose_clock_is_slow(ca: Certificate, issuer: Issuer) -> None:
    now = datetime.now(UTC).timestamp()
    for pem, days in ((ca.cert, 2), (issuer.issue(["localhost"], 3).cert, 3)):
        begin, end = dates(pem)
        assert BACKDATED_SECONDS - 5 < now - begin < BACKDATED_SECONDS + 60
        assert abs(end - now - days * 86_400) < 60


def dates(pem: bytes) -> tuple[float, float]:
    """From when until when the first certificate of ``pem`` is good, in seconds since 1970."""
    shown = subprocess.run(["openssl", "x509", "-noout", "-dates"], input=pem, capture_output=True, check=True).stdout.decode()
    begin, end = (ssl.cert_time_to_seconds(line.partition("=")[2]) for line in shown.splitlines())
    return begin, end


def test_nothing_is_left_on_disk_and_no_key_is_shown(
    ca: Certificate, issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    made = issuer.issue(["localhost"])
    assert list(tmp_path.iterdir()) == []
    assert "PRIVATE" not in repr(made)
    assert b"PRIVATE" not in made.cert


def test_without_openssl_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CouldNotRun, match="apt-get install openssl"):
        new_ca("test CA", 2, ["localhost"])


def test_an_openssl_that_cannot_be_started_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "openssl").write_text("not a program")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CouldNotRun, match=r"openssl command cannot be started \(Permission denied\): see whether `openssl version`"):
        new_ca("test CA", 2, ["localhost"])
    (tmp_path / "openssl").chmod(0o700)
    with pytest.raises(CouldNotRun, match=r"cannot be started \(Exec format error\)"):
        new_ca("test CA", 2, ["localhost"])


def test_what_openssl_complains_of_is_passed_on_in_one_line(ca: Certificate) -> None:
    with pytest.raises(CouldNotRun, match=r"^openssl x509 failed: "):
        Issuer(Certificate(b"not a certificate", ca.key)).issue(["localhost"])


def test_a_ca_is_read_from_two_files_that_belong_together(ca: Certificate, tmp_path: Path) -> None:
    cert, key = tmp_path / "ca.pem", tmp_path / "ca-key.pem"
    cert.write_bytes(ca.cert)
    with pytest.raises(UsageError, match=r"connect: .*ca-key\.pem cannot be read \(No such file or directory\)"):
        read(str(cert), str(key), "connect")
    key.write_bytes(new_ca("other", 2, ["localhost"]).key)
    with pytest.raises(UsageError, match="are not a certificate and its unencrypted key"):
        read(str(cert), str(key), "connect")
    key.write_bytes(ca.key)
    assert read(str(cert), str(key), "connect") == ca


def test_a_certificate_that_is_no_cas_is_refused_as_a_ca(issuer: Issuer, tmp_path: Path) -> None:
    made = issuer.issue(["localhost"])  # the CA's own stands behind it
    (tmp_path / "leaf.pem").write_bytes(made.cert)
    (tmp_path / "leaf.key").write_bytes(made.key)
    with pytest.raises(UsageError, match=r"connect: .*leaf\.pem is no CA's certificate, .*`streamgauge ca create` makes one"):
        read(str(tmp_path / "leaf.pem"), str(tmp_path / "leaf.key"), "connect")
