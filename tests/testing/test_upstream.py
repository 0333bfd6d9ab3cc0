"""The server keeps what it got and what it sent, checks signatures, and leaves nothing behind."""

from __future__ import annotations

import gc
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from streamgauge.testing import Received, Script, ScriptedUpstream
from tests.testing.clients import CLAUDE, KEY, QUESTION, SECRET, aws, bedrock_anthropic, connect, read_all, read_until, request

QUICK = Script(ttft=0.0, gap=0.0)


def test_a_request_is_kept_as_it_came() -> None:
    raw = request("/model/arn%3Aaws%2Fx/converse?a=%7E", b'{"k": 1}', "X-Odd-CASE:  two  words ", "x-odd-case: again")
    with ScriptedUpstream(QUICK) as upstream, connect(upstream.url) as sock:
        sock.sendall(raw)
        read_until(sock, b"\r\n\r\n")
        [received] = upstream.wait_received(1)
    assert (received.method, received.raw_target, received.body) == ("POST", "/model/arn%3Aaws%2Fx/converse?a=%7E", b'{"k": 1}')
    assert received.headers[2:] == ((b"X-Odd-CASE", b"two  words"), (b"x-odd-case", b"again"))
    assert received.model == "arn:aws/x"


def test_the_send_log_has_the_moment_of_every_event_and_the_id_the_caller_sees() -> None:
    script = Script(pieces=("a", "b", "c"), start_after=0.02, ttft=0.06, gap=0.03, end_after=0.02, input_tokens=9)
    with ScriptedUpstream(script) as upstream, aws(upstream.url) as client:
        reply = client.converse_stream(modelId=CLAUDE, messages=QUESTION)
        list(reply["stream"])
        log = upstream.wait(1)[0]
        assert upstream.send(reply["ResponseMetadata"]["RequestId"]) is log
    assert [kind for _, kind in log.frames] == ["start", "output", "output", "output", "block", "end", "metadata"]
    due = [0.02, 0.06, 0.09, 0.12, 0.14, 0.14, 0.14]
    late = [(at - log.received_at) / 1e9 - wanted for (at, _), wanted in zip(log.frames, due, strict=True)]
    assert all(-0.0005 <= delay < 1.0 for delay in late), late
    assert log.head_at is not None
    assert log.ended_at is not None
    assert log.received_at <= log.head_at <= log.frames[0][0] <= log.frames[-1][0] <= log.ended_at
    assert (log.input_tokens, log.output_tokens, log.aborted_at) == (9, 3, None)


def test_a_caller_that_leaves_is_noted_as_an_abort() -> None:
    with ScriptedUpstream(Script(output_tokens=1000, ttft=0.0, gap=0.05)) as upstream:
        with connect(upstream.url) as sock:
            sock.sendall(request("/model/m/converse-stream"))
            read_until(sock, b"contentBlockDelta")
        [log] = upstream.wait(1)
    assert log.aborted_at is not None
    assert log.ended_at is None


def test_a_function_chooses_the_script_by_the_request() -> None:
    def script_for(received: Received) -> Script:
        return Script(text=received.prompt.upper(), ttft=0.0)

    with ScriptedUpstream(script_for) as upstream, aws(upstream.url) as client:
        reply = client.converse(modelId=CLAUDE, messages=QUESTION)
    assert reply["output"]["message"]["content"][0]["text"] == "HOW HIGH IS THE RIVER?"


def test_right_signatures_pass_whatever_the_sdk_and_the_path() -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude"
    with ScriptedUpstream(QUICK, credentials={KEY: SECRET}) as upstream:
        with aws(upstream.url) as client:
            client.converse(modelId=arn, messages=QUESTION)
            list(client.converse_stream(modelId=arn, messages=QUESTION)["stream"])
        with aws(upstream.url, "sagemaker-runtime") as client:
            client.invoke_endpoint(EndpointName="ep", Body=b"\x00\xff")
        with bedrock_anthropic(upstream.url) as anthropic:
            anthropic.messages.create(model=CLAUDE, max_tokens=5, messages=[{"role": "user", "content": "x"}])
        assert [log.status for log in upstream.wait(4)] == [200] * 4


@pytest.mark.parametrize(
    ("credentials", "code"),
    [({KEY: "another"}, "SignatureDoesNotMatch"), ({"AKIDOTHER": SECRET}, "UnrecognizedClientException")],
)
def test_a_wrong_signature_is_refused_as_aws_does(credentials: dict[str, str], code: str) -> None:
    with ScriptedUpstream(QUICK, credentials=credentials) as upstream, aws(upstream.url) as client, pytest.raises(ClientError) as raised:
        client.converse(modelId=CLAUDE, messages=QUESTION)
    assert raised.value.response["Error"]["Code"] == code
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize("change", [(b"river", b"rover"), (b"Host: ", b"Host: other."), (b"%3A0", b":0"), (b"Authorization", b"X-Nothing")])
def test_a_request_that_was_changed_on_its_way_is_refused(change: tuple[bytes, bytes]) -> None:
    with ScriptedUpstream(QUICK, credentials={KEY: SECRET}) as upstream:
        with aws(upstream.url) as client:
            client.converse(modelId=CLAUDE, messages=QUESTION)
        [good] = upstream.wait_received(1)
        signed = good.head + good.body
        assert change[0] in signed
        answers = []
        for raw in (signed, signed.replace(*change, 1)):
            with connect(upstream.url) as sock:
                sock.sendall(raw)
                answers.append(read_until(sock, b"\r\n\r\n").split(b" ", 2)[1])
    assert answers == [b"200", b"403"]


@pytest.mark.parametrize("tls", [False, True])
def test_stopping_in_the_moment_of_a_connection_leaves_no_socket_to_the_garbage_collector(
    tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: left.append(str(found.exc_value)))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if tls else None  # nobody gets as far as to want the certificate
    for number in range(40):
        with ScriptedUpstream(QUICK, ssl_context=context) as upstream:
            callers = [socket.create_connection((upstream.host, upstream.port)) for _ in range(1 + number % 4)]
        for caller in callers:
            caller.close()
    gc.collect()
    assert left == []


def test_it_serves_tls(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    with ScriptedUpstream(QUICK, ssl_context=context) as upstream:
        assert upstream.url.startswith("https://")
        with connect(upstream.url, ssl.create_default_context(cafile=str(cert))) as sock:
            sock.sendall(request("/model/m/converse", b"{}", "Connection: close"))
            assert b'"stopReason":"end_turn"' in read_all(sock)


def test_many_callers_are_served_at_the_same_time() -> None:
    with ScriptedUpstream(Script(pieces=("a",), ttft=0.3)) as upstream, ThreadPoolExecutor(20) as pool:
        begin = time.monotonic()

        def call(_: int) -> bytes:
            with connect(upstream.url) as sock:
                sock.sendall(request("/model/m/converse-stream", b"{}", "Connection: close"))
                return read_all(sock)

        answers = list(pool.map(call, range(20)))
        took = time.monotonic() - begin
    assert all(answer.endswith(b"0\r\n\r\n") for answer in answers)
    assert took < 20 * 0.3


def test_stopping_ends_open_answers_and_the_thread() -> None:
    with ScriptedUpstream(Script(fault="no_answer")) as upstream, connect(upstream.url) as sock:
        sock.sendall(request("/model/m/converse"))
        upstream.wait_received(1)
        upstream.stop()
        assert sock.recv(1) == b""
    assert not [thread for thread in threading.enumerate() if thread.name == "scripted-upstream"]


def test_a_taken_port_is_an_error_at_once() -> None:
    with ScriptedUpstream() as first, pytest.raises(OSError, match="in use"):
        ScriptedUpstream(port=first.port).__enter__()


def test_waiting_for_what_never_comes_says_what_is_there() -> None:
    with ScriptedUpstream() as upstream, pytest.raises(TimeoutError, match="0 of 1"):
        upstream.wait(1, timeout=0.01)


def test_a_send_log_is_one_line_of_json() -> None:
    with ScriptedUpstream(QUICK) as upstream, aws(upstream.url) as client:
        client.converse(modelId=CLAUDE, messages=QUESTION)
        [log] = upstream.wait(1)
    assert json.loads(log.as_json())["operation"] == "Converse"
