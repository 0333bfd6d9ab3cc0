"""Real SDKs through the real product give the same results as directly, in both address forms, and every call becomes its row."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import boto3
import openai
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from streamgauge.records import Measurement
from streamgauge.testing import Script, ScriptedUpstream
from streamgauge.testing.sigv4 import Verifier
from tests.e2e.conftest import KEY, SECRET
from tests.e2e.product import Product

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-lite-v1:0"
MESSAGES: Any = [{"role": "user", "content": [{"text": "How high is the river?"}]}]
CHAT: Any = [{"role": "user", "content": "How high is the river?"}]
SCRIPT = Script(text="Two metres more than yesterday.", ttft=0.01, gap=0.002, input_tokens=31, cache_read_tokens=7)
BEARER = "bedrock-long-term-key"
KEYS: dict[str, Any] = {"aws_access_key": KEY, "aws_secret_key": SECRET, "aws_region": "us-east-1"}

_verifier = Verifier({KEY: SECRET}, bearer_keys=[BEARER])


def as_aws_would(received: Any) -> Any:
    """Bearer and API keys are taken if they are known; everything else must be signed for the host it names."""
    return None if received.header("x-api-key") == BEARER else _verifier(received)


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(SCRIPT, gate=as_aws_would) as server:
        yield server


@pytest.fixture(scope="module")
def product(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("AWS_ACCESS_KEY_ID", KEY)
        environ.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        with Product(tmp_path_factory.mktemp("sdks"), upstream.url) as running:
            yield running


@dataclass(frozen=True)
class Way:
    """How a client reaches its service: the base URL it is given, and the HTTP proxy set for it alone, if any."""

    base: str
    proxy: str | None = None


def _boto(service: str, way: Way) -> Any:
    proxies = {"http": way.proxy} if way.proxy else None
    config = Config(retries={"total_max_attempts": 1}, proxies=proxies)
    return boto3.client(service, endpoint_url=way.base, region_name="us-east-1", config=config)


def _bedrock(way: Way) -> Any:
    return _boto("bedrock-runtime", way)


def _sagemaker(way: Way) -> Any:
    return _boto("sagemaker-runtime", way)


def _anthropic_options(way: Way) -> dict[str, Any]:
    client = anthropic.DefaultHttpxClient(proxy=way.proxy) if way.proxy else None
    return {"http_client": client, "max_retries": 0}


def _signed(way: Way) -> Any:
    return anthropic.AnthropicBedrock(base_url=way.base, **KEYS, **_anthropic_options(way))


def _bearer(way: Way) -> Any:
    return anthropic.AnthropicBedrock(base_url=way.base, api_key=BEARER, aws_region="us-east-1", **_anthropic_options(way))


def _mantle(way: Way) -> Any:
    return anthropic.AnthropicBedrockMantle(base_url=f"{way.base}/anthropic", **KEYS, **_anthropic_options(way))


def _direct_messages(way: Way) -> Any:
    return anthropic.Anthropic(base_url=f"{way.base}/anthropic", api_key=BEARER, **_anthropic_options(way))


def _openai(way: Way) -> Any:
    client = openai.DefaultHttpxClient(proxy=way.proxy) if way.proxy else None
    return openai.OpenAI(base_url=f"{way.base}/openai/v1", api_key=BEARER, max_retries=0, http_client=client)


def _met(reply: Any) -> Any:
    """What boto3 tells of the HTTP answer, without what differs from call to call."""
    met = reply["ResponseMetadata"]
    return met["HTTPStatusCode"], sorted(met["HTTPHeaders"])


def _converse(client: Any) -> Any:
    reply = client.converse(modelId=MODEL, messages=MESSAGES)
    return reply["output"], reply["usage"], reply["stopReason"], _met(reply)


def _converse_stream(client: Any) -> Any:
    reply = client.converse_stream(modelId=MODEL, messages=MESSAGES)
    return list(reply["stream"]), _met(reply)


def _body(model: str) -> str:
    if model == NOVA:
        return json.dumps({"messages": MESSAGES})
    return json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64, "messages": CHAT})


def _invoke(model: str) -> Callable[[Any], Any]:
    def call(client: Any) -> Any:
        reply = client.invoke_model(modelId=model, body=_body(model))
        return reply["body"].read(), reply["contentType"], _met(reply)

    return call


def _invoke_stream(model: str) -> Callable[[Any], Any]:
    def call(client: Any) -> Any:
        reply = client.invoke_model_with_response_stream(modelId=model, body=_body(model))
        return list(reply["body"]), reply["contentType"], _met(reply)

    return call


VLLM = json.dumps({"messages": CHAT, "stream": True, "stream_options": {"include_usage": True}})
LMI = json.dumps({"inputs": "How high is the river?", "parameters": {"max_new_tokens": 64}})


def _endpoint(body: str) -> Callable[[Any], Any]:
    def call(client: Any) -> Any:
        reply = client.invoke_endpoint(EndpointName="llama", Body=body, ContentType="application/json")
        return reply["Body"].read(), reply["InvokedProductionVariant"], _met(reply)

    return call


def _endpoint_stream(body: str) -> Callable[[Any], Any]:
    def call(client: Any) -> Any:
        reply = client.invoke_endpoint_with_response_stream(EndpointName="llama", Body=body, ContentType="application/json")
        return [event["PayloadPart"]["Bytes"] for event in reply["Body"]], reply["InvokedProductionVariant"], _met(reply)

    return call


def _messages(client: Any) -> Any:
    reply = client.messages.create(model=MODEL, max_tokens=64, messages=CHAT)
    with client.messages.stream(model=MODEL, max_tokens=64, messages=CHAT) as stream:
        events = [event.model_dump() for event in stream]
        return reply.model_dump(), events, stream.get_final_message().usage


def _chat(client: Any) -> Any:
    reply = client.chat.completions.create(model=MODEL, messages=CHAT)
    chunks = client.chat.completions.create(model=MODEL, messages=CHAT, stream=True, stream_options={"include_usage": True})
    return reply.model_dump(), [chunk.model_dump() for chunk in chunks]


@dataclass(frozen=True)
class Case:
    """A client, its calls, the host it calls by itself, and the operations that become rows, with their streaming flags."""

    make: Callable[[Way], Any]
    call: Callable[[Any], Any]
    host: str
    service: str
    rows: tuple[tuple[str, bool], ...]
    model: str | None = MODEL
    sigv4: bool = True
    input_tokens: int | None = 31

    def result(self, way: Way) -> Any:
        """What the client makes of it; the client's connections are closed."""
        with contextlib.closing(self.make(way)) as client:
            return self.call(client)


RUNTIME = ("bedrock-runtime.us-east-1.amazonaws.com", "bedrock-runtime")
MANTLE = ("bedrock-mantle.us-east-1.api.aws", "bedrock-mantle")
ENDPOINTS = ("runtime.sagemaker.us-east-1.amazonaws.com", "sagemaker-runtime")
INVOKE, INVOKE_STREAM = ("InvokeModel", False), ("InvokeModelWithResponseStream", True)
ENDPOINT, ENDPOINT_STREAM = ("InvokeEndpoint", False), ("InvokeEndpointWithResponseStream", True)
BOTH_MESSAGES = (("Messages", False), ("Messages", True))
BOTH_CHATS = (("ChatCompletions", False), ("ChatCompletions", True))

CASES = {
    "boto3 Converse": Case(_bedrock, _converse, *RUNTIME, (("Converse", False),)),
    "boto3 ConverseStream": Case(_bedrock, _converse_stream, *RUNTIME, (("ConverseStream", True),)),
    "boto3 InvokeModel, Claude": Case(_bedrock, _invoke(MODEL), *RUNTIME, (INVOKE,)),
    "boto3 InvokeModelWithResponseStream, Claude": Case(_bedrock, _invoke_stream(MODEL), *RUNTIME, (INVOKE_STREAM,)),
    "boto3 InvokeModel, Nova": Case(_bedrock, _invoke(NOVA), *RUNTIME, (INVOKE,), NOVA),
    "boto3 InvokeModelWithResponseStream, Nova": Case(_bedrock, _invoke_stream(NOVA), *RUNTIME, (INVOKE_STREAM,), NOVA),
    "boto3 InvokeEndpoint, vLLM": Case(_sagemaker, _endpoint(VLLM), *ENDPOINTS, (ENDPOINT,), None),
    "boto3 InvokeEndpointWithResponseStream, vLLM": Case(_sagemaker, _endpoint_stream(VLLM), *ENDPOINTS, (ENDPOINT_STREAM,), None),
    "boto3 InvokeEndpointWithResponseStream, LMI": Case(
        _sagemaker, _endpoint_stream(LMI), *ENDPOINTS, (ENDPOINT_STREAM,), None, input_tokens=None
    ),
    "anthropic SigV4": Case(_signed, _messages, *RUNTIME, (INVOKE, INVOKE_STREAM)),
    "anthropic bearer": Case(_bearer, _messages, *RUNTIME, (INVOKE, INVOKE_STREAM), sigv4=False),
    "anthropic Mantle": Case(_mantle, _messages, *MANTLE, BOTH_MESSAGES),
    "anthropic Messages": Case(_direct_messages, _messages, *MANTLE, BOTH_MESSAGES, sigv4=False),
    "openai chat": Case(_openai, _chat, *RUNTIME, BOTH_CHATS, sigv4=False),
}

cases = pytest.mark.parametrize("name", CASES)


def through(product: Product, case: Case, way: Way) -> tuple[Any, list[Measurement]]:
    """The call's result and its rows."""
    before = len(product.rows())
    result = case.result(way)
    return result, product.wait_rows(before + len(case.rows))[before:]


def check_rows(case: Case, rows: list[Measurement]) -> None:
    """Each row holds what the call was and what the provider said of it."""
    assert [(row.operation, row.streaming) for row in rows] == list(case.rows)
    for row in rows:
        assert (row.outcome, row.http_status, row.side, row.error_type) == ("completed", 200, None, None)
        assert (row.requested_model or row.endpoint_name) == (case.model or "llama")
        assert row.output_tokens == 5
        assert row.output_estimate is None
        if case.input_tokens is None:  # LMI does not state it
            assert row.usage_source == "estimated"
            assert row.input_estimate is not None
        else:
            assert (row.input_tokens, row.usage_source) == (case.input_tokens, "reported")
        assert row.cache_read_tokens == (7 if case.input_tokens else None)
        if row.streaming:
            assert row.ttft is not None
            assert row.ttft >= (row.upstream_ttft or 1.0) >= 0.01
            assert row.ttft_visible == row.ttft
            assert row.tpot is not None
        else:
            assert (row.ttft, row.tpot) == (None, None)
        assert row.e2e is not None
        assert row.e2e >= 0.01 + 4 * 0.002


@cases
def test_an_sdk_sees_through_the_proxy_what_it_sees_without_it(name: str, upstream: ScriptedUpstream, product: Product) -> None:
    case = CASES[name]
    result, rows = through(product, case, Way(product.url))
    assert result == case.result(Way(upstream.url))
    check_rows(case, rows)
    assert {row.signing for row in rows} == {"resigned" if case.sigv4 else "passthrough"}
    # With a key alone, only the path says which service is meant; the Messages route is on both.
    assert {row.service for row in rows} == {case.service if case.sigv4 else case.service.replace("mantle", "runtime")}


@cases
def test_a_forward_proxy_keeps_the_callers_own_signature_for_the_true_host(name: str, upstream: ScriptedUpstream, product: Product) -> None:
    case = CASES[name]
    upstream.clear()
    result, rows = through(product, case, Way(f"http://{case.host}", product.url))
    assert {received.header("host") for received in upstream.received} == {case.host}
    assert result == case.result(Way(upstream.url))
    check_rows(case, rows)
    assert {(row.signing, row.service, row.region) for row in rows} == {("passthrough", case.service, "us-east-1")}


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
            _converse(_bedrock(Way(product.url)))
        assert caught.value.response["Error"]["Code"] == "SignatureDoesNotMatch"
        product.stop()
        (row,) = product.rows()
    assert (row.signing, row.outcome, row.side, row.http_status) == ("passthrough", "client_error", "downstream", 403)
