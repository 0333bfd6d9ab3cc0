"""The proxy finds its own role in each place AWS names, keeps it fresh, and says in one sentence what stands in the way."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from streamgauge.relay.credentials import FIX, OwnCredentials, given, own_session
from streamgauge.relay.sigv4 import Credentials
from tests.relay.metadata_service import MetadataService

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
DEADLINE = timedelta(seconds=20)


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No AWS setting of this machine, no file of its user, no instance metadata, no proxy."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def service() -> Iterator[MetadataService]:
    with MetadataService() as running:
        yield running


@pytest.fixture
def looking() -> Iterator[Callable[..., OwnCredentials]]:
    """Starts looking; stops at the end of the test."""
    started: list[OwnCredentials] = []

    def start(make_session: Callable[[], Any] = own_session) -> OwnCredentials:
        own = OwnCredentials(make_session, look_seconds=0.02, retry_seconds=(0.02, 0.1))
        started.append(own)
        own.start()
        assert own.looked.wait(DEADLINE.total_seconds())
        return own

    yield start
    for own in started:
        own.stop()
        if own._thread is not None:
            own._thread.join()


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, with a deadline."""
    deadline = datetime.now(UTC) + DEADLINE
    pause = threading.Event()
    while not condition():
        assert datetime.now(UTC) < deadline
        pause.wait(0.005)


def key(own: OwnCredentials) -> str | None:
    return own.current.access_key if own.current is not None else None


Start = Callable[..., OwnCredentials]


def test_the_environment_is_found(looking: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    own = looking()
    assert own.current == Credentials(KEY, SECRET, "token")
    assert own.problem is None


def test_a_profile_of_the_shared_credentials_file_is_found_and_a_rotated_key_is_noticed(
    looking: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def rotate(access_key: str, age: int) -> None:
        fresh = tmp_path / "fresh"
        fresh.write_text(f"[team]\naws_access_key_id = {access_key}\naws_secret_access_key = {SECRET}\n")
        os.utime(fresh, (age, age))
        fresh.rename(tmp_path / "credentials")

    rotate("AKIDOLD", 1)
    monkeypatch.setenv("AWS_PROFILE", "team")
    own = looking()
    assert key(own) == "AKIDOLD"
    rotate("AKIDNEW", 2)
    until(lambda: key(own) == "AKIDNEW")


@pytest.mark.parametrize("path", ["/v2/credentials", "/v1/credentials"])
def test_a_pods_or_tasks_container_endpoint_is_found(
    path: str, looking: Start, service: MetadataService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pod-token").write_text("the-pod")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.url + path)
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "pod-token"))
    assert looking().current == Credentials("KEY-1", "canary-secret", "canary-token")
    assert service.asked == [f"GET {path}"]


def test_instance_metadata_is_found(looking: Start, service: MetadataService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.url)
    assert looking().current == Credentials("KEY-1", "canary-secret", "canary-token")


@pytest.fixture
def web_identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, service: MetadataService) -> Iterator[Callable[[], Any]]:
    """A pod with a web identity; its session's STS calls go to the small server, and where they were bound for is kept."""
    (tmp_path / "web-identity").write_text("a-signed-statement")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "web-identity"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/gauge")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    bound_for: list[str] = []

    def redirect(request: Any, **_: Any) -> None:
        bound_for.append(request.url)
        request.url = service.url + "/"

    def make_session() -> Any:
        session = own_session()
        session.register("before-send.sts.*", redirect)
        return session

    yield make_session
    assert set(bound_for) == {"https://sts.eu-west-1.amazonaws.com/"}


def test_a_web_identity_is_found(looking: Start, web_identity: Callable[[], Any]) -> None:
    assert looking(web_identity).current == Credentials("KEY-1", "canary-secret", "canary-token")


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"])
def test_endpoint_variables_that_point_applications_at_us_do_not_hold_for_us(
    variable: str, looking: Start, web_identity: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    assert key(looking(web_identity)) == "KEY-1"


def test_a_profiles_endpoint_does_not_hold_for_us_either(looking: Start, web_identity: Callable[[], Any], tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default]\nendpoint_url = http://127.0.0.1:1\n")
    assert key(looking(web_identity)) == "KEY-1"


def test_credentials_are_renewed_before_they_expire(looking: Start, service: MetadataService, monkeypatch: pytest.MonkeyPatch) -> None:
    service.lifetime = 60
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.url)
    own = looking()
    for number in (2, 3, 4):
        until(lambda: own.current is not None and int(own.current.access_key[4:]) >= number)  # noqa: B023 - called at once
        assert own._expires is not None
        assert own._expires > datetime.now(UTC)


def test_a_failed_renewal_keeps_what_is_valid_until_it_expires_and_then_says_so(
    looking: Start, service: MetadataService, web_identity: Callable[[], Any]
) -> None:
    service.lifetime = 3
    own = looking(web_identity)
    service.refuse = True
    until(lambda: own.problem is not None)
    assert own.current is not None
    assert own._expires is not None
    until(lambda: own.current is None)
    assert datetime.now(UTC) >= own._expires
    assert own.problem is not None
    assert own.problem.startswith(
        "the AWS credentials cannot be used (ClientError: AccessDenied, operation_name AssumeRoleWithWebIdentity): " + FIX
    )


def test_a_role_that_comes_back_is_used_again(looking: Start, service: MetadataService, web_identity: Callable[[], Any]) -> None:
    service.refuse = True
    own = looking(web_identity)
    assert own.current is None
    service.refuse = False
    until(lambda: own.current is not None)
    until(lambda: own.problem is None)


def test_none_found_is_one_sentence_with_what_was_tried_and_the_fix(looking: Start) -> None:
    own = looking()
    assert own.current is None
    assert own.problem is not None
    assert own.problem.startswith("no AWS credentials were found (tried env, assume-role, ")
    assert "container-role, iam-role): " + FIX in own.problem
    assert "\n" not in own.problem


def test_half_a_pair_and_a_missing_profile_are_named(looking: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    assert "(PartialCredentialsError: provider env, cred_var AWS_SECRET_ACCESS_KEY)" in str(looking().problem)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "(ProfileNotFound: profile nobody)" in str(looking().problem)


def test_the_log_holds_neither_secret_nor_answer_and_nothing_of_a_role_that_nobody_asked_for(
    looking: Start, service: MetadataService, web_identity: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "streamgauge")
    service.refuse = True
    own = looking(web_identity)
    until(lambda: len(service.asked) >= 3)
    assert caplog.messages == []
    service.refuse = False
    until(lambda: own.current is not None)
    until(lambda: caplog.messages == ["AWS credentials found by assume-role-with-web-identity"])
    assert "canary" not in caplog.text


def test_the_log_says_once_that_a_renewal_failed_while_what_is_in_use_is_still_valid(
    looking: Start, service: MetadataService, web_identity: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    service.lifetime = 600  # less than the quarter of an hour before its end at which botocore renews
    own = looking(web_identity)
    service.refuse = True
    until(lambda: own.problem is not None)
    asked = len(service.asked)
    until(lambda: len(service.asked) > asked + 2)
    told = [message for message in caplog.messages if "still valid" in message]
    assert told == [f"{own.problem}; those in use are still valid"]
    assert "canary" not in caplog.text


def test_a_plain_pair_in_the_environment_is_there_at_once_without_botocore_and_without_a_thread() -> None:
    code = (
        "import sys, threading; from streamgauge.relay.credentials import OwnCredentials; own = OwnCredentials(); own.start();"
        "print(own.current, own.looked.is_set(), 'botocore' in sys.modules, threading.active_count())"
    )
    environ = {**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, env=environ)
    assert KEY in done.stdout
    assert done.stdout.split()[-3:] == ["True", "False", "1"]


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"AWS_SESSION_TOKEN": "token"},
        {"AWS_SECURITY_TOKEN": "first", "AWS_SESSION_TOKEN": "second"},
        {"AWS_SESSION_TOKEN": ""},
        {"AWS_CREDENTIAL_EXPIRATION": "2100-01-01T00:00:00Z"},
        {"AWS_PROFILE": "team"},
    ],
)
def test_a_pair_in_the_environment_is_read_as_botocore_reads_it(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "credentials").write_text(f"[team]\naws_access_key_id = AKIDTEAM\naws_secret_access_key = {SECRET}\n")
    for name, value in {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, **environ}.items():
        monkeypatch.setenv(name, value)
    own = OwnCredentials()
    own.start()
    assert own.looked.wait(DEADLINE.total_seconds())
    theirs = own_session().get_credentials().get_frozen_credentials()
    assert own.current == Credentials(theirs.access_key, theirs.secret_key, theirs.token)
    own.stop()


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"])
def test_a_role_that_somebody_gave_by_a_variable_is_visible(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not given()
    monkeypatch.setenv(name, "")
    assert not given()
    monkeypatch.setenv(name, "x")
    assert given()


@pytest.mark.parametrize("name", ["credentials", "config"])
def test_a_role_that_somebody_gave_by_a_file_is_visible(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("[default]\n")
    assert given()


def test_botocore_is_not_loaded_before_credentials_are_needed() -> None:
    code = "import sys; from streamgauge.relay.credentials import OwnCredentials; OwnCredentials(); print('botocore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"


def test_nobody_looks_before_credentials_are_needed_and_starting_twice_looks_once(looking: Start) -> None:
    assert OwnCredentials().started is False
    own = looking()
    thread = own._thread
    own.start()
    assert own._thread is thread


def test_an_empty_pair_is_no_role(looking: Start) -> None:
    def make_session() -> Any:
        session = own_session()
        session.set_credentials("", "")
        return session

    own = looking(make_session)
    assert own.current is None
    assert str(own.problem).startswith("the AWS credentials that were found are empty: ")
