"""A relay does not read requests with aiohttp's parser in Python."""

from __future__ import annotations

import os
import subprocess
import sys

import aiohttp
import pytest
from aiohttp import http_parser

from streamgauge.errors import CouldNotRun
from streamgauge.relay.request_parser import refuse_python_parser, refuse_without_extension


def test_where_the_compiled_parser_is_in_use_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIOHTTP_NO_EXTENSIONS", raising=False)
    refuse_without_extension()
    refuse_python_parser()


def test_an_environment_that_switches_it_off_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIOHTTP_NO_EXTENSIONS", "1")
    with pytest.raises(CouldNotRun, match=r"AIOHTTP_NO_EXTENSIONS is set.*remove the variable"):
        refuse_without_extension()


def test_an_installation_without_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamgauge.relay.request_parser.EXTENSION_SUFFIXES", [".of-another-platform"])
    with pytest.raises(CouldNotRun, match="no compiled HTTP parser here: install its wheel"):
        refuse_without_extension()
    assert aiohttp.__file__


def test_one_that_is_there_and_cannot_be_loaded_is_noticed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_parser, "HttpRequestParser", http_parser.HttpRequestParserPy)
    with pytest.raises(CouldNotRun, match="install its wheel"):
        refuse_python_parser()


def test_a_worker_ends_with_exit_code_4_and_says_why() -> None:
    settings = b'{"worker_id": "w", "proxy_id": "p", "fds": [], "spool_dir": "/nowhere"}\n'
    done = subprocess.run(
        [sys.executable, "-P", "-m", "streamgauge.relay.worker"],
        env={**os.environ, "AIOHTTP_NO_EXTENSIONS": "1"},
        input=settings,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 4
    assert b"AIOHTTP_NO_EXTENSIONS is set" in done.stderr
    assert b"Traceback" not in done.stderr
