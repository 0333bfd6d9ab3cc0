"""``run`` with a Bedrock API key: boto3, which sends it to https only, is measured unchanged, and the run leaves no trace of its certificates."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from streamgauge.testing import Script, ScriptedUpstream
from tests.cli.test_run import CHAT, _run
from tests.recorder.driving import ledger_rows
from tests.relay.connect_proxy import ConnectProxy

KEY = "bedrock-long-term-key"

TRUSTED = """
import os, ssl
for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
    context = ssl.create_default_context(cafile=os.environ[name])
    assert context.cert_store_stats()["x509_ca"] > 100, name
print(os.environ["AWS_CA_BUNDLE"])
"""

ALL = (
    CHAT.replace("raise SystemExit(3)", "")
    + TRUSTED
    + """
import anthropic, openai
assert os.environ["ANTHROPIC_BEDROCK_BASE_URL"].startswith("http://")
sage = boto3.client("sagemaker-runtime", region_name="us-east-1", aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="s")
sage.invoke_endpoint(EndpointName="e", Body=b"{}")["Body"].read()
anthropic.AnthropicBedrock(aws_region="us-east-1").messages.create(
    model="us.anthropic.claude-sonnet-4-5-20250929-v1:0", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
"""
)


def test_boto3_with_a_bearer_key_is_measured_beside_everybody_else(tmp_path: Path) -> None:
    ledger = tmp_path / "l.db"
    with ScriptedUpstream(Script(output_tokens=5)) as upstream:
        done = _run(
            *("--ledger", str(ledger), "--upstream", f"bedrock-runtime={upstream.url}", "--upstream", f"sagemaker-runtime={upstream.url}"),
            *("--", sys.executable, "-c", ALL),
            AWS_BEARER_TOKEN_BEDROCK=KEY,
            AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
            AWS_SECRET_ACCESS_KEY="s",
            AWS_REGION="us-east-1",
            AWS_CONFIG_FILE=os.devnull,
            TMPDIR=str(tmp_path),
        )
        authorizations = [received.header("authorization") or "" for received in upstream.received]
    assert done.returncode == 0, done.stderr
    assert [value == f"Bearer {KEY}" for value in authorizations] == [True, True, False, True]
    rows = ledger_rows(ledger)
    assert [(row.operation, row.outcome) for row in rows] == [
        ("ConverseStream", "completed"),
        ("ConverseStream", "completed"),
        ("InvokeEndpoint", "completed"),
        ("InvokeModel", "completed"),
    ]
    assert KEY not in done.stderr
    assert not Path(done.stdout.strip()).exists()
    assert not list(tmp_path.glob("streamgauge-tls-*"))


@pytest.mark.parametrize("code", [0, 3])
def test_an_endpoint_of_the_users_is_where_the_key_still_goes(tmp_path: Path, code: int) -> None:
    ledger = tmp_path / "l.db"
    with ScriptedUpstream(Script(output_tokens=5)) as theirs:
        done = _run(
            *("--ledger", str(ledger), "--", sys.executable, "-c", CHAT.replace("SystemExit(3)", f"SystemExit({code})")),
            AWS_BEARER_TOKEN_BEDROCK=KEY,
            AWS_ENDPOINT_URL_BEDROCK_RUNTIME=theirs.url,
            AWS_REGION="us-east-1",
        )
        assert [received.header("authorization") for received in theirs.received] == [f"Bearer {KEY}"] * 2
    assert done.returncode == code, done.stderr


def test_a_private_listener_asks_the_command_for_no_certificate_whatever_the_settings_ask_of_others(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(f"tls: {{client_ca_file: {tmp_path}/ca.pem}}\n")
    script = CHAT.replace("raise SystemExit(3)", "")
    with ScriptedUpstream(Script(output_tokens=5)) as upstream:
        done = _run(
            *("-q", "--config", str(tmp_path / "s.yaml"), "--ledger", str(tmp_path / "l.db")),
            *("--upstream", f"bedrock-runtime={upstream.url}", "--", sys.executable, "-c", script),
            AWS_BEARER_TOKEN_BEDROCK=KEY,
            ALL_PROXY="socks5h://127.0.0.1:1080",
        )
        assert len(upstream.received) == 2
    assert done.returncode == 0, done.stderr
    assert "ALL_PROXY is not used" in done.stderr


def test_without_openssl_the_run_goes_on_and_says_what_boto3_will_refuse(tmp_path: Path) -> None:
    done = _run("-q", "--", sys.executable, "-c", "print('ran')", AWS_BEARER_TOKEN_BEDROCK=KEY, PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert "will refuse this http proxy; certificates are made by the openssl command" in done.stderr


def test_calls_leave_by_the_corporate_proxy_of_the_environment_as_without_us(tmp_path: Path) -> None:
    ledger = tmp_path / "l.db"
    keys = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-gov-west-1"}
    with ConnectProxy(1, user="mallory:secret", status=403) as proxy:
        done = _run(
            *("--ledger", str(ledger), "--", sys.executable, "-c", CHAT.replace('region_name="us-east-1"', "")),
            HTTPS_PROXY=f"http://mallory:secret@127.0.0.1:{proxy.port}",
            AWS_USE_FIPS_ENDPOINT="true",
            AWS_MAX_ATTEMPTS="1",
            **keys,
        )
        asked = {head.split(b"\r\n")[0] for head in proxy.asked}
    assert done.returncode == 1, done.stderr
    assert asked == {b"CONNECT bedrock-runtime-fips.us-gov-west-1.amazonaws.com:443 HTTP/1.1"}
    assert "its rules do not allow this host" in done.stderr
    assert "secret" not in done.stderr
    assert {row.error_type for row in ledger_rows(ledger)} == {"egress_proxy_error"}
