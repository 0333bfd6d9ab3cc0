"""The applications as the test drives them: processes that are given an environment and calls, and tell what came of them."""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
from types import TracebackType
from typing import Any, Self

from tests.e2e.matrix.callers import CALLERS, Interpreter
from tests.e2e.matrix.installed import ROOT, command

ANSWER_SECONDS = 100.0
"""Four calls take a tenth of a second; the first of an SDK waits for its import, which takes seconds on a busy machine."""

PLAIN = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_MAX_ATTEMPTS": "1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # its table of prices comes with it; without this it asks the network for a newer one
    "OTEL_SDK_DISABLED": "true",
}
"""What every application has in its environment. One attempt: a retry would be a row of its own."""

AT_START = ("HTTP_PROXY", "HTTPS_PROXY", "NODE_USE_ENV_PROXY", "NODE_EXTRA_CA_CERTS")
"""What Node.js reads only once."""


class Applications:
    """Runs while the block does; each interpreter is started when it is first needed."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, ...], subprocess.Popen[str]] = {}
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed with us

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self._running.values():
            _end(process)
        self._said.close()

    def ask(self, name: str, environ: dict[str, str], calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What came of each call. Raises ``RuntimeError`` with what the application printed if it does not answer."""
        job = json.dumps({"caller": name, "environ": environ, "calls": calls})
        runs_on = CALLERS[name].runs_on
        # Node.js looks for a proxy once, when it starts.
        at_start = {name: value for name, value in environ.items() if name in AT_START and runs_on == "node"}
        key = (runs_on, *at_start.values())
        if key not in self._running:
            self._running[key] = self._start(runs_on, at_start)
        try:
            return self._answer(self._running[key], job)
        except (RuntimeError, OSError):
            _end(self._running.pop(key))  # its answer to this job must not be taken for one to the next
            raise

    def _start(self, interpreter: Interpreter, environ: dict[str, str]) -> subprocess.Popen[str]:
        base = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return subprocess.Popen(
            command(interpreter),
            env=base | PLAIN | environ,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )

    def _answer(self, process: subprocess.Popen[str], job: str) -> list[dict[str, Any]]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(job + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], ANSWER_SECONDS)
        line = process.stdout.readline() if ready else ""
        if not line:
            self._said.seek(0)
            raise RuntimeError(f"no answer within {ANSWER_SECONDS} s; the applications printed:\n{self._said.read()[-4000:]}")
        answers: list[dict[str, Any]] = json.loads(line)
        return answers


def _end(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
