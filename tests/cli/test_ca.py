"""``ca create`` makes a CA for AWS's domains, tells what to do with it, and overwrites nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from streamgauge.certificates import Issuer, read
from tests.test_certificates import shaken


def _create(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "streamgauge", "ca", "create", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)


def test_it_vouches_for_aws_and_the_domains_that_were_added_and_nothing_else(tmp_path: Path) -> None:
    done = _create("--domain", "gateway.example", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "streamgauge-ca"
    cert, key, bundle = folder / "ca.pem", folder / "ca-key.pem", folder / "bundle.pem"
    assert key.stat().st_mode & 0o077 == 0
    assert bundle.read_bytes().endswith(cert.read_bytes())
    assert bundle.read_bytes().count(b"BEGIN CERTIFICATE") > 100
    ca = read(str(cert), str(key), "connect")
    issuer = Issuer(ca)
    for name in ("bedrock-runtime.us-east-1.amazonaws.com", "bedrock-mantle.eu-west-1.api.aws", "a.gateway.example"):
        assert shaken(ca, issuer.issue([name]), name, strict=True) == "ok"
    for name in ("bank.example", "127.0.0.1"):
        assert "subtree violation" in shaken(ca, issuer.issue([name]), name)
    for told in (f"ca_cert_file: {cert}", f"ca_key_file: {key}", f"AWS_CA_BUNDLE={bundle}", f"NODE_EXTRA_CA_CERTS={cert}"):
        assert told in done.stdout


def test_a_domain_that_would_make_it_a_ca_for_everything_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    done = _create("--domain", ".", cwd=tmp_path)
    assert done.returncode == 2
    assert "--domain: '.' is no domain that a CA can be limited to" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "ca-key.pem").write_text("precious")
    done = _create(".", cwd=tmp_path)
    assert done.returncode == 2
    assert f"{tmp_path / 'ca-key.pem'} is there already" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["ca-key.pem"]


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = _create("file/below", cwd=tmp_path)
    assert done.returncode == 4
    assert "cannot be written" in done.stderr
