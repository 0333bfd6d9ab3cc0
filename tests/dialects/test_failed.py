from __future__ import annotations

import gzip

import pytest

from streamgauge.dialects.failed import MAX_ERROR_BODY, Failed
from streamgauge.records import Fault, Served
from tests.dialects import shapes
from tests.dialects.watch import each_byte, trace

CORAL = "http://internal.amazon.com/coral/com.amazon.bedrock/"


@pytest.mark.parametrize(
    ("status", "header", "body", "code"),
    [
        (429, f"ThrottlingException:{CORAL}", {"message": "made up"}, "ThrottlingException"),
        (424, "ModelError", {"Message": "made up", "ErrorCode": "x"}, "ModelError"),
        (403, "com.amazon.coral.service#ExpiredTokenException", {}, "ExpiredTokenException"),
        (400, None, {"__type": "com.amazon.coral.service#ValidationException", "message": "made up"}, "ValidationException"),
        (
            404,
            None,
            {"Output": {"__type": "com.amazon.coral.service#UnknownOperationException"}, "Version": "1.0"},
            "UnknownOperationException",
        ),
        (400, None, {"code": "ValidationException"}, "ValidationException"),
        (
            429,
            None,
            {"error": {"message": "made up", "type": "requests", "code": "rate_limit_exceeded", "param": None}},
            "rate_limit_exceeded",
        ),
        (529, None, {"type": "error", "error": {"type": "overloaded_error", "message": "made up"}}, "overloaded_error"),
        (400, None, {"error": {"type": "BadRequestError", "code": 400}}, "BadRequestError"),
        (429, "the prompt was x", {"__type": "ThrottlingException"}, "ThrottlingException"),
        (500, "the prompt was x", {"error": "the prompt was x"}, "500"),
        (503, None, {"message": "made up"}, "503"),
        (502, None, [1], "502"),
    ],
)
def test_an_error_answer_is_a_fault_with_the_provider_s_code_or_else_the_status(
    status: int, header: str | None, body: object, code: str
) -> None:
    headers = {} if header is None else {"x-amzn-errortype": header}
    failed = Failed(status, headers)
    assert trace(failed, each_byte(shapes.dumps(body))) == [Fault(code)]
    assert failed.frames == 1


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"code":"\xff"}', b'{"error":' + b"[" * 50_000, b" " * (MAX_ERROR_BODY + 1) + b'{"__type":"A"}']
)
def test_a_body_that_tells_nothing_leaves_the_status(body: bytes) -> None:
    assert trace(Failed(502, {}), [body, b" "]) == [Fault("502")]


def test_a_compressed_body_tells_its_code() -> None:
    body = gzip.compress(b'{"__type":"ThrottlingException"}')
    assert trace(Failed(429, {"content-encoding": "gzip"}), each_byte(body)) == [Fault("ThrottlingException")]


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", b"not gzip"),
        ("gzip", gzip.compress(b" " * 50_000_000 + b'{"__type":"A"}')),
        ("gzip", gzip.compress(b" " * (MAX_ERROR_BODY + 1) + b'{"__type":"A"}')),
        ("gzip, br", b'{"__type":"A"}'),
    ],
)
def test_a_compressed_body_that_tells_nothing_leaves_the_status(coding: str, body: bytes) -> None:
    assert trace(Failed(429, {"content-encoding": coding}), [body]) == [Fault("429")]


def test_what_the_head_says_is_told_before_the_fault() -> None:
    opening = (Served(service_tier="priority"),)
    assert trace(Failed(503, {}, opening), []) == [*opening, Fault("503")]
