"""Every model family, protocol and container through the whole product, by the SDK people use for it: the same result, and the row it makes."""

from __future__ import annotations

import contextlib
import http.client
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import openai
import pytest
from botocore.config import Config

from streamgauge.records import Measurement
from streamgauge.testing import Script, ScriptedUpstream
from streamgauge.testing.received import Received
from tests.e2e.conftest import KEY, SECRET
from tests.e2e.product import Product

WORDS = "Two metres more than yesterday."
QUESTION = "How high is the river?"
BASE: dict[str, Any] = {"text": WORDS, "ttft": 0.01, "gap": 0.002, "input_tokens": 31, "second_output_tokens": 7}


def scripted(received: Received) -> Script:
    """The base, with what the call's own header asks for besides: it travels with the request and is not content."""
    asked = received.header("x-script")
    return Script(**BASE | json.loads(asked)) if asked else Script(**BASE)


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(scripted) as server:
        yield server


@pytest.fixture(scope="module")
def product(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("AWS_ACCESS_KEY_ID", KEY)
        environ.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        services = ("bedrock-runtime", "bedrock-agent-runtime", "bedrock-mantle", "sagemaker-runtime")
        settings = {"targets.upstreams": dict.fromkeys(services, upstream.url)}
        with Product(tmp_path_factory.mktemp("families"), upstream.url, **settings) as running:
            yield running


@contextlib.contextmanager
def aws(service: str, base: str, knobs: dict[str, Any]) -> Iterator[Any]:
    """A boto3 client whose calls ask the upstream for a script with these knobs."""
    config = Config(retries={"total_max_attempts": 1})
    client = boto3.client(
        service, endpoint_url=base, region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=SECRET, config=config
    )
    if knobs:
        header = json.dumps(knobs)
        client.meta.events.register("before-sign.*.*", lambda request, **_: request.headers.add_header("x-script", header))
    try:
        yield client
    finally:
        client.close()


Call = Callable[[str, dict[str, Any]], Any]


def invoke(model: str) -> Call:
    """InvokeModel; what the SDK makes of it."""

    def call(base: str, knobs: dict[str, Any]) -> Any:
        with aws("bedrock-runtime", base, knobs) as client:
            return client.invoke_model(modelId=model, body=json.dumps({"prompt": QUESTION, "max_tokens": 64}))["body"].read()

    return call


def invoke_stream(model: str) -> Call:
    """InvokeModelWithResponseStream; its chunks."""

    def call(base: str, knobs: dict[str, Any]) -> Any:
        with aws("bedrock-runtime", base, knobs) as client:
            reply = client.invoke_model_with_response_stream(modelId=model, body=json.dumps({"prompt": QUESTION, "max_tokens": 64}))
            return [event["chunk"]["bytes"] for event in reply["body"]]

    return call


def endpoint_stream(body: dict[str, Any], **more: Any) -> Call:
    """InvokeEndpointWithResponseStream; its bytes."""

    def call(base: str, knobs: dict[str, Any]) -> Any:
        with aws("sagemaker-runtime", base, knobs) as client:
            reply = client.invoke_endpoint_with_response_stream(
                EndpointName="llama", Body=json.dumps(body), ContentType="application/json", **more
            )
            return b"".join(event["PayloadPart"]["Bytes"] for event in reply["Body"])

    return call


def endpoint(body: dict[str, Any]) -> Call:
    """InvokeEndpoint; its body."""

    def call(base: str, knobs: dict[str, Any]) -> Any:
        with aws("sagemaker-runtime", base, knobs) as client:
            return client.invoke_endpoint(EndpointName="llama", Body=json.dumps(body), ContentType="application/json")["Body"].read()

    return call


def responses(*, stream: bool, **more: Any) -> Call:
    """OpenAI's Responses, whole or streamed."""

    def call(base: str, knobs: dict[str, Any]) -> Any:
        headers = {"x-script": json.dumps(knobs)}
        with openai.OpenAI(base_url=f"{base}/openai/v1", api_key="placeholder", max_retries=0, default_headers=headers) as client:
            if not stream:
                return client.responses.create(model="openai.gpt-5", input=QUESTION, max_output_tokens=64, **more).model_dump()
            events = client.responses.create(model="openai.gpt-5", input=QUESTION, max_output_tokens=64, stream=True, **more)
            return [event.model_dump() for event in events]

    return call


def chat_stream(base: str, knobs: dict[str, Any]) -> Any:
    """A streamed chat completion."""
    headers = {"x-script": json.dumps(knobs)}
    with openai.OpenAI(base_url=f"{base}/v1", api_key="placeholder", max_retries=0, default_headers=headers) as client:
        asked: Any = [{"role": "user", "content": QUESTION}]
        chunks = client.chat.completions.create(model="m", messages=asked, stream=True, stream_options={"include_usage": True})
        return [chunk.model_dump() for chunk in chunks]


def through(upstream: ScriptedUpstream, product: Product, call: Call, **knobs: Any) -> Measurement:
    """The row of a call whose result is the one it has without the proxy."""
    before = len(product.rows())
    result = call(product.url, knobs)
    assert result == call(upstream.url, knobs)
    (row,) = product.wait_rows(before + 1)[before:]
    return row


@dataclass(frozen=True)
class Family:
    """A model, whether it counts for itself, and how it says that it is done."""

    model: str
    counts: bool
    reason: str


FAMILIES = {
    "Llama": Family("us.meta.llama3-3-70b-instruct-v1:0", True, "stop"),
    "Titan": Family("amazon.titan-text-express-v1", True, "FINISH"),
    "Claude before Messages": Family("anthropic.claude-v2:1", False, "stop_sequence"),
    "Mistral": Family("mistral.mistral-large-2402-v1:0", False, "stop"),
    "Cohere Command": Family("cohere.command-text-v14", False, "COMPLETE"),
    "Cohere Command R": Family("cohere.command-r-plus-v1:0", False, "COMPLETE"),
    "DeepSeek": Family("us.deepseek.r1-v1:0", False, "stop"),
    "Jamba": Family("ai21.jamba-1-5-large-v1:0", True, "stop"),
    "gpt-oss": Family("openai.gpt-oss-120b-1:0", True, "stop"),
    "Qwen": Family("qwen.qwen3-32b-v1:0", True, "stop"),
    "Writer": Family("us.writer.palmyra-x5-v1:0", False, "stop"),
    "imported": Family("arn:aws:bedrock:us-east-1:111122223333:imported-model/abcdef", True, "stop"),
}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_family_is_counted_by_itself_and_by_bedrock_and_a_difference_is_flagged(
    name: str, streamed: bool, upstream: ScriptedUpstream, product: Product
) -> None:
    family = FAMILIES[name]
    row = through(upstream, product, (invoke_stream if streamed else invoke)(family.model))
    assert (row.outcome, row.requested_model, row.streaming, row.finish_reason) == ("completed", family.model, streamed, family.reason)
    assert (row.input_tokens, row.output_tokens, row.usage_source) == (31, 5 if family.counts else 7, "reported")
    assert row.usage_conflict == ({"output_tokens": 7} if family.counts else None)
    assert row.provider_latency is not None
    assert (row.output_chunks, row.undecoded) == (5 if streamed else None, None)
    if streamed:
        assert row.ttft is not None
        assert row.tpot is not None
        assert row.provider_ttft is not None


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("amazon.titan-embed-text-v2:0", 31),
        ("cohere.embed-english-v3", 31),
        ("amazon.nova-2-multimodal-embeddings-v1:0", 31),
        ("cohere.rerank-v3-5:0", None),
    ],
)
def test_embeddings_and_rerankings_are_complete_without_output(
    model: str, tokens: int | None, upstream: ScriptedUpstream, product: Product
) -> None:
    row = through(upstream, product, invoke(model))
    assert (row.outcome, row.requested_model, row.input_tokens, row.output_tokens) == ("completed", model, tokens, None)
    assert (row.usage_source, row.usage_conflict, row.undecoded) == ("reported" if tokens else "unknown", None, None)


@pytest.mark.parametrize(
    "model", ["us.meta.llama3-3-70b-instruct-v1:0", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.nova-lite-v1:0"]
)
@pytest.mark.parametrize("make", [invoke, invoke_stream])
def test_a_guardrail_that_intervened_is_the_reason(
    model: str, make: Callable[[str], Call], upstream: ScriptedUpstream, product: Product
) -> None:
    row = through(upstream, product, make(model), guardrail_intervened=True)
    assert (row.outcome, row.finish_reason, row.output_tokens) == ("completed", "guardrail_intervened", 5)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_responses_are_understood(streamed: bool, upstream: ScriptedUpstream, product: Product) -> None:
    # Half a second apart, so that two pieces are two reads on a busy machine too.
    knobs = {"gap": 0.5, "reasoning": "let me see", "reasoning_tokens": 3, "cache_read_tokens": 10, "service_tier": "priority"}
    row = through(upstream, product, responses(stream=streamed), **knobs)
    assert (row.outcome, row.operation, row.streaming, row.finish_reason) == ("completed", "Responses", streamed, "completed")
    assert (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.reasoning_tokens) == (31, 8, 10, 3)
    assert (row.requested_model, row.response_model, row.service_tier) == ("openai.gpt-5", "responses-scripted", "priority")
    assert row.max_tokens == 64
    if streamed:
        assert row.ttft is not None
        assert row.ttft_visible is not None
        assert row.ttft == row.ttft_reasoning
        assert row.ttft < row.ttft_visible


def test_an_error_in_a_stream_of_responses_is_a_stream_error(upstream: ScriptedUpstream, product: Product) -> None:
    row = through(upstream, product, responses(stream=True), fault="exception")
    assert (row.outcome, row.side, row.error_type, row.output_chunks) == ("stream_error", "upstream", "server_error", 2)


def test_mantle_is_reached_by_its_own_host_through_a_forward_proxy(product: Product) -> None:
    before = len(product.rows())
    host = "bedrock-mantle.us-east-1.api.aws"
    with openai.OpenAI(
        base_url=f"http://{host}/openai/v1", api_key="placeholder", max_retries=0, http_client=openai.DefaultHttpxClient(proxy=product.url)
    ) as client:
        events = list(client.responses.create(model="openai.gpt-5", input=QUESTION, stream=True))
    assert events[-1].type == "response.completed"
    (row,) = product.wait_rows(before + 1)[before:]
    assert (row.service, row.region, row.outcome) == ("bedrock-mantle", "us-east-1", "completed")
    assert (row.input_tokens, row.output_tokens) == (31, 5)


TEXT = {"inputs": QUESTION, "parameters": {"max_new_tokens": 64}}


def estimated(row: Measurement) -> tuple[bool, bool]:
    """Whether input and output are estimates."""
    assert (row.usage_source == "estimated") == (row.input_estimate is not None or row.output_estimate is not None)
    return row.input_estimate is not None, row.output_estimate is not None


@pytest.mark.parametrize("shift", [0, 7, 1000])
@pytest.mark.parametrize(
    ("container", "counts", "reason"),
    [("lmi", (None, 5), "eos_token"), ("tgi", (31, 5), "eos_token"), ("vllm", (None, None), "stop"), ("outputs", (None, None), None)],
)
def test_a_containers_tokens_are_seen_however_its_lines_are_split_across_parts(
    container: str, counts: tuple[int | None, int | None], reason: str | None, shift: int, upstream: ScriptedUpstream, product: Product
) -> None:
    row = through(upstream, product, endpoint_stream(TEXT), container=container, part_shift=shift)
    assert (row.outcome, row.endpoint_name, row.variant, row.finish_reason) == ("completed", "llama", "AllTraffic", reason)
    assert estimated(row) == (counts[0] is None, counts[1] is None)
    assert row.input_tokens == (counts[0] or pytest.approx(7, abs=7))
    assert row.output_tokens == (counts[1] or pytest.approx(7, abs=7))
    assert (row.output_chunks, row.max_tokens, row.undecoded) == (5, 64, None)


@pytest.mark.parametrize(("container", "counts"), [("lmi", (None, 5)), ("tgi", (31, 5)), ("vllm", (31, 5))])
def test_a_containers_whole_answer_is_understood(
    container: str, counts: tuple[int | None, int | None], upstream: ScriptedUpstream, product: Product
) -> None:
    row = through(upstream, product, endpoint(TEXT), container=container)
    assert (row.outcome, *estimated(row)) == ("completed", counts[0] is None, counts[1] is None)
    assert (row.input_tokens, row.output_tokens) == (counts[0] or pytest.approx(7, abs=7), counts[1] or pytest.approx(7, abs=7))


def test_an_inference_component_is_named(upstream: ScriptedUpstream, product: Product) -> None:
    row = through(upstream, product, endpoint_stream(TEXT, InferenceComponentName="llama-copy-2", TargetVariant="blue"))
    assert (row.endpoint_name, row.inference_component, row.variant) == ("llama", "llama-copy-2", "AllTraffic")


def test_asynchronous_calls_and_reranking_are_rows_without_tokens(upstream: ScriptedUpstream, product: Product) -> None:
    def endpoint_async(base: str, knobs: dict[str, Any]) -> Any:
        with aws("sagemaker-runtime", base, knobs) as client:
            return client.invoke_endpoint_async(EndpointName="llama", InputLocation="s3://scripted/in")["OutputLocation"]

    def start_async(base: str, knobs: dict[str, Any]) -> Any:
        with aws("bedrock-runtime", base, knobs) as client:
            output = {"s3OutputDataConfig": {"s3Uri": "s3://scripted"}}
            reply = client.start_async_invoke(
                modelId="amazon.nova-reel-v1:1", modelInput={"a": 1}, outputDataConfig=output, clientRequestToken="t"
            )
            return reply["invocationArn"]

    def rerank(base: str, knobs: dict[str, Any]) -> Any:
        model = {"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/cohere.rerank-v3-5:0"}
        configuration = {"type": "BEDROCK_RERANKING_MODEL", "bedrockRerankingConfiguration": {"modelConfiguration": model}}
        source = {"type": "INLINE", "inlineDocumentSource": {"type": "TEXT", "textDocument": {"text": "made up"}}}
        with aws("bedrock-agent-runtime", base, knobs) as client:
            return client.rerank(
                queries=[{"type": "TEXT", "textQuery": {"text": QUESTION}}], sources=[source], rerankingConfiguration=configuration
            )["results"]

    for call, operation, asked in (
        (endpoint_async, "InvokeEndpointAsync", None),
        (start_async, "StartAsyncInvoke", "amazon.nova-reel-v1:1"),
        (rerank, "Rerank", "arn:aws:bedrock:us-east-1::foundation-model/cohere.rerank-v3-5:0"),
    ):
        row = through(upstream, product, call)
        assert (row.outcome, row.operation, row.requested_model, row.streaming) == ("completed", operation, asked, False)
        assert (row.usage_source, row.undecoded) == ("unknown", None)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (invoke("us.meta.llama3-3-70b-instruct-v1:0"), "ThrottlingException"),
        (invoke_stream("us.meta.llama3-3-70b-instruct-v1:0"), "ThrottlingException"),
        (responses(stream=False), "ThrottlingException"),
    ],
)
def test_an_error_under_status_200_is_no_success(call: Call, code: str, product: Product) -> None:
    before = len(product.rows())
    with contextlib.suppress(Exception):  # what an SDK makes of it is not ours to say
        call(product.url, {"error_code": code})
    (row,) = product.wait_rows(before + 1)[before:]
    assert (row.http_status, row.outcome, row.side, row.error_type) == (200, "upstream_error", "upstream", code)


@pytest.mark.parametrize("call", [chat_stream, responses(stream=True)])
def test_a_compressed_stream_keeps_its_moments_and_counts(call: Call, upstream: ScriptedUpstream, product: Product) -> None:
    row = through(upstream, product, call, gzip=True, gap=0.02)
    assert (row.outcome, row.input_tokens, row.output_tokens, row.undecoded) == ("completed", 31, 5, None)
    assert row.output_chunks == 5
    assert row.itl_p50 is not None
    assert row.itl_p50 >= 0.01


def test_a_decompression_bomb_passes_untouched_and_is_counted_as_not_understood(tmp_path: Path) -> None:
    bomb = zlib.compress(b"data: {}\n\n" * 2_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: deflate\r\nContent-Length: {len(bomb)}\r\n\r\n"
    with ScriptedUpstream(Script(raw=head.encode() + bomb)) as bomber, Product(tmp_path, bomber.url) as proxy:
        connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=20)
        connection.request("POST", "/openai/v1/chat/completions", b'{"stream":true}', {"Content-Type": "application/json"})
        assert connection.getresponse().read() == bomb
        connection.close()
        proxy.stop()
        (row,) = proxy.rows()
    assert (row.outcome, row.usage_source, row.undecoded) == ("completed", "unknown", "decompression_bomb")
