from __future__ import annotations

import pytest

from streamgauge.dialects import open_dialect
from streamgauge.dialects.anthropic import Anthropic, AnthropicStream
from streamgauge.dialects.compressed import Compressed
from streamgauge.dialects.converse import Converse, ConverseStream
from streamgauge.dialects.failed import Failed
from streamgauge.dialects.invoke_model import InvokeModel, InvokeModelStream
from streamgauge.dialects.opaque import Opaque
from streamgauge.dialects.openai_chat import OpenAiChat, OpenAiChatStream
from streamgauge.dialects.sagemaker import SageMaker, SageMakerLines, SageMakerStream
from streamgauge.records import VISIBLE, Fault, Operation, Served, Usage, UsageReported
from tests.dialects import shapes
from tests.dialects.shapes_responses import RESPONSES
from tests.dialects.watch import trace


@pytest.mark.parametrize(
    ("operation", "content_type", "kind"),
    [
        (shapes.CONVERSE, shapes.JSON, Converse),
        (shapes.CONVERSE_STREAM, shapes.EVENT_STREAM, ConverseStream),
        (shapes.INVOKE, shapes.JSON, InvokeModel),
        (shapes.INVOKE_STREAM, shapes.EVENT_STREAM, InvokeModelStream),
        (shapes.ANTHROPIC, shapes.JSON, Anthropic),
        (shapes.ANTHROPIC, "text/event-stream; charset=utf-8", AnthropicStream),
        (shapes.OPENAI_CHAT, "Application/JSON;charset=utf-8", OpenAiChat),
        (shapes.OPENAI_CHAT, shapes.SSE, OpenAiChatStream),
        (shapes.SAGEMAKER, shapes.JSON, SageMaker),
        (shapes.SAGEMAKER_STREAM, shapes.EVENT_STREAM, SageMakerStream),
        (shapes.SAGEMAKER, shapes.SSE, SageMakerLines),
        (shapes.SAGEMAKER, "application/jsonlines", SageMakerLines),
        (shapes.CONVERSE_STREAM, shapes.JSON, Converse),
        (shapes.INVOKE_STREAM, shapes.JSON, InvokeModel),
        (shapes.SAGEMAKER_STREAM, shapes.JSON, SageMaker),
        (shapes.OPAQUE, shapes.JSON, Opaque),
        (shapes.INVOKE, "image/png", Opaque),
        (shapes.CONVERSE_STREAM, None, Opaque),
        (Operation("x", "y", "no such dialect"), shapes.JSON, Opaque),
    ],
)
def test_operation_and_content_type_choose_who_reads(operation: Operation, content_type: str | None, kind: type) -> None:
    assert type(open_dialect(operation, 200, content_type, {})) is kind


@pytest.mark.parametrize("operation", [shapes.CONVERSE_STREAM, shapes.OPENAI_CHAT, shapes.OPAQUE])
def test_an_error_status_is_read_as_an_error_whatever_was_asked(operation: Operation) -> None:
    assert type(open_dialect(operation, 400, shapes.EVENT_STREAM, {})) is Failed


def test_an_answer_that_its_head_calls_an_error_is_one_under_status_200_too() -> None:
    headers = {"x-amzn-errortype": "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/"}
    dialect = open_dialect(shapes.CONVERSE_STREAM, 200, shapes.JSON, headers)
    assert trace(dialect, [b'{"message":"made up"}']) == [Fault("ThrottlingException")]


def test_a_compressed_answer_is_decoded_for_its_reader() -> None:
    assert type(open_dialect(shapes.OPENAI_CHAT, 200, shapes.SSE, {"content-encoding": "gzip"})) is Compressed


@pytest.mark.parametrize("encoding", ["identity", "Identity ", ""])
def test_an_encoding_that_is_none_hinders_nobody(encoding: str) -> None:
    assert type(open_dialect(shapes.OPENAI_CHAT, 200, shapes.SSE, {"content-encoding": encoding})) is OpenAiChatStream


def test_a_compressed_answer_that_nobody_would_read_is_no_loss() -> None:
    assert trace(open_dialect(shapes.OPAQUE, 200, shapes.JSON, {"content-encoding": "gzip"}), [b"a"]) == []


def test_the_inner_content_type_reaches_sagemaker() -> None:
    headers = {"x-amzn-sagemaker-content-type": "text/plain; charset=utf-8"}
    dialect = open_dialect(shapes.SAGEMAKER_STREAM, 200, shapes.EVENT_STREAM, headers)
    assert trace(dialect, [shapes.part(b"a")]) == [*VISIBLE]


def test_the_head_of_an_image_answer_still_tells_its_tokens() -> None:
    headers = {"x-amzn-bedrock-input-token-count": "4", "x-amzn-bedrock-service-tier": "flex"}
    said = trace(open_dialect(shapes.INVOKE, 200, "image/png", headers), [b"\x89PNG"])
    assert said == [UsageReported(Usage(4), preferred=False), Served(service_tier="flex")]


@pytest.mark.parametrize(
    "operation",
    [
        shapes.CONVERSE,
        shapes.CONVERSE_STREAM,
        shapes.INVOKE,
        shapes.INVOKE_STREAM,
        shapes.ANTHROPIC,
        shapes.OPENAI_CHAT,
        RESPONSES,
    ],
)
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"__type": "com.amazon.coral.service#ThrottlingException", "message": "made up"}, "ThrottlingException"),
        ({"Output": {"__type": "com.amazon.coral.service#UnknownOperationException"}, "Version": "1.0"}, "UnknownOperationException"),
        ({"error": {"type": "server_error", "code": None, "message": "made up"}}, "server_error"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "made up"}}, "overloaded_error"),
        ({"message": "made up"}, "_OTHER"),
    ],
)
def test_an_error_in_place_of_an_answer_is_a_fault_under_status_200_too(operation: Operation, body: object, code: str) -> None:
    assert trace(open_dialect(operation, 200, shapes.JSON, {}), [shapes.dumps(body)]) == [Fault(code)]
