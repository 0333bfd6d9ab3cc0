"""Signing within the walk: who is signed, who waits for the first look and how long, what is said when there is no role, and when nothing is."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streamgauge.errors import ProxyCredentials
from streamgauge.relay import request_signer, sigv4
from streamgauge.relay.credentials import FIX, OwnCredentials, own_session
from streamgauge.relay.request_signer import FIRST_WAIT_SECONDS, IN_THREAD_BYTES, LOOKING, RequestSigner
from streamgauge.relay.signing import SigningMode
from streamgauge.targets import Target

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
HEADERS: sigv4.Headers = [(b"Host", b"bedrock-runtime.us-east-1.amazonaws.com"), (b"Content-Type", b"application/json")]


def target(region: str | None = "us-east-1") -> Target:
    host = "bedrock-runtime.us-east-1.amazonaws.com"
    return Target(
        "https", host, 443, b"/model/m/converse", host.encode(), region, "bedrock-runtime", "bedrock", "base_url", True, True, True
    )


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No AWS setting of this machine, no file of its user, no instance metadata."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


class Role:
    """Where the proxy's role comes from: a session that may take its time and may find nothing."""

    def __init__(self, *, slow: bool = False, found: bool = True) -> None:
        self.ready = threading.Event()
        if not slow:
            self.ready.set()
        self._found = found
        self.credentials = OwnCredentials(self._session)

    def _session(self) -> Any:
        assert self.ready.wait(20)
        session = own_session()
        if self._found:
            session.set_credentials(KEY, SECRET)
        return session


@pytest.fixture
def role() -> Iterator[Callable[..., Role]]:
    """Makes roles; their threads end with the test."""
    made: list[Role] = []

    def make(*, slow: bool = False, found: bool = True) -> Role:
        made.append(Role(slow=slow, found=found))
        return made[-1]

    yield make
    for one in made:
        one.ready.set()
        one.credentials.stop()
        if one.credentials._thread is not None:
            one.credentials._thread.join()


Make = Callable[..., Role]


def signed(signer: RequestSigner, content: bytes = b"{}", to: Target | None = None) -> dict[bytes, bytes]:
    return {name.lower(): value for name, value in asyncio.run(signer.sign("POST", to or target(), HEADERS, content))}


@pytest.mark.parametrize("content", [b"", b"{}", b"x" * (IN_THREAD_BYTES + 1)])
def test_a_request_is_signed_with_the_proxys_role_whatever_its_size(content: bytes, role: Make) -> None:
    headers = signed(RequestSigner("resign", credentials=role().credentials), content)
    assert headers[b"authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={KEY}/".encode())
    again = sigv4.sign(
        "POST",
        b"/model/m/converse",
        HEADERS,
        sigv4.payload_hash(content),
        sigv4.Credentials(KEY, SECRET),
        "us-east-1",
        "bedrock",
        headers[b"x-amz-date"].decode(),
    )
    assert headers == {name.lower(): value for name, value in again}


def test_a_request_without_a_region_is_told_which_setting_gives_one(role: Make) -> None:
    with pytest.raises(ProxyCredentials, match=r"targets\.default_region"):
        signed(RequestSigner("resign", credentials=role().credentials), to=target(None))


def test_requests_that_come_before_the_role_is_found_wait_for_it_with_one_thread_and_a_free_loop(role: Make) -> None:
    slow = role(slow=True)
    signer = RequestSigner("resign", credentials=slow.credentials)

    async def story() -> tuple[list[sigv4.Headers], int, float]:
        waiting = [asyncio.ensure_future(signer.sign("POST", target(), HEADERS, b"{}")) for _ in range(20)]  # noqa: TID251 - gathered below
        begun, longest = time.perf_counter(), 0.0
        while time.perf_counter() - begun < 0.1:
            before = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - before)
        threads = sum(thread.name.startswith("asyncio") for thread in threading.enumerate())
        assert not any(one.done() for one in waiting)
        slow.ready.set()
        return await asyncio.gather(*waiting), threads, longest

    answers, threads, longest = asyncio.run(story())
    assert len(answers) == 20
    assert threads == 1
    assert longest < 1.0  # a loop that waited itself would have stood still until the role was there


def test_no_role_is_one_sentence_for_the_caller_for_readiness_and_nothing_before(role: Make) -> None:
    signer = RequestSigner("auto", early=True, credentials=role(found=False).credentials)
    assert signer.readiness() == (True, None)
    with pytest.raises(ProxyCredentials) as told:
        signed(signer)
    assert str(told.value).startswith("no AWS credentials were found (tried env, ")
    assert FIX in str(told.value)
    assert signer.readiness() == (False, str(told.value))


def test_a_look_that_takes_long_is_told_and_a_short_one_is_not(role: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_signer, "FIRST_WAIT_SECONDS", 0.2)
    slow = role(slow=True)
    signer = RequestSigner("resign", credentials=slow.credentials)
    assert signer.readiness() == (True, None)
    with pytest.raises(ProxyCredentials, match=f"{LOOKING}: try again"):
        signed(signer)
    assert signer.readiness() == (False, LOOKING)
    slow.ready.set()
    assert slow.credentials.looked.wait(20)
    assert signer.readiness() == (True, None)
    assert FIRST_WAIT_SECONDS <= 5.0  # callers' own patience is longer


def test_a_role_that_nobody_needs_is_no_obstacle_even_if_it_is_missing(role: Make) -> None:
    signer = RequestSigner("auto", early=True, credentials=role(found=False).credentials)
    assert signer._credentials.looked.wait(20)
    assert signer._credentials.current is None
    assert signer.readiness() == (True, None)


@pytest.mark.parametrize(
    ("mode", "early", "environ", "looks"),
    [
        ("resign", False, {}, True),
        ("auto", False, {}, False),
        ("auto", True, {}, True),
        ("auto", False, {"AWS_PROFILE": "team"}, True),
        ("passthrough", True, {"AWS_PROFILE": "team"}, False),
    ],
)
def test_the_role_is_looked_for_at_start_where_it_will_be_needed(
    mode: SigningMode, early: bool, environ: dict[str, str], looks: bool, role: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    one = role()
    RequestSigner(mode, early=early, credentials=one.credentials)
    assert one.credentials.started is looks


def test_whoever_waits_is_let_go_when_the_worker_ends(role: Make) -> None:
    signer = RequestSigner("resign", credentials=role(slow=True).credentials)

    async def story() -> None:
        waiting = asyncio.ensure_future(signer.sign("POST", target(), HEADERS, b"{}"))  # noqa: TID251 - awaited below
        await asyncio.sleep(0)
        signer.close()
        with pytest.raises(ProxyCredentials):
            async with asyncio.timeout(FIRST_WAIT_SECONDS / 2):
                await waiting

    asyncio.run(story())


def test_an_environments_pair_signs_the_first_request_without_botocore() -> None:
    code = """
import asyncio, sys
from tests.relay.test_request_signer import HEADERS, target
from streamgauge.relay.request_signer import RequestSigner
for name in [name for name in sys.modules if name.split(".")[0] == "botocore"]:
    del sys.modules[name]
signer = RequestSigner("auto")
assert signer.readiness() == (True, None)
asyncio.run(signer.sign("POST", target(), HEADERS, b"{}"))
print("botocore" in sys.modules)
"""
    environ = {**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environ)
    assert done.stdout.strip() == "False", done.stderr
