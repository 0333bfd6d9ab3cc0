"""A real PostgreSQL for the tests, on a free port, as somebody who is not root; started once, a database for each test."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.debian import NotInstalled, install

USER, PASSWORD = "streamgauge", "not-a-secret-tide"

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "32MB",
    "max_connections": "30",
    "autovacuum": "off",  # its timing is nobody's promise here
    "full_page_writes": "off",
}


def _programs() -> Path:
    """Where ``initdb`` is; installed if it is nowhere, and the test is skipped where that cannot be, but for continuous integration."""

    def found() -> list[Path]:
        named = [Path(path).parent for path in [shutil.which("initdb")] if path]
        return named or sorted(path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb"))

    if not found():
        try:
            install(["postgresql"])
        except NotInstalled as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(error))
    return found()[-1]


class Server:
    """A server with its data in a folder of its own."""

    def __init__(self) -> None:
        self._programs = _programs()
        self.folder = Path(tempfile.mkdtemp(prefix="streamgauge-postgres-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.password_file = self.folder / "password"
        self.password_file.write_text(f"{PASSWORD}\n", encoding="utf-8")
        self._user = None if os.geteuid() else pwd.getpwnam("nobody")
        if self._user is not None:
            for path in (self.folder, self.password_file):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)
        self._run(
            "initdb",
            "-D",
            "data",
            "-U",
            USER,
            "-A",
            "scram-sha-256",
            f"--pwfile={self.password_file}",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        )
        self._process: subprocess.Popen[bytes] | None = None

    def _arguments(self) -> dict[str, object]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            **self._arguments(),  # type: ignore[call-overload]  # whom to run it as, or nothing
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Start it, unless it runs, and wait until it lets us in."""
        if self._process is not None:
            return
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", "data", "-p", str(self.port), "-k", str(self.folder), *settings],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                **self._arguments(),  # type: ignore[call-overload]  # as above
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.url("postgres", PASSWORD)).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text(encoding="utf-8")
                time.sleep(0.02)

    def stop(self) -> None:
        """As an operator does: what is under way is broken off."""
        if self._process is not None:
            self._process.send_signal(2)  # SIGINT: fast shutdown
            self._process.wait(30)
            self._process = None

    def url(self, database: str, password: str | None = None) -> str:
        """An address, as a rule without the password."""
        return f"postgresql://{USER}{f':{password}' if password else ''}@127.0.0.1:{self.port}/{database}"

    def remove(self) -> None:
        """End it and delete its data."""
        self.stop()
        shutil.rmtree(self.folder)

    @contextmanager
    def database(self) -> Iterator[Database]:
        """An empty database that is gone afterwards."""
        name = f"d{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url("postgres", PASSWORD), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        yield Database(self, name)
        with psycopg.connect(self.url("postgres", PASSWORD), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


class Database:
    """One database of a server."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.url = server.url(name)
        """Without the password."""
        self.open_url = server.url(name, PASSWORD)
        self.password_file = str(server.password_file)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What a statement gives."""
        with psycopg.connect(self.open_url, autocommit=True) as connection:
            done = connection.execute(statement)
            return done.fetchall() if done.description else []
