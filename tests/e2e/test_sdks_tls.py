"""Real SDKs through TLS: a bearer key to the TLS listener, CONNECT with a private CA, absolute targets inside TLS, and a certificate that is renewed."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anthropic
import boto3
import openai
import pytest
from botocore.config import Config
from botocore.exceptions import ProxyConnectionError

from streamgauge.certificates import Certificate, Issuer, new_ca
from streamgauge.testing import Script, ScriptedUpstream
from streamgauge.testing.sigv4 import Verifier
from tests.e2e.conftest import KEY, SECRET
from tests.e2e.product import Product, wait_for

BEARER = "bedrock-long-term-key"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
TEXT = "Two metres more."
ASK: Any = [{"role": "user", "content": [{"text": "How high?"}]}]
CHAT: Any = [{"role": "user", "content": "How high?"}]
SCRIPT = Script(text=TEXT, ttft=0.01, gap=0.002)


@pytest.fixture(scope="module")
def ca() -> Certificate:
    return new_ca("test CA", 2, ["localhost", "amazonaws.com", "api.aws"], ["127.0.0.1"])


@pytest.fixture(scope="module")
def files(ca: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    served = Issuer(ca).issue(["localhost", "127.0.0.1"])
    for name, content in (("ca.pem", ca.cert), ("ca.key", ca.key), ("cert.pem", served.cert), ("cert.key", served.key)):
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
    return folder


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(SCRIPT, gate=Verifier({KEY: SECRET}, bearer_keys=[BEARER])) as server:
        yield server


@pytest.fixture(scope="module")
def product(upstream: ScriptedUpstream, files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    settings: dict[str, Any] = {
        "listen_tls": ("127.0.0.1:0",),
        "tls__cert_file": str(files / "cert.pem"),
        "tls__key_file": str(files / "cert.key"),
        "connect__ca_cert_file": str(files / "ca.pem"),
        "connect__ca_key_file": str(files / "ca.key"),
        "relay__signing": "passthrough",
    }
    with Product(tmp_path_factory.mktemp("product"), upstream.url, **settings) as running:
        yield running


def secure(product: Product) -> str:
    return f"https://{product.supervisor.tls_addresses[0]}"


def converse(**options: Any) -> str:
    client = boto3.client("bedrock-runtime", region_name="us-east-1", **options)
    stream = client.converse_stream(modelId=CLAUDE, messages=ASK)["stream"]
    return "".join(event["contentBlockDelta"]["delta"].get("text", "") for event in stream if "contentBlockDelta" in event)


def messages() -> str:
    keys: dict[str, Any] = {"aws_access_key": KEY, "aws_secret_key": SECRET, "aws_region": "us-east-1"}
    with (
        anthropic.AnthropicBedrock(**keys, max_retries=0) as client,
        client.messages.stream(model=CLAUDE, max_tokens=50, messages=CHAT) as stream,
    ):
        return stream.get_final_text()


def chat() -> str:
    base = "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1"
    with openai.OpenAI(base_url=base, api_key=BEARER, max_retries=0) as client:
        answer = client.chat.completions.create(model="openai.gpt-oss-120b-1:0", messages=CHAT)
    return answer.choices[0].message.content or ""


def leaf(certificate: Certificate) -> str:
    return certificate.cert.decode().partition("-----END")[0]


def shown(host: str, port: str) -> str:
    return ssl.get_server_certificate((host, int(port))).partition("-----END")[0]


def asked(connection: http.client.HTTPSConnection) -> int:
    connection.request("POST", "/model/m/converse", b"{}", {"Authorization": f"Bearer {BEARER}", "Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def asked_again(connection: http.client.HTTPSConnection) -> int:
    """As a pool does: a connection that was ended at rest is made anew."""
    try:
        return asked(connection)
    except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLError):
        connection.close()
        return asked(connection)


def test_boto3_sends_its_bearer_key_to_the_tls_listener(product: Product, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", BEARER)
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", secure(product))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(files / "ca.pem"))
    before = len(product.rows())
    assert converse() == TEXT
    row = product.wait_rows(before + 1)[-1]
    assert (row.operation, row.outcome, row.signing) == ("ConverseStream", "completed", "passthrough")


@pytest.mark.parametrize(
    ("call", "operation"), [(converse, "ConverseStream"), (messages, "InvokeModelWithResponseStream"), (chat, "ChatCompletions")]
)
def test_https_proxy_users_are_measured_with_their_own_signatures(
    product: Product, files: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[[], str], operation: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", product.url)
    for variable in ("AWS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(variable, str(files / "ca.pem"))
    before = len(product.rows())
    assert call() == TEXT
    row = product.wait_rows(before + 1)[-1]
    assert (row.operation, row.outcome, row.signing) == (operation, "completed", "passthrough")
    assert len(product.rows()) == before + 1  # the CONNECT is no exchange of its own


def test_what_is_not_allowed_is_refused_and_the_reason_reaches_the_client(
    product: Product, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", product.url)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(files / "ca.pem"))
    client = boto3.client("sts", region_name="us-east-1", config=Config(retries={"total_max_attempts": 1}))
    before = len(product.rows())
    with pytest.raises(ProxyConnectionError) as caught:
        client.get_caller_identity()
    assert "403 host 'sts.us-east-1.amazonaws.com:443' is not relayed" in str(caught.value.kwargs["error"])
    assert product.wait_rows(before + 1)[-1].outcome == "rejected"


@pytest.mark.parametrize("bearer", [True, False])
def test_a_forward_proxy_inside_tls_keeps_bearer_keys_and_signatures(
    product: Product, files: Path, monkeypatch: pytest.MonkeyPatch, bearer: bool
) -> None:
    if bearer:
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", BEARER)
    inside = {"proxy_use_forwarding_for_https": True, "proxy_ca_bundle": str(files / "ca.pem")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # urllib3's, of the option
        before = len(product.rows())
        assert converse(config=Config(proxies={"https": secure(product)}, proxies_config=inside)) == TEXT
    assert product.wait_rows(before + 1)[-1].signing == "passthrough"


def test_a_renewed_certificate_is_shown_after_a_reload_and_one_that_is_wrong_changes_nothing(
    tmp_path: Path, upstream: ScriptedUpstream, ca: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    issuer = Issuer(ca)
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def renew(made: Certificate) -> Certificate:
        cert.write_bytes(made.cert)
        key.write_bytes(made.key)
        return made

    first = renew(issuer.issue(["127.0.0.1"]))
    key.chmod(0o644)
    settings: dict[str, Any] = {"listen_tls": ("127.0.0.1:0",), "tls__cert_file": str(cert), "tls__key_file": str(key)}
    with Product(tmp_path, upstream.url, **settings) as product:
        assert f"chmod 0600 {key}" in caplog.text
        supervisor = product.supervisor
        host, port = supervisor.tls_addresses[0].split(":")
        trusting = ssl.create_default_context(cadata=ca.cert.decode())
        wait_for(lambda: True if shown(host, port) == leaf(first) else None, "the first certificate")
        open_one = http.client.HTTPSConnection(host, int(port), context=trusting)
        assert asked(open_one) == 200
        second = renew(Issuer(ca).issue(["127.0.0.1"]))
        supervisor.reload(lambda: replace(supervisor.config))

        def renewed() -> bool | None:
            supervisor.tend()
            return True if shown(host, port) == leaf(second) else None

        # A call right behind the reload, on a connection of before: answered, or at the least told to come again.
        wait_for(renewed, "the second certificate")
        assert asked_again(open_one) == 200
        cert.write_bytes(first.cert)  # not the key's
        supervisor.reload(lambda: replace(supervisor.config))
        assert "is not the key of the certificate in" in caplog.text
        assert shown(host, port) == leaf(second)
        open_one.close()
        with contextlib.closing(http.client.HTTPSConnection(host, int(port), context=trusting)) as fresh:
            assert asked(fresh) == 200
