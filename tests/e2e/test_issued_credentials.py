"""Real SDKs with issued credentials, through the whole product, to an upstream that takes only the proxy's own signature."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anthropic
import boto3
import jwt
import openai
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from openai.providers import bedrock

from streamgauge.__main__ import run
from streamgauge.errors import UsageError
from streamgauge.tenancy.tenant_settings import TokenIssuer
from streamgauge.testing import Script, ScriptedUpstream
from streamgauge.testing.sigv4 import Verifier
from tests.e2e.conftest import KEY, SECRET
from tests.e2e.product import Product

TEXT = "Two metres more."
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ASK: Any = [{"role": "user", "content": [{"text": "How high?"}]}]
CHAT: Any = [{"role": "user", "content": "How high?"}]


class Issued:
    """What `streamgauge tenants` printed."""

    def __init__(self, folder: Path, printed: Callable[[], str]) -> None:
        self.folder = folder
        self._printed = printed

    def do(self, *words: str) -> str:
        assert run(["tenants", *words, "--file", str(self.folder / "tenants.json")]) == 0
        return self._printed()

    def pair(self, *words: str) -> tuple[str, str]:
        lines = dict(line.split("export ")[1].split("=", 1) for line in self.do(*words).splitlines() if "export " in line)
        return lines["AWS_ACCESS_KEY_ID"], lines["AWS_SECRET_ACCESS_KEY"]

    def token(self, *words: str) -> str:
        return next(line.strip() for line in self.do(*words, "--kind", "token").splitlines() if line.startswith("  sgt_"))


@pytest.fixture
def issued(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Issued:
    return Issued(tmp_path, lambda: capsys.readouterr().out)


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(Script(text=TEXT, ttft=0.01, gap=0.002), gate=Verifier({KEY: SECRET})) as server:
        yield server


@pytest.fixture
def product(tmp_path: Path, issued: Issued, upstream: ScriptedUpstream) -> Iterator[Product]:
    """With one tenant whose pair is in ``issued``; started only by who asks for it."""
    issued.do("add", "first")
    (tmp_path / "teams.csv").write_text("kind,name,team,cost_centre,from\ntenant,team-a,search,CC-7,2026-01-01\n")
    settings: dict[str, Any] = {
        "tenants__file": str(tmp_path / "tenants.json"),
        "tenants__secrets_file": str(tmp_path / "tenants-secrets.json"),
        "tenants__mapping_file": str(tmp_path / "teams.csv"),
        "tenants__header": "x-tenant",
    }
    with Product(tmp_path, upstream.url, **settings) as running:
        yield running


def by_boto3(url: str, key: tuple[str, str], model: str = CLAUDE) -> str:
    client = boto3.client(
        "bedrock-runtime",
        "eu-central-1",
        endpoint_url=url,
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
        config=Config(retries={"total_max_attempts": 1}),
    )
    stream = client.converse_stream(modelId=model, messages=ASK)["stream"]
    return "".join(event["contentBlockDelta"]["delta"].get("text", "") for event in stream if "contentBlockDelta" in event)


def by_sagemaker(url: str, key: tuple[str, str]) -> str:
    client = boto3.client("sagemaker-runtime", "eu-central-1", endpoint_url=url, aws_access_key_id=key[0], aws_secret_access_key=key[1])
    answer = client.invoke_endpoint(
        EndpointName="e", ContentType="application/json", Body=b'{"inputs":"x"}', CustomAttributes="tenant=other"
    )
    return str(answer["Body"].read().decode())


def by_anthropic(url: str, key: tuple[str, str]) -> str:
    with (
        anthropic.AnthropicBedrock(
            base_url=url, aws_access_key=key[0], aws_secret_key=key[1], aws_region="eu-central-1", max_retries=0
        ) as client,
        client.messages.stream(model=CLAUDE, max_tokens=50, messages=CHAT) as stream,
    ):
        return stream.get_final_text()


def by_openai_signed(url: str, key: tuple[str, str]) -> str:
    provider = bedrock(
        region="eu-central-1", base_url=f"{url}/openai/v1", access_key_id=key[0], secret_access_key=key[1], endpoint="runtime"
    )
    with openai.OpenAI(provider=provider, max_retries=0) as client:
        return _chat(client)


def by_openai(url: str, token: str) -> str:
    with openai.OpenAI(base_url=f"{url}/openai/v1", api_key=token, max_retries=0) as client:
        return _chat(client)


def by_anthropic_with_a_token(url: str, token: str) -> str:
    with anthropic.AnthropicBedrock(base_url=url, api_key=token, aws_region="eu-central-1", max_retries=0) as client:
        answer = client.messages.create(model=CLAUDE, max_tokens=50, messages=CHAT)
    return str(answer.content[0].text)  # type: ignore[union-attr]


def _chat(client: openai.OpenAI) -> str:
    answer = client.chat.completions.create(model="openai.gpt-oss-120b-1:0", messages=CHAT)
    return answer.choices[0].message.content or ""


@pytest.mark.parametrize("call", [by_boto3, by_anthropic, by_openai_signed, by_sagemaker])
def test_sdks_that_sign_use_an_issued_key_pair_as_they_would_aws_keys(
    product: Product, issued: Issued, call: Callable[[str, tuple[str, str]], str]
) -> None:
    pair = issued.pair("add", "team-a")
    _known(product, issued, pair[0])
    assert TEXT in call(product.url, pair)
    row = product.wait_rows(1)[-1]
    assert (row.tenant, row.team, row.cost_centre, row.tenant_source, row.tenant_trust, row.signing) == (
        "team-a",
        "search",
        "CC-7",
        "key_pair",
        "verified",
        "resigned",
    )
    assert row.tenant_conflict == ("custom_attributes:other" if call is by_sagemaker else None)


@pytest.mark.parametrize("call", [by_openai, by_anthropic_with_a_token])
def test_sdks_that_send_a_bearer_key_use_an_issued_token(
    product: Product, issued: Issued, upstream: ScriptedUpstream, call: Callable[[str, str], str]
) -> None:
    token = issued.token("add", "team-a")
    _known(product, issued, token.rpartition("_")[0][:12])
    assert TEXT in call(product.url, token)
    row = product.wait_rows(1)[-1]
    assert (row.tenant, row.tenant_source, row.tenant_trust) == ("team-a", "token", "verified")
    assert token not in str(upstream.received[-1].headers)


def _known(product: Product, issued: Issued, key: str) -> None:
    """A proxy that was started afresh knows all keys; one that runs looks once a second."""
    assert key in (issued.folder / "tenants.json").read_text()
    product.supervisor.stop()
    product.supervisor.open()


def test_boto3_reads_every_refusal_as_an_error_of_aws_and_tries_none_again(
    product: Product, issued: Issued, upstream: ScriptedUpstream
) -> None:
    pair = issued.pair("add", "team-a")
    revoked = issued.pair("add", "team-b")
    issued.do("revoke", "team-b")
    _known(product, issued, pair[0])
    for key, code, told in (
        (("AKIASOMEBODYELSE", "x"), "MissingAuthenticationTokenException", "is not verified"),
        (("SGAKNOBODYKNOWSTHIS2", "x"), "UnrecognizedClientException", "was not issued by this proxy"),
        (revoked, "UnrecognizedClientException", "of tenant team-b is revoked"),
        ((pair[0], "wrong"), "InvalidSignatureException", "does not match"),
    ):
        with pytest.raises(ClientError) as caught:
            by_boto3(product.url, key)
        assert caught.value.response["Error"]["Code"] == code
        assert told in caught.value.response["Error"]["Message"]
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert len(upstream.received) == 0
    rows = product.wait_rows(4)
    assert [row.outcome for row in rows] == ["rejected"] * 4
    product.stop()
    assert revoked[1] not in (issued.folder / "ledger.db").read_bytes().decode("latin-1")
    assert pair[1] not in (issued.folder / "ledger.db").read_bytes().decode("latin-1")


def test_openai_and_anthropic_read_a_refusal_as_their_own_error(product: Product) -> None:
    with pytest.raises(openai.PermissionDeniedError, match="was not issued by this proxy"):
        by_openai(product.url, "sgt_nobody_knows")
    with pytest.raises(anthropic.PermissionDeniedError, match="was not issued by this proxy"):
        by_anthropic_with_a_token(product.url, "sgt_nobody_knows")


def test_a_proxy_that_others_can_reach_signs_only_for_whom_it_knows(tmp_path: Path, issued: Issued, upstream: ScriptedUpstream) -> None:
    issued.do("add", "team-a")
    keys: dict[str, Any] = {
        "tenants__file": str(tmp_path / "tenants.json"),
        "tenants__secrets_file": str(tmp_path / "tenants-secrets.json"),
    }
    with pytest.raises(UsageError, match=r"would spend this proxy's AWS role unasked.*streamgauge tenants add"):
        Product(tmp_path, upstream.url, listen=("0.0.0.0:0",))
    with pytest.raises(UsageError, match="would spend this proxy's AWS role unasked"):
        Product(tmp_path, upstream.url, listen=("0.0.0.0:0",), tenants__required="never", **keys)
    pair = next(iter(json.loads((tmp_path / "tenants-secrets.json").read_text()).items()))
    with Product(tmp_path, upstream.url, listen=("0.0.0.0:0",), **keys) as product:
        port = product.supervisor.addresses[0].rpartition(":")[2]
        url = f"http://127.0.0.1:{port}"
        assert by_boto3(url, pair) == TEXT
        with pytest.raises(ClientError, match="is not verified"):
            by_boto3(url, (KEY, SECRET))


def test_conflicts_can_be_counted_and_are_shown(product: Product, issued: Issued, capsys: pytest.CaptureFixture[str]) -> None:
    pair = issued.pair("add", "team-a")
    _known(product, issued, pair[0])
    for model in ("m", CLAUDE):
        client = boto3.client(
            "bedrock-runtime", "eu-central-1", endpoint_url=product.url, aws_access_key_id=pair[0], aws_secret_access_key=pair[1]
        )
        client.meta.events.register("before-sign.*", lambda request, **_: request.headers.add_header("x-tenant", "team-z"))
        client.converse(modelId=model, messages=ASK)
    rows = product.wait_rows(2)
    assert [row.tenant_conflict for row in rows] == ["header:team-z"] * 2
    ledger = str(product.supervisor.ledger)
    assert run(["report", "latency", "--by", "tenant_conflict", "--ledger", ledger]) == 0
    assert "header:team-z" in capsys.readouterr().out
    assert run(["exchanges", "show", rows[0].exchange_id, "--ledger", ledger]) == 0
    assert "header:team-z" in capsys.readouterr().out


def test_sdks_send_tokens_of_a_cluster_and_of_an_identity_provider_as_their_bearer_key(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    key = rsa.generate_private_key(65_537, 2048)
    public = {**json.loads(RSAAlgorithm.to_jwk(key.public_key())), "kid": "k", "alg": "RS256"}
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [public]}))
    cluster, login = (
        TokenIssuer(name, "streamgauge", jwks_file=str(tmp_path / "jwks.json"), kubernetes=kubernetes)
        for name, kubernetes in (("https://cluster.example", True), ("https://login.example", False))
    )

    def token(issuer: TokenIssuer, subject: str, lifetime: float = 600.0) -> str:
        until = datetime.now(UTC).timestamp() + lifetime
        return jwt.encode({"iss": issuer.issuer, "aud": "streamgauge", "sub": subject, "exp": until}, key, "RS256", headers={"kid": "k"})

    with Product(tmp_path, upstream.url, tenants__issuers=(cluster, login)) as product:
        pod = token(cluster, "system:serviceaccount:search:ranker")
        assert by_openai(product.url, pod) == TEXT
        assert by_anthropic_with_a_token(product.url, token(login, "team-a")) == TEXT
        with pytest.raises(openai.PermissionDeniedError, match="has expired"):
            by_openai(product.url, token(login, "team-a", -3600.0))
        rows = product.wait_rows(3)
        assert [(row.tenant, row.app, row.tenant_source, row.tenant_trust) for row in rows[:2]] == [
            ("search", "ranker", "service_account", "verified"),
            ("team-a", None, "jwt", "verified"),
        ]
        assert (rows[2].outcome, rows[2].error_type) == ("rejected", "tenant_signature")
        assert pod not in str([received.headers for received in upstream.received])


def test_the_forward_proxy_form_takes_a_token_as_the_proxys_password(product: Product, issued: Issued) -> None:
    token = issued.token("add", "team-a")
    _known(product, issued, token[:12])
    address = product.supervisor.addresses[0]
    client = boto3.client(
        "bedrock-runtime",
        "us-east-1",
        endpoint_url="http://bedrock-runtime.us-east-1.amazonaws.com",
        config=Config(proxies={"http": f"http://team:{token}@{address}"}, retries={"total_max_attempts": 1}),
    )
    client.converse(modelId=CLAUDE, messages=ASK)
    row = product.wait_rows(1)[-1]
    assert (row.tenant, row.tenant_trust, row.signing) == ("team-a", "verified", "passthrough")
