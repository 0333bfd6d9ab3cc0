"""A proxy as an operator runs it, told to log all it can, whose every trace is kept: output, spool, ledger, admin answers, reports."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

from streamgauge.__main__ import run
from streamgauge.records import Measurement
from tests.e2e.canaries import SECRET_KEY, SESSION_TOKEN, canary, files
from tests.e2e.canary_calls import LARGEST_BODY
from tests.e2e.product import SERVICES, wait_for
from tests.recorder.driving import ledger_rows

ADMIN_PATHS = (
    "/api/v1/exchanges",
    "/api/v1/exchanges?limit=5&outcome=rejected",
    "/api/v1/summary",
    "/api/v1/openapi.json",
    "/readyz",
    "/nothing",
)
REPORTS = tuple(("report", name, "--format", form) for name in ("latency", "errors") for form in ("table", "json", "jsonl", "csv", "md"))
LISTS = tuple(("exchanges", "--limit", "0", "--format", form) for form in ("table", "jsonl", "csv"))


class WatchedProxy:
    """``streamgauge serve`` in processes of its own. ``package``: where a copy of the package lies that runs instead of ours."""

    def __init__(self, directory: Path, upstream: str, *, fast_path: bool = True, package: Path | None = None) -> None:
        self._kept = directory / "kept"
        self._kept.mkdir()
        self.ledger = self._kept / "ledger.db"
        self._config = directory / "config.yaml"
        settings = {
            "listen": ["127.0.0.1:0"],
            "admin": "127.0.0.1:0",
            "ledger": str(self.ledger),
            "log_level": "DEBUG",
            "drain_seconds": 2,
            "targets": {"upstreams": dict.fromkeys(SERVICES, upstream), "default_region": "us-east-1"},
            "relay": {"fast_path": fast_path, "max_request_bytes": LARGEST_BODY},
        }
        self._config.write_text(yaml.safe_dump(settings))
        self._environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
            "AWS_ACCESS_KEY_ID": "AKIDPROXY",
            "AWS_SECRET_ACCESS_KEY": canary(SECRET_KEY),
            "AWS_SESSION_TOKEN": canary(SESSION_TOKEN),
            "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONPATH": str(package or ""),
            "PYTHONDEVMODE": "1",  # asyncio's debug mode and every warning: whatever can speak does
        }
        self.left: dict[str, bytes] = {}

    def __enter__(self) -> Self:
        with (self._kept / "stdout").open("wb") as out, (self._kept / "stderr").open("wb") as err:
            command = [sys.executable, "-m", "streamgauge", "serve", "--config", str(self._config)]
            self._process = subprocess.Popen(command, stdout=out, stderr=err, env=self._environ)
        told = wait_for(lambda: re.search(r"http://(\S+) +admin (http://\S+)", (self._kept / "stdout").read_text()), "banner", 20)
        host, port = told[1].split(":")
        self.address, self.admin = (host, int(port)), told[2]
        wait_for(lambda: self._ask("/readyz").startswith(b"200") or None, "readiness", 20)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.send_signal(signal.SIGCONT)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def hold_recorder(self) -> None:
        """Stop the recorder where it is, so that the spool keeps what the workers write."""
        self._recorder = wait_for(self._find_recorder, "recorder")
        os.kill(self._recorder, signal.SIGSTOP)

    def look(self, calls: int) -> dict[str, bytes]:
        """Let the recorder go on, stop everything in order, and return all that so many calls have left behind."""
        self._wait_quiet()
        self.left |= files(self._kept, "while the recorder was held")
        os.kill(self._recorder, signal.SIGCONT)
        wait_for(lambda: len(self.rows()) >= calls or None, f"{calls} rows", 20)
        self.left |= {f"admin {path}": self._ask(path) for path in ADMIN_PATHS}
        self.left |= files(self._kept, "while it ran")
        self._process.terminate()
        assert self._process.wait(30) == 0
        self.left |= files(self._kept, "at the end")
        ids = [line.split(",")[0] for line in self._said("exchanges", "--format", "csv", "--limit", "0").splitlines()[1:]]
        shows = tuple(("exchanges", "show", name, "--format", form) for name in ids for form in ("table", "json"))
        self.left |= {" ".join(asked): self._said(*asked).encode() for asked in (*LISTS, *REPORTS, *shows)}
        return self.left

    def rows(self) -> list[Measurement]:
        """The rows, oldest first."""
        return ledger_rows(self.ledger)

    def _said(self, *arguments: str) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
            assert run([*arguments, "--ledger", str(self.ledger)]) == 0, out.getvalue()
        return out.getvalue()

    def _ask(self, path: str) -> bytes:
        try:
            with urllib.request.urlopen(f"{self.admin}{path}", timeout=10) as answer:
                return f"{answer.status} {answer.headers}".encode() + bytes(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return f"{error.code} {error.headers}".encode() + error.read()

    def _find_recorder(self) -> int | None:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return next((int(pid) for pid in children if b"recorder" in Path(f"/proc/{pid}/cmdline").read_bytes()), None)

    def _wait_quiet(self) -> None:
        """Wait until the workers have written their last batch: nothing but their status of each second follows."""
        sizes: list[int] = []

        def quiet() -> bool | None:
            sizes.append(sum(path.stat().st_size for path in self._kept.rglob("*.seg")))
            return True if len(sizes) > 12 and len(set(sizes[-12:])) == 1 else None

        wait_for(quiet, "end of the workers' writing")
