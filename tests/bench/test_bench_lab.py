"""The load programs: what they say is right on the wire, and they count what they did."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer

from tests.bench.build import CannotRun, Certificate, Lab, compile_lab, ensure_packages, make_certificate
from tests.bench.scenarios import Load
from tests.bench.targets import Bench, Upstream, fake_upstream

STREAM = "stream n=7 s=300 d=1 t=2 j=20"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    with contextlib.suppress(CannotRun):  # only TLS asks for more than a compiler; its test says what is missing
        ensure_packages()
    return compile_lab(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def upstream(lab: Lab, certificate: Certificate, tmp_path: Path) -> Iterator[Upstream]:
    with fake_upstream(Bench(lab, tmp_path, certificate, (), realtime=False)) as running:
        yield running


def ask(port: int, plan: str, context: ssl.SSLContext | None = None) -> tuple[int, bytes]:
    plain = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection = http.client.HTTPSConnection("localhost", port, timeout=10, context=context) if context else plain
    connection.request("POST", "/model/m/converse-stream", body=f"@fk {plan}@")
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def events(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    buffer = EventStreamBuffer()  # checks both CRCs of every message
    buffer.add_data(body)
    return [(message.headers[":event-type"], json.loads(message.payload)) for message in buffer]


def generate(lab: Lab, port: int, *arguments: str) -> dict[str, Any]:
    command = [str(lab.loadgen), "-t", f"127.0.0.1:{port}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_stream_is_made_of_the_frames_bedrock_sends_with_right_checksums(upstream: Upstream) -> None:
    status, body = ask(upstream.port, STREAM)
    found = events(body)
    assert status == 200
    assert [name for name, _ in found] == ["messageStart", *["contentBlockDelta"] * 7, "contentBlockStop", "messageStop", "metadata"]
    assert found[-1][1]["usage"] == {"inputTokens": 30, "outputTokens": 7, "totalTokens": 37}
    assert found[-2][1]["stopReason"] == "end_turn"


def test_content_frames_have_about_the_size_asked_for(upstream: Upstream) -> None:
    _, body = ask(upstream.port, "stream n=20 s=200")
    _, less = ask(upstream.port, "stream n=10 s=200")
    assert (len(body) - len(less)) / 10 == pytest.approx(200, abs=20)


def test_a_unary_answer_is_a_converse_body_with_usage_and_the_size_asked_for(upstream: Upstream) -> None:
    status, body = ask(upstream.port, "unary s=2000")
    answer = json.loads(body)
    assert (status, answer["usage"]["outputTokens"]) == (200, 400)
    assert answer["output"]["message"]["content"][0]["text"].startswith("@R")
    assert len(body) == pytest.approx(2000, abs=40)


def test_a_body_without_a_plan_is_refused_loudly(upstream: Upstream) -> None:
    assert ask(upstream.port, "nonsense n=1")[0] == 400
    assert upstream.stats()["refused"] == 1


def test_the_tls_upstream_says_the_same(upstream: Upstream, certificate: Certificate) -> None:
    if not upstream.tls_port and not os.environ.get("CI"):
        pytest.skip("OpenSSL's headers are not installed, and only root can do that")
    context = ssl.create_default_context(cafile=str(certificate.certificate))
    _, body = ask(upstream.tls_port, STREAM, context)
    assert len(events(body)) == 11


def test_an_upstream_that_loses_its_reader_says_when(upstream: Upstream) -> None:
    body = b"@fk stream n=100 s=200 d=200@"
    with socket.create_connection(("127.0.0.1", upstream.port)) as reader:
        reader.sendall(b"POST /model/m/converse-stream HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        assert reader.recv(65536)
        before = time.monotonic_ns()
    deadline = time.monotonic() + 5
    while not upstream.stats()["aborted"]:
        assert time.monotonic() < deadline
    assert before < upstream.stats()["last_abort_ns"] < time.monotonic_ns()


def test_the_load_generator_counts_what_the_upstream_saw(lab: Lab, upstream: Upstream) -> None:
    load = Load(STREAM, warm=0.1, window=0.4, drain=5, output_tokens=7, rate=200)
    found = generate(lab, upstream.port, *load.arguments(), "-P", f"own={os.getpid()}")
    stats = upstream.stats()
    assert found["sent"] == found["done"] == stats["requests"] == pytest.approx(100, abs=2)
    assert found["chunks"] == stats["chunks"] == 7 * found["sent"]
    assert found["unfinished"] == found["connect_errors"] == found["status_errors"] == found["framing_errors"] == 0
    assert found["ttft_transit"]["n"] + found["later_transit"]["n"] == found["window_chunks"]
    assert found["groups"]["own"]["rss_before"] > 0


def test_a_slow_upstream_is_not_charged_to_the_way_there_and_back(lab: Lab, upstream: Upstream) -> None:
    found = generate(lab, upstream.port, "-m", "stream n=2 s=200 d=1 t=100", "-r", "50", "-w", "0", "-d", "0.4", "-D", "5")
    assert found["ttft_intended"]["p50"] > 99_000  # buckets are 0.8 % wide
    assert found["ttft_transit"]["p50"] < 50_000


def test_a_closed_loop_keeps_as_many_calls_open_as_it_has_callers(lab: Lab, upstream: Upstream) -> None:
    found = generate(lab, upstream.port, "-m", "unary s=500", "-c", "4", "-w", "0.05", "-d", "0.2", "-D", "5")
    assert found["connections_opened"] == found["open_most"] == 4
    assert found["sent"] == found["done"] == upstream.stats()["requests"] > 100


class Server:
    """Answers every call with the same bytes, cut into small pieces, and keeps what was asked."""

    def __init__(self, answer: bytes, piece: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.asked: list[bytes] = []
        self._answer, self._piece = answer, piece
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, self._listener:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (request := connection.recv(65536)) and request.endswith(b"}"):
                self.asked.append(request)
                for at in range(0, len(self._answer), self._piece):
                    connection.sendall(self._answer[at : at + self._piece])

    def join(self) -> None:
        self._thread.join(10)


def stream_on_the_wire(port: int) -> bytes:
    body = b"@fk stream n=3 s=200 d=1@"
    received = b""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(b"POST /m HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        while not received.endswith(b"\r\n0\r\n\r\n"):
            received += connection.recv(65536)
    return received


@pytest.mark.parametrize("piece", [1, 7, 18, 100])
def test_no_stamp_is_missed_or_made_up_however_the_answer_is_cut(lab: Lab, upstream: Upstream, piece: int) -> None:
    server = Server(stream_on_the_wire(upstream.port), piece)
    found = generate(lab, server.port, "-m", STREAM, "-c", "1", "-R", "0", "-w", "0", "-d", "0.1", "-D", "5")
    server.join()
    assert found["done"] == found["sent"] > 0
    assert found["chunks"] == 3 * found["done"]


def test_every_call_is_shaped_like_the_sdks_and_has_its_own_invocation_id(lab: Lab) -> None:
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 100)
    generate(lab, server.port, "-m", "unary s=200", "-c", "1", "-R", "0", "-w", "0", "-d", "0.05", "-D", "5")
    server.join()
    heads = [dict(line.split(b": ", 1) for line in request.split(b"\r\n\r\n")[0].split(b"\r\n")[1:]) for request in server.asked]
    assert server.asked[0].startswith(b"POST /model/anthropic.claude-sonnet-4-20250514-v1%3A0/converse HTTP/1.1\r\n")
    assert len({head[b"amz-sdk-invocation-id"] for head in heads}) == len(heads) > 1
    assert {len(head[b"amz-sdk-invocation-id"]) for head in heads} == {36}
    assert json.loads(server.asked[0].split(b"\r\n\r\n", 1)[1])["inferenceConfig"] == {"maxTokens": 512}


def test_answers_that_are_no_success_are_errors_and_not_calls_done(lab: Lab) -> None:
    server = Server(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 2\r\n\r\n{}", 100)
    command = [str(lab.loadgen), "-t", f"127.0.0.1:{server.port}", "-m", "unary s=200", "-r", "20", "-w", "0", "-d", "0.04", "-D", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    server.join()
    found = json.loads(done.stdout)
    assert (found["done"], found["status_errors"]) == (0, 1)
    assert "status 503" in done.stderr


def test_sources_that_are_compiled_already_are_not_compiled_again(lab: Lab) -> None:
    before = lab.loadgen.stat().st_mtime_ns
    again = compile_lab(lab.loadgen.parent.parent)
    assert (again, again.loadgen.stat().st_mtime_ns) == (lab, before)


def test_a_certificate_is_for_this_machine_only(certificate: Certificate) -> None:
    pem = certificate.certificate.read_text().split("-----")[2]
    assert b"localhost" in base64.b64decode(pem)
