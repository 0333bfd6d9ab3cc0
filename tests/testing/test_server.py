"""What goes wrong on purpose goes wrong on the wire exactly so, and each SDK sees what it would see of the real thing."""

from __future__ import annotations

from contextlib import closing
from itertools import pairwise
from typing import Any

import anthropic
import openai
import pytest
from botocore.eventstream import ChecksumMismatch
from botocore.exceptions import ClientError, EventStreamError
from urllib3.exceptions import ProtocolError

from streamgauge.testing import Script, ScriptedUpstream
from streamgauge.testing.script import Fault
from tests.testing.clients import CHAT, CLAUDE, QUESTION, aws, chat_openai, connect, messages_anthropic, read_all, read_until, request

STREAM = request("/model/m/converse-stream")


def _faulty(fault: Fault, **knobs: Any) -> Script:
    return Script(output_tokens=6, ttft=0.0, gap=0.0, fault=fault, fault_after=3, **knobs)


def _deltas(upstream: ScriptedUpstream) -> tuple[int, type[Exception] | None]:
    """How many text deltas boto3 gives before the end, and with which exception it ends."""
    seen = 0
    with aws(upstream.url) as client:
        stream = client.converse_stream(modelId=CLAUDE, messages=QUESTION)["stream"]
        try:
            for event in stream:
                seen += "contentBlockDelta" in event
        except Exception as error:
            return seen, type(error)
        finally:
            stream.close()
    return seen, None


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        ("exception", EventStreamError),
        ("error_frame", EventStreamError),
        ("cut_fin", ProtocolError),
        ("cut_reset", ProtocolError),
        ("early_fin", ProtocolError),
        ("early_reset", ProtocolError),
        ("cut_clean", None),
        ("early_end", None),
        ("bad_crc", ChecksumMismatch),
        ("bad_prelude", ChecksumMismatch),
    ],
)
def test_boto3_reads_up_to_the_fault_and_then_sees_it(fault: Fault, raised: type[Exception] | None) -> None:
    with ScriptedUpstream(_faulty(fault, split_gap=0.0)) as upstream:
        seen, error = _deltas(upstream)
    assert error is raised
    # A reset may overtake what was sent before it.
    assert seen == 3 or ("reset" in fault and seen < 3)


def test_an_exception_says_its_name_and_message() -> None:
    script = _faulty("exception", exception="throttlingException", error_message="slow down")
    with ScriptedUpstream(script) as upstream, aws(upstream.url) as client:
        stream = client.converse_stream(modelId=CLAUDE, messages=QUESTION)["stream"]
        with closing(stream), pytest.raises(EventStreamError) as raised:
            list(stream)
    assert raised.value.response["Error"] == {"Code": "throttlingException", "Message": "slow down"}


def test_anthropics_client_sees_an_error_event() -> None:
    with ScriptedUpstream(_faulty("exception")) as upstream, messages_anthropic(upstream.url) as client:
        stream = client.messages.create(model="m", max_tokens=5, messages=CHAT, stream=True)
        with stream, pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
            list(stream)


def test_openais_client_sees_an_error_chunk() -> None:
    with ScriptedUpstream(_faulty("exception")) as upstream, chat_openai(upstream.url) as client:
        stream = client.chat.completions.create(model="m", messages=CHAT, stream=True)
        with stream, pytest.raises(openai.APIError, match="scripted"):
            list(stream)


def test_an_lmi_container_fails_in_a_last_line_under_200() -> None:
    with ScriptedUpstream(_faulty("error_line")) as upstream, aws(upstream.url, "sagemaker-runtime") as client:
        reply = client.invoke_endpoint_with_response_stream(EndpointName="ep", Body='{"inputs": "x"}')
        lines = b"".join(event["PayloadPart"]["Bytes"] for event in reply["Body"]).splitlines()
    assert len(lines) == 4
    assert b'"finish_reason":"error"' in lines[-1]


@pytest.mark.parametrize(
    ("status", "code"), [(400, "ValidationException"), (429, "ThrottlingException"), (503, "ServiceUnavailableException")]
)
def test_a_refusal_has_bedrocks_shape(status: int, code: str) -> None:
    with ScriptedUpstream(Script(status=status)) as upstream, aws(upstream.url) as client, pytest.raises(ClientError) as raised:
        client.converse_stream(modelId=CLAUDE, messages=QUESTION)
    assert raised.value.response["Error"]["Code"] == code
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_a_refusal_has_each_other_protocols_shape() -> None:
    with ScriptedUpstream(Script(status=429)) as upstream:
        with chat_openai(upstream.url) as client, pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="m", messages=CHAT)
        with messages_anthropic(upstream.url) as messages, pytest.raises(anthropic.RateLimitError, match="rate_limit_error"):
            messages.messages.create(model="m", max_tokens=5, messages=CHAT)
        with aws(upstream.url, "sagemaker-runtime") as endpoint, pytest.raises(ClientError, match="ModelNotReadyException"):
            endpoint.invoke_endpoint(EndpointName="ep", Body=b"{}")


@pytest.mark.parametrize("fault", ["close_before_head", "no_answer"])
def test_it_can_stay_silent_or_hang_up_before_the_first_byte(fault: Fault) -> None:
    with ScriptedUpstream(Script(fault=fault)) as upstream, connect(upstream.url) as sock:
        sock.sendall(STREAM)
        if fault == "no_answer":
            sock.settimeout(0.05)
            with pytest.raises(TimeoutError):
                sock.recv(1)
        else:
            assert read_all(sock) == b""


def test_a_reset_is_a_reset() -> None:
    with ScriptedUpstream(Script(fault="reset_before_head")) as upstream, connect(upstream.url) as sock:
        sock.sendall(STREAM)
        with pytest.raises(ConnectionResetError):
            read_all(sock)


def test_a_hang_keeps_the_connection_open_after_the_last_output() -> None:
    with ScriptedUpstream(_faulty("hang")) as upstream, connect(upstream.url) as sock:
        sock.sendall(STREAM)
        data = b""
        while data.count(b"contentBlockDelta") < 3:
            data += sock.recv(65536)
        sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            sock.recv(1)
    assert not data.endswith(b"0\r\n\r\n")


def test_a_stall_is_a_gap_of_that_length_at_that_place() -> None:
    with ScriptedUpstream(Script(output_tokens=4, ttft=0.0, gap=0.0, stall_after=2, stall=0.1)) as upstream:
        assert _deltas(upstream) == (4, None)
        outputs = upstream.wait(1)[0].outputs
    gaps = [(after - before) / 1e9 for before, after in pairwise(outputs)]
    assert gaps[1] >= 0.099
    assert max(gaps) == gaps[1]


@pytest.mark.parametrize(
    "knobs",
    [{"frames_per_write": 3}, {"split": 5}, {"tcp_split": 7}, {"split": 3, "tcp_split": 4}, {"close_delimited": True}],
)
def test_however_the_bytes_are_cut_the_answer_is_the_same(knobs: dict[str, Any]) -> None:
    def content(script: Script) -> list[Any]:
        with ScriptedUpstream(script) as upstream, aws(upstream.url) as client:
            return [e for e in client.converse_stream(modelId=CLAUDE, messages=QUESTION)["stream"] if "metadata" not in e]

    base: dict[str, Any] = {"output_tokens": 10, "ttft": 0.0, "gap": 0.0}
    assert content(Script(**base, **knobs)) == content(Script(**base))


def test_several_frames_share_one_write_where_that_is_asked_for() -> None:
    with ScriptedUpstream(Script(output_tokens=9, ttft=0.0, gap=0.002, frames_per_write=4)) as upstream:
        assert _deltas(upstream) == (9, None)
        outputs = upstream.wait(1)[0].outputs
    assert [outputs.count(at) for at in sorted(set(outputs))] == [4, 4, 1]


def test_a_compressed_stream_is_compressed_event_by_event() -> None:
    with ScriptedUpstream(Script(text="one two three", ttft=0.0, gap=0.0, gzip=True)) as upstream, chat_openai(upstream.url) as client:
        stream: Any = client.chat.completions.create(model="m", messages=CHAT, stream=True)
        with stream:
            text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        assert stream.response.headers["content-encoding"] == "gzip"
        assert len(upstream.wait(1)[0].outputs) == 3
    assert text == "one two three"


def test_one_connection_serves_one_request_after_the_other_also_when_they_come_at_once() -> None:
    with ScriptedUpstream(lambda received: Script(text=received.raw_target, ttft=0.01)) as upstream, connect(upstream.url) as sock:
        sock.sendall(request("/model/one/converse") + request("/model/two/converse", b"{}", "Connection: close"))
        data = read_all(sock)
        assert len({received.connection for received in upstream.received}) == 1
    assert data.index(b"/model/one/converse") < data.index(b"/model/two/converse")


def test_raw_bytes_are_sent_as_they_are() -> None:
    with ScriptedUpstream(Script(raw=b"SSH-2.0-not-http\r\n", close=True)) as upstream, connect(upstream.url) as sock:
        sock.sendall(STREAM)
        assert read_all(sock) == b"SSH-2.0-not-http\r\n"


def test_interim_answers_and_trailers_are_sent_where_asked_for() -> None:
    script = Script(ttft=0.0, interim=(103,), trailers=(("x-sum", "7"),), close=True)
    with ScriptedUpstream(script) as upstream, connect(upstream.url) as sock:
        sock.sendall(STREAM)
        data = read_all(sock)
    assert data.startswith(b"HTTP/1.1 103 ")
    assert data.endswith(b"0\r\nx-sum: 7\r\n\r\n")


def test_a_caller_that_asks_first_is_told_to_continue() -> None:
    raw = request("/model/m/converse", b"{}", "Expect: 100-continue", "Connection: close")
    with ScriptedUpstream(Script(ttft=0.0)) as upstream, connect(upstream.url) as sock:
        sock.sendall(raw[:-2])
        assert read_until(sock, b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        sock.sendall(raw[-2:])
        assert read_all(sock).startswith(b"HTTP/1.1 200 ")


def test_what_is_no_request_gets_400_and_a_closed_connection(caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedUpstream() as upstream, connect(upstream.url) as sock:
        sock.sendall(b"\x16\x03\x01 secret\r\n\r\n")
        assert read_all(sock).startswith(b"HTTP/1.1 400 ")
    assert "secret" not in caplog.text
