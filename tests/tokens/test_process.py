"""The counting process: counts, survives any text, writes nothing down, connects to nobody, ends with its worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamgauge.tokens.encoding import count, load
from streamgauge.tokens.messages import Counted, Job, Messages, packed
from streamgauge.tokens.process import counted

CANARY = "xylophone-quagmire-7431"


def chat(text: str) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": text}]}).encode()


class Running:
    """A process of the real kind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        environ = {**os.environ, "TMPDIR": str(folder), "HOME": str(folder), "TIKTOKEN_CACHE_DIR": str(folder)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamgauge.tokens.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=environ,
            bufsize=0,
        )
        self.messages = Messages(Counted)

    def say(self, job: Job) -> Counted:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        data = packed(job)
        while data:
            data = data[self.process.stdin.write(data) :]
        while True:
            piece = self.process.stdout.read(65_536)
            assert piece, "the process has ended"
            for answer in self.messages.feed(piece):
                return answer

    def end(self) -> tuple[int, bytes]:
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    process = Running(tmp_path)
    yield process
    process.process.kill()
    process.process.communicate()


def test_it_counts_prompts_and_answers_and_ends_with_its_worker(running: Running) -> None:
    answer = b'data: {"choices":[{"delta":{"content":"Hello"}}]}\n\ndata: {"choices":[{"delta":{"content":" world"}}]}\n\ndata: [DONE]\n\n'
    assert running.say(Job(7, chat("hello world"), answer)) == Counted(7, 2, 2, 11)
    assert running.say(Job(8, b"no JSON", None)) == Counted(8)
    assert running.end() == (0, b"")


def test_odd_texts_are_counted_and_harm_nothing(running: Running) -> None:
    special, surrogate = chat("<|endoftext|><|im_start|>"), b'{"messages":[{"content":"a\\ud800b \\udfff"}]}'
    deep = b'{"prompt":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    large = chat("word " * 200_000)
    said = [running.say(Job(number, body)) for number, body in enumerate([special, surrogate, deep, b"\xff\xfe{}", large])]
    assert [answer.number for answer in said] == [0, 1, 2, 3, 4]
    assert said[0].prompt is not None
    assert said[0].prompt > 5
    assert said[1].prompt is not None
    assert said[2] == Counted(2)
    assert said[3] == Counted(3)
    assert said[4].prompt == pytest.approx(200_000, rel=0.01)
    assert running.end()[0] == 0


def test_no_text_is_left_anywhere(running: Running) -> None:
    running.say(Job(1, chat(CANARY), chat(CANARY)))
    code, errors = running.end()
    assert (code, errors) == (0, b"")
    assert list(running.folder.iterdir()) == []


def test_it_outlasts_the_signals_that_a_service_manager_sends_to_all(running: Running) -> None:
    running.say(Job(1, chat("hello")))
    for sig in (signal.SIGTERM, signal.SIGINT):
        running.process.send_signal(sig)
    assert running.say(Job(2, chat("hello"))) == Counted(2, 1)


@pytest.mark.parametrize(
    "attempt",
    [
        "import socket; socket.socket().connect(('127.0.0.1', 9))",
        "import socket; socket.getaddrinfo('localhost', 80)",
        "open('left', 'w')",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('touch left')",
        "import os; os.posix_spawn('/bin/touch', ['touch', 'left'], {})",
        "import os; os.execv('/bin/touch', ['touch', 'left'])",
        "import os; os.fork()",
        "import os; os.mkdir('left')",
        "import os; os.symlink('/', 'left')",
        "import os; os.truncate('/nowhere/at/all', 9)",
        "import os; os.rename('/nowhere/at/all', 'left')",
        "import os; os.remove('/nowhere/at/all')",
    ],
)
def test_neither_it_nor_a_library_in_it_connects_writes_or_starts_anything(attempt: str, tmp_path: Path) -> None:
    script = f"import sys; from streamgauge.tokens import process; sys.addaudithook(process._forbid); {attempt}"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "PermissionError: the counting process opens no connection" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_message_that_is_none_ends_it(running: Running) -> None:
    assert running.process.stdin is not None
    running.process.stdin.write(b"\xff\xff\xff\xff")
    assert running.process.wait(timeout=30) == 0


def test_a_library_that_fails_costs_a_count_and_nothing_else() -> None:
    class Broken:
        def encode_ordinary(self, text: str) -> list[int]:
            raise KeyboardInterrupt  # as a panic is: no Exception

    assert counted(Broken(), Job(3, chat("hello"))) == Counted(3, failed=True)  # type: ignore[arg-type]


def test_counting_in_the_process_is_counting_with_the_encoding(running: Running) -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 50
    assert running.say(Job(1, chat(text))).prompt == count(load(), [text])
