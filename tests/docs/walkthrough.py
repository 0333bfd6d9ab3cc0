"""Plays a how-to page in an empty directory: its files are written, its servers started, its other commands run, in the order of the page."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]

_BLOCK = re.compile(r"^```(sh|python|yaml)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([\w.]+)\n")
_SERVER = re.compile(r"^streamgauge serve .*$", re.MULTILINE)


def play(page: str, folder: Path, replacements: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """What the page's commands print. Fails where one of them fails."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for before, after in replacements.items():
        assert before in text, f"{page} has no {before}"
        text = text.replace(before, after)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_") and not name.lower().endswith("_proxy")}
    surroundings = {**clean, "PATH": f"{Path(sys.executable).parent}:{clean['PATH']}", "HOME": str(folder), **environ}
    said = ""
    with _servers(folder) as servers:
        for kind, block in _BLOCK.findall(text):
            named = _FILE.match(block)
            if kind != "sh":
                if named:
                    (folder / named[1]).write_text(block)
                continue
            server = _SERVER.search(block)
            if server:
                servers(block[: server.start()] + "exec " + block[server.start() :], surroundings)
            else:
                done = subprocess.run(["bash", "-ec", block], cwd=folder, env=surroundings, capture_output=True, text=True, timeout=60)
                assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
                said += done.stdout
    return said


@contextmanager
def _servers(folder: Path) -> Iterator[Callable[[str, Mapping[str, str]], None]]:
    started: list[subprocess.Popen[str]] = []

    def start(block: str, environ: Mapping[str, str]) -> None:
        process = subprocess.Popen(["bash", "-ec", block], cwd=folder, env=environ, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert "listens on" in process.stdout.readline(), block
        threading.Thread(target=process.stdout.read, daemon=True).start()

    try:
        yield start
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            assert process.stdout is not None
            process.stdout.close()
