"""Real SDKs through the real product give the same results as directly, in every address form, and every call becomes a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import boto3
import openai
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from streamgauge.testing import Script, ScriptedUpstream
from streamgauge.testing.sigv4 import Verifier
from tests.e2e.conftest import KEY, SECRET
from tests.e2e.product import Product

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
MESSAGES: Any = [{"role": "user", "content": [{"text": "How high is the river?"}]}]
CHAT: Any = [{"role": "user", "content": "How high is the river?"}]
SCRIPT = Script(text="Two metres more than yesterday.", ttft=0.01, gap=0.002, input_tokens=31, cache_read_tokens=7)


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(SCRIPT, gate=_sigv4_or_bearer) as server:
        yield server


@pytest.fixture(scope="module")
def product(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    import os

    os.environ.update(AWS_ACCESS_KEY_ID=KEY, AWS_SECRET_ACCESS_KEY=SECRET)
    with Product(tmp_path_factory.mktemp("sdks"), upstream.url) as running:
        yield running


_verifier = Verifier({KEY: SECRET})


def _sigv4_or_bearer(received: Any) -> Any:
    """As Bedrock does: a bearer key is taken as it is, everything else must be signed for the host it names."""
    if (received.header("authorization") or "").startswith("Bearer "):
        return None
    return _verifier(received)


def _boto(service: str, url: str, **config: Any) -> Any:
    return boto3.client(service, endpoint_url=url, region_name="us-east-1", config=Config(retries={"total_max_attempts": 1}, **config))


def _converse(client: Any) -> Any:
    reply = client.converse(modelId=MODEL, messages=MESSAGES)
    return reply["output"], reply["usage"], reply["stopReason"]


def _converse_stream(client: Any) -> Any:
    events = list(client.converse_stream(modelId=MODEL, messages=MESSAGES)["stream"])
    return [event for event in events if "metadata" not in event], [event["metadata"]["usage"] for event in events if "metadata" in event]


def _sagemaker_stream(client: Any) -> Any:
    body = b'{"messages": [], "stream": true, "stream_options": {"include_usage": true}}'
    reply = client.invoke_endpoint_with_response_stream(EndpointName="llama", Body=body, ContentType="application/json")
    return b"".join(event["PayloadPart"]["Bytes"] for event in reply["Body"]).count(b"data:")


def _anthropic(client: Any) -> Any:
    reply = client.messages.create(model=MODEL, max_tokens=64, messages=CHAT)
    with client.messages.stream(model=MODEL, max_tokens=64, messages=CHAT) as stream:
        return reply.content, reply.usage, stream.get_final_text(), stream.get_final_message().usage


def _openai(client: Any) -> Any:
    reply = client.chat.completions.create(model=MODEL, messages=CHAT)
    chunks = client.chat.completions.create(model=MODEL, messages=CHAT, stream=True, stream_options={"include_usage": True})
    return reply.choices[0].message.content, reply.usage, [(c.choices[0].delta.content if c.choices else None, c.usage) for c in chunks]


def _bedrock(url: str) -> Any:
    return anthropic.AnthropicBedrock(base_url=url, aws_access_key=KEY, aws_secret_key=SECRET, aws_region="us-east-1", max_retries=0)


def _bedrock_bearer(url: str) -> Any:
    return anthropic.AnthropicBedrock(base_url=url, api_key="bedrock-long-term-key", aws_region="us-east-1", max_retries=0)


def _chat(url: str) -> Any:
    return openai.OpenAI(base_url=f"{url}/openai/v1", api_key="bedrock-long-term-key", max_retries=0)


CLIENTS: dict[str, tuple[Callable[[str], Any], Callable[[Any], Any]]] = {
    "boto3 Converse": (lambda url: _boto("bedrock-runtime", url), _converse),
    "boto3 ConverseStream": (lambda url: _boto("bedrock-runtime", url), _converse_stream),
    "boto3 SageMaker stream": (lambda url: _boto("sagemaker-runtime", url), _sagemaker_stream),
    "anthropic SigV4": (_bedrock, _anthropic),
    "anthropic bearer": (_bedrock_bearer, _anthropic),
    "openai chat": (_chat, _openai),
}


@pytest.mark.parametrize("name", CLIENTS)
def test_an_sdk_sees_through_the_proxy_what_it_sees_without_it(name: str, upstream: ScriptedUpstream, product: Product) -> None:
    make, call = CLIENTS[name]
    assert call(make(product.url)) == call(make(upstream.url))


@pytest.mark.parametrize("call", [_converse, _converse_stream])
def test_a_forward_proxy_keeps_the_callers_own_signature_for_the_true_host(
    call: Callable[[Any], Any], upstream: ScriptedUpstream, product: Product
) -> None:
    client = _boto("bedrock-runtime", "http://bedrock-runtime.us-east-1.amazonaws.com", proxies={"http": product.url})
    assert call(client) == call(_boto("bedrock-runtime", upstream.url))
    last = upstream.received[-2]
    assert last.header("host") == "bedrock-runtime.us-east-1.amazonaws.com"


def test_a_base_url_call_is_signed_again_and_passes_a_verifier_that_insists_on_its_own_host(tmp_path: Path) -> None:
    def insists(received: Any) -> Any:
        return None if received.header("host") == server.url.removeprefix("http://") and _verifier(received) is None else (403, (), b"{}")

    with ScriptedUpstream(SCRIPT, gate=insists) as server, Product(tmp_path, server.url) as product:
        stranger = boto3.client(
            "bedrock-runtime",
            endpoint_url=product.url,
            region_name="eu-west-1",
            aws_access_key_id="AKIDPLACEHOLDER",
            aws_secret_access_key="placeholder",
        )
        assert _converse(stranger)[2] == "end_turn"
        product.stop()
        (row,) = product.rows()
    assert (row.signing, row.region, row.tenant, row.outcome) == ("resigned", "eu-west-1", "AKIDPLACEHOLDER", "completed")


def test_passthrough_never_signs_so_a_signature_made_for_the_proxy_fails_at_the_provider(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    with Product(tmp_path, upstream.url, relay__signing="passthrough") as product:
        with pytest.raises(ClientError) as caught:
            _converse(_boto("bedrock-runtime", product.url))
        assert caught.value.response["Error"]["Code"] == "SignatureDoesNotMatch"
        product.stop()
        (row,) = product.rows()
    assert (row.signing, row.outcome, row.side, row.http_status) == ("passthrough", "client_error", "downstream", 403)


def test_every_call_becomes_a_row_with_the_providers_own_counts(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    with Product(tmp_path, upstream.url) as product:
        for make, call in CLIENTS.values():
            call(make(product.url))
        product.stop()
        rows = product.rows()
    assert {(row.outcome, row.input_tokens) for row in rows} == {("completed", 31)}
    assert all(row.ttft is not None and row.upstream_ttft is not None and row.tpot is not None for row in rows if row.streaming)
    assert {row.operation for row in rows} >= {
        "Converse",
        "ConverseStream",
        "InvokeModel",
        "InvokeModelWithResponseStream",
        "ChatCompletions",
    }
