"""boto3 through the real product: the same results as directly with HTTP status and headers, and every call its row with all its moments.

Which SDKs work at all, in which address form and signing mode, is the matrix's.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

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

_verifier = Verifier({KEY: SECRET})


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(SCRIPT, gate=_verifier) as server:
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


@dataclass(frozen=True)
class Case:
    """A client, its call, the host it calls by itself, and the row's operation and streaming flag."""

    make: Callable[[Way], Any]
    call: Callable[[Any], Any]
    host: str
    service: str
    row: tuple[str, bool]
    model: str | None = MODEL
    input_tokens: int | None = 31

    def result(self, way: Way) -> Any:
        """What the client makes of it; the client's connections are closed."""
        with contextlib.closing(self.make(way)) as client:
            return self.call(client)


RUNTIME = ("bedrock-runtime.us-east-1.amazonaws.com", "bedrock-runtime")
ENDPOINTS = ("runtime.sagemaker.us-east-1.amazonaws.com", "sagemaker-runtime")
INVOKE, INVOKE_STREAM = ("InvokeModel", False), ("InvokeModelWithResponseStream", True)
ENDPOINT, ENDPOINT_STREAM = ("InvokeEndpoint", False), ("InvokeEndpointWithResponseStream", True)

CASES = {
    "boto3 Converse": Case(_bedrock, _converse, *RUNTIME, ("Converse", False)),
    "boto3 ConverseStream": Case(_bedrock, _converse_stream, *RUNTIME, ("ConverseStream", True)),
    "boto3 InvokeModel, Claude": Case(_bedrock, _invoke(MODEL), *RUNTIME, INVOKE),
    "boto3 InvokeModelWithResponseStream, Claude": Case(_bedrock, _invoke_stream(MODEL), *RUNTIME, INVOKE_STREAM),
    "boto3 InvokeModel, Nova": Case(_bedrock, _invoke(NOVA), *RUNTIME, INVOKE, NOVA),
    "boto3 InvokeModelWithResponseStream, Nova": Case(_bedrock, _invoke_stream(NOVA), *RUNTIME, INVOKE_STREAM, NOVA),
    "boto3 InvokeEndpoint, vLLM": Case(_sagemaker, _endpoint(VLLM), *ENDPOINTS, ENDPOINT, None),
    "boto3 InvokeEndpointWithResponseStream, vLLM": Case(_sagemaker, _endpoint_stream(VLLM), *ENDPOINTS, ENDPOINT_STREAM, None),
    "boto3 InvokeEndpointWithResponseStream, LMI": Case(
        _sagemaker, _endpoint_stream(LMI), *ENDPOINTS, ENDPOINT_STREAM, None, input_tokens=None
    ),
}

cases = pytest.mark.parametrize("name", CASES)


def through(product: Product, case: Case, way: Way) -> tuple[Any, Measurement]:
    """The call's result and its row."""
    before = len(product.rows())
    result = case.result(way)
    (row,) = product.wait_rows(before + 1)[before:]
    return result, row


def check_row(case: Case, row: Measurement) -> None:
    """It holds what the call was and what the provider said of it."""
    assert (row.operation, row.streaming) == case.row
    assert (row.outcome, row.http_status, row.side, row.error_type) == ("completed", 200, None, None)
    assert (row.requested_model or row.endpoint_name) == (case.model or "llama")
    assert (row.service, row.region) == (case.service, "us-east-1")
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
def test_boto3_sees_through_the_proxy_what_it_sees_without_it(name: str, upstream: ScriptedUpstream, product: Product) -> None:
    case = CASES[name]
    result, row = through(product, case, Way(product.url))
    assert result == case.result(Way(upstream.url))
    check_row(case, row)
    assert row.signing == "resigned"


@cases
def test_a_forward_proxy_keeps_the_callers_own_signature_for_the_true_host(name: str, upstream: ScriptedUpstream, product: Product) -> None:
    case = CASES[name]
    upstream.clear()
    result, row = through(product, case, Way(f"http://{case.host}", product.url))
    assert {received.header("host") for received in upstream.received} == {case.host}
    assert result == case.result(Way(upstream.url))
    check_row(case, row)
    assert row.signing == "passthrough"


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
