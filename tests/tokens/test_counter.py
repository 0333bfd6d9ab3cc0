"""A worker's side of the counting process: whoever asks is answered once, whatever becomes of the process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamgauge.tokens import counter as module
from streamgauge.tokens.counter import COMMAND, TokenCounter
from streamgauge.tokens.messages import Counted
from streamgauge.tokens.settings import EstimateSettings

PATIENT = EstimateSettings(answer_seconds=60.0)
SILENT = (sys.executable, "-c", "import sys; sys.stdin.buffer.read()")
"""A process that takes everything and answers nothing."""


def chat(text: str) -> bytes:
    return json.dumps({"messages": [{"content": text}]}).encode()


class Asking:
    """A counter and what it answered, by the name under which it was asked."""

    def __init__(self, settings: EstimateSettings, command: tuple[str, ...]) -> None:
        self.counter = TokenCounter(asyncio.get_running_loop(), settings, command)
        self.said: list[tuple[str, Counted | str]] = []

    def ask(self, name: str, prompt: bytes | None = None, answer: bytes | None = None) -> None:
        self.counter.ask(prompt, answer, lambda what: self.said.append((name, what)))

    def tokens(self) -> dict[str, int | str | None]:
        return {name: what if isinstance(what, str) else what.prompt for name, what in self.said}

    async def until(self, met: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not met():
            assert time.monotonic() < deadline, self.said
            await asyncio.sleep(0.01)

    async def answered(self, count: int) -> None:
        await self.until(lambda: len(self.said) >= count)


def run(
    story: Callable[[Asking], Coroutine[Any, Any, None]], settings: EstimateSettings = PATIENT, command: tuple[str, ...] = COMMAND
) -> Asking:
    async def play() -> Asking:
        asking = Asking(settings, command)
        try:
            await story(asking)
        finally:
            asking.counter.close()
        return asking

    return asyncio.run(play())


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_nothing_is_started_before_somebody_asks() -> None:
    async def story(asking: Asking) -> None:
        assert asking.counter.pid is None
        asking.ask("first", chat("hello world"))
        await asking.answered(1)
        assert asking.counter.pid is not None

    assert run(story).tokens() == {"first": 2}


def test_many_are_answered_each_with_its_own_count() -> None:
    async def story(asking: Asking) -> None:
        for number in range(1, 101):
            asking.ask(str(number), chat("a " * number))
        await asking.answered(100)

    said = run(story).tokens()
    assert len(said) == 100
    assert said == {str(number): pytest.approx(number, abs=1) for number in range(1, 101)}


def test_a_text_of_megabytes_does_not_hold_up_the_loop() -> None:
    async def story(asking: Asking) -> None:
        asking.ask("warm", chat("x"))
        await asking.answered(1)
        asking.ask("large", chat("word " * 700_000))
        turns = 0
        while len(asking.said) < 2:
            turns += 1
            await asyncio.sleep(0)
        assert turns > 50

    said = run(story).tokens()
    assert said["large"] == pytest.approx(700_000, rel=0.01)


def test_beyond_its_bound_it_says_so_at_once_and_takes_more_when_there_is_room() -> None:
    async def story(asking: Asking) -> None:
        body = chat("word " * 1000)
        for number in range(20):
            asking.ask(str(number), body)
        refused = [what for _, what in asking.said]
        assert refused == ["busy"] * 16
        await asking.answered(20)
        asking.ask("later", body)
        await asking.answered(21)

    said = run(story, replace(PATIENT, waiting_bytes=4 * 5100)).tokens()
    assert list(said.values()).count("busy") == 16
    assert isinstance(said["later"], int)


def test_a_killed_process_costs_what_it_had_and_another_is_started_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF_SECONDS", (0.05, 0.1))

    async def story(asking: Asking) -> None:
        asking.counter._pause = 0.05
        asking.ask("before", chat("hello world"))
        await asking.answered(1)
        first = asking.counter.pid
        assert first is not None
        for number in range(50):
            asking.ask(f"under load {number}", chat("word " * 20_000))
        os.kill(first, signal.SIGKILL)
        await asking.answered(51)
        asking.ask("in the pause", chat("hello"))
        assert asking.said[-1] == ("in the pause", "late")
        await asking.until(lambda: asyncio.get_running_loop().time() >= asking.counter._not_before)
        asking.ask("after", chat("hello world"))
        await asking.answered(53)
        assert asking.counter.pid not in {None, first}
        assert gone(first)

    said = run(story).tokens()
    assert said["before"] == said["after"] == 2
    assert len(said) == 53
    assert "late" in said.values()


def test_one_that_cannot_be_started_answers_all_the_same() -> None:
    async def story(asking: Asking) -> None:
        asking.ask("first", chat("x"))
        await asking.answered(1)
        asking.ask("second", chat("x"))

    assert run(story, command=("/no/such/program",)).tokens() == {"first": "late", "second": "late"}


def test_one_that_ends_at_once_answers_all_the_same() -> None:
    async def story(asking: Asking) -> None:
        asking.ask("first", chat("x" * 100_000))
        await asking.answered(1)

    assert run(story, command=(sys.executable, "-c", "pass")).tokens() == {"first": "late"}


def test_a_silent_one_is_waited_for_no_longer_than_agreed() -> None:
    async def story(asking: Asking) -> None:
        asking.ask("first", chat("x"))
        await asking.answered(1)

    assert run(story, replace(PATIENT, answer_seconds=0.05), SILENT).tokens() == {"first": "late"}


def test_a_hung_one_is_ended_and_its_room_is_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HUNG_SECONDS", 0.1)

    async def story(asking: Asking) -> None:
        asking.ask("first", chat("x"))
        await asking.until(lambda: asking.counter.pid is not None)
        pid = asking.counter.pid
        assert pid is not None
        await asking.until(lambda: asking.counter.pid is None)
        assert asking.counter._asked_bytes == 0
        await asking.until(lambda: gone(pid))

    assert run(story, replace(PATIENT, answer_seconds=0.05), SILENT).tokens() == {"first": "late"}


def test_one_that_talks_nonsense_is_ended() -> None:
    async def story(asking: Asking) -> None:
        asking.ask("first", chat("x"))
        await asking.answered(1)
        assert asking.counter.pid is None

    nonsense = "import os, sys; os.write(1, b'\\xff' * 8); sys.stdin.buffer.read()"
    assert run(story, command=(sys.executable, "-c", nonsense)).tokens() == {"first": "late"}


def test_without_work_the_process_ends_and_comes_back_when_needed() -> None:
    async def story(asking: Asking) -> None:
        asking.ask("first", chat("hello"))
        await asking.answered(1)
        await asking.until(lambda: asking.counter.pid is None)
        asking.ask("second", chat("hello"))
        await asking.answered(2)

    assert run(story, replace(PATIENT, idle_seconds=0.05)).tokens() == {"first": 1, "second": 1}


def test_closing_answers_who_still_waits_and_leaves_no_process() -> None:
    pids: list[int] = []

    async def story(asking: Asking) -> None:
        asking.ask("warm", chat("hello"))
        await asking.answered(1)
        assert asking.counter.pid is not None
        pids.append(asking.counter.pid)
        asking.ask("waiting", chat("word " * 200_000))

    assert run(story).tokens() == {"warm": 1, "waiting": "late"}
    assert gone(pids[0])


def test_the_process_gets_nobodys_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-secret")
    seen = tmp_path / "environment"

    async def story(asking: Asking) -> None:
        asking.ask("first", chat("x"))
        await asking.answered(1)

    tell = f"import os; open({str(seen)!r}, 'w').write(repr(dict(os.environ)))"
    run(story, command=(sys.executable, "-c", tell))
    assert "canary-secret" not in seen.read_text()
    assert "PATH" in seen.read_text()


def test_a_relay_worker_never_loads_the_tokenizer() -> None:
    script = "import sys, streamgauge.relay.worker; sys.exit(any(name in sys.modules for name in ('tiktoken', 'regex', 'requests')))"
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0
