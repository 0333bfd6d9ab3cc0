"""Local replies as the real SDKs read them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import boto3
import openai
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from streamgauge.records import Operation
from streamgauge.relay.local_reply import HTTP2_TEXT, KINDS, build, http2_refusal
from streamgauge.routing import Routes

ROUTES = Routes.shipped()
TEXT = "host 'evil.example' is not relayed: add it to targets.extra_hosts"
CHAT: Any = [{"role": "user", "content": "hi"}]

PATHS = {
    "bedrock": "/model/m/converse",
    "sagemaker": "/endpoints/e/invocations",
    "openai": "/v1/chat/completions",
    "responses": "/v1/responses",
    "anthropic": "/anthropic/v1/messages",
}


def operation(protocol: str) -> Operation:
    return ROUTES.match("POST", PATHS[protocol])


def parts(raw: bytes) -> tuple[str, list[tuple[str, str]], bytes]:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    return first, [(name, value) for name, _, value in (line.partition(": ") for line in lines)], body


@contextmanager
def answering(raw: bytes) -> Iterator[tuple[str, list[int]]]:
    """A server that gives every request the same raw answer; yields its URL and the count of requests."""
    asked: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(10)
                    if _read_request(connection):
                        asked.append(1)
                        connection.sendall(raw)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _read_request(connection: socket.socket) -> bool:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65_536)
        if not more:
            return False
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    (length,) = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")] or [0]
    while len(body) < length:
        body += connection.recv(65_536)
    return True


def boto(service: str, url: str, attempts: int = 1) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}),
    )


def call_bedrock(url: str) -> None:
    boto("bedrock-runtime", url).converse(modelId="m", messages=[{"role": "user", "content": [{"text": "hi"}]}])


def call_sagemaker(url: str) -> None:
    boto("sagemaker-runtime", url).invoke_endpoint(EndpointName="e", Body=b"{}")


def call_openai(url: str) -> None:
    openai.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0).chat.completions.create(model="m", messages=CHAT)


def call_responses(url: str) -> None:
    openai.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0).responses.create(model="m", input="hi")


def call_anthropic(url: str) -> None:
    anthropic.Anthropic(base_url=url + "/anthropic", api_key="k", max_retries=0).messages.create(model="m", max_tokens=1, messages=CHAT)


@pytest.mark.parametrize("reason", KINDS)
@pytest.mark.parametrize(("protocol", "call"), [("bedrock", call_bedrock), ("sagemaker", call_sagemaker)])
def test_botocore_raises_the_services_own_code_with_our_sentence(protocol: str, call: Callable[[str], None], reason: str) -> None:
    status, raw = build(reason, TEXT, operation(protocol))
    with answering(raw) as (url, _), pytest.raises(ClientError) as caught:
        call(url)
    response: Any = caught.value.response
    expected = dict(parts(raw)[1])["x-amzn-errortype"]
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (expected, status)
    assert response["Error"]["Message"] == f"streamgauge: {TEXT}"


def test_botocore_knows_the_errors_as_classes_of_the_client() -> None:
    with answering(build("busy", TEXT, operation("bedrock"))[1]) as (url, _):
        client = boto("bedrock-runtime", url)
        with pytest.raises(client.exceptions.ServiceUnavailableException):
            client.converse(modelId="m", messages=[])
    with answering(build("upstream_reset", TEXT, operation("sagemaker"))[1]) as (url, _):
        client = boto("sagemaker-runtime", url)
        with pytest.raises(client.exceptions.InternalFailure):
            client.invoke_endpoint(EndpointName="e", Body=b"{}")


OPENAI_ERRORS = {400: openai.BadRequestError, 403: openai.PermissionDeniedError, 413: openai.APIStatusError, 429: openai.RateLimitError}


@pytest.mark.parametrize("reason", KINDS)
@pytest.mark.parametrize(("protocol", "call"), [("openai", call_openai), ("responses", call_responses)])
def test_the_openai_sdk_raises_its_own_error_with_reason_and_sentence(protocol: str, call: Callable[[str], None], reason: str) -> None:
    status, raw = build(reason, TEXT, operation(protocol))
    with answering(raw) as (url, _), pytest.raises(OPENAI_ERRORS.get(status, openai.InternalServerError)) as caught:
        call(url)
    error: Any = caught.value
    assert (error.status_code, error.code, error.type) == (status, reason, KINDS[reason].openai)
    assert error.body["message"] == f"streamgauge: {TEXT}"


ANTHROPIC_ERRORS = {
    400: anthropic.BadRequestError,
    403: anthropic.PermissionDeniedError,
    413: anthropic.APIStatusError,
    429: anthropic.RateLimitError,
}


@pytest.mark.parametrize("reason", KINDS)
def test_the_anthropic_sdk_raises_its_own_error_with_our_sentence(reason: str) -> None:
    status, raw = build(reason, TEXT, operation("anthropic"))
    with answering(raw) as (url, _), pytest.raises(ANTHROPIC_ERRORS.get(status, anthropic.InternalServerError)) as caught:
        call_anthropic(url)
    body: Any = caught.value.body
    assert caught.value.status_code == status
    assert body == {"type": "error", "error": {"type": KINDS[reason].anthropic, "message": f"streamgauge: {TEXT}"}}


def test_the_anthropic_sdk_on_bedrock_reads_the_aws_shape_too() -> None:
    raw = build("proxy_credentials", TEXT, ROUTES.match("POST", "/model/m/invoke"))[1]
    with answering(raw) as (url, _):
        client = anthropic.AnthropicBedrock(base_url=url, aws_region="us-east-1", aws_access_key="a", aws_secret_key="s", max_retries=0)
        with pytest.raises(anthropic.PermissionDeniedError, match="streamgauge: host"):
            client.messages.create(model="m", max_tokens=1, messages=CHAT)


@pytest.mark.parametrize(("reason", "attempts"), [("proxy_credentials", 1), ("target_not_allowed", 1), ("upstream_reset", 3)])
def test_sdks_repeat_what_a_repetition_can_heal_and_nothing_else(reason: str, attempts: int) -> None:
    with answering(build(reason, TEXT, operation("bedrock"), retry_after=0.001)[1]) as (url, asked), pytest.raises(ClientError):
        boto("bedrock-runtime", url, attempts=3).converse(modelId="m", messages=[])
    assert len(asked) == attempts
    with answering(build(reason, TEXT, operation("openai"), retry_after=0.001)[1]) as (url, asked), pytest.raises(openai.APIStatusError):
        openai.OpenAI(base_url=url, api_key="k", max_retries=2).chat.completions.create(model="m", messages=CHAT)
    assert len(asked) == attempts


@pytest.mark.parametrize("protocol", PATHS)
@pytest.mark.parametrize("reason", KINDS)
def test_every_reply_is_marked_framed_and_adds_nothing_of_a_server(protocol: str, reason: str) -> None:
    status, raw = build(reason, TEXT + " \u2713", operation(protocol))
    first, headers, body = parts(raw)
    fields = dict(headers)
    assert first == f"HTTP/1.1 {status} {KINDS[reason].phrase}"
    assert len(fields) == len(headers)
    assert (fields["x-streamgauge-reply"], fields["content-length"], fields["connection"]) == (reason, str(len(body)), "close")
    assert fields["x-should-retry"] == str(KINDS[reason].retry).lower()
    assert not {"date", "server", "via"} & set(fields)
    assert ("retry-after" in fields) == (KINDS[reason].wait is not None)


@pytest.mark.parametrize(("seconds", "expected"), [(2.0, ("2", "2000", "2000")), (0.25, ("1", "250", "250")), (0.0, ("0", "0", "0"))])
def test_a_wait_is_told_to_every_sdk_in_its_own_unit(seconds: float, expected: tuple[str, str, str]) -> None:
    fields = dict(parts(build("busy", TEXT, operation("bedrock"), seconds)[1])[1])
    assert (fields["retry-after"], fields["retry-after-ms"], fields["x-amz-retry-after"]) == expected


def test_a_busy_proxy_says_when_to_come_back() -> None:
    fields = dict(parts(build("busy", TEXT, operation("bedrock"))[1])[1])
    assert (fields["retry-after"], fields["retry-after-ms"], fields["x-amz-retry-after"]) == ("1", "1000", "1000")


def test_a_text_cannot_reach_the_head_of_a_reply() -> None:
    _, headers, _ = parts(build("bad_request", "a\r\nx-evil: 1\r\n\r\n", operation("bedrock"))[1])
    assert "x-evil" not in dict(headers)


def test_a_caller_of_http2_gets_settings_and_a_goaway_that_says_http_1_1_required() -> None:
    raw = http2_refusal()
    settings, goaway = raw[:9], raw[9:]
    assert settings == bytes.fromhex("000000 04 00 00000000")
    assert (int.from_bytes(goaway[:3], "big"), goaway[3]) == (len(goaway) - 9, 7)
    assert goaway[9:17] == bytes.fromhex("00000000 0000000d")
    assert goaway[17:].decode() == HTTP2_TEXT
