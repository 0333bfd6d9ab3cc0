from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from streamgauge.testing import Received
from streamgauge.testing.sigv4 import Verifier
from tests.testing.asked import CONVERSE_STREAM
from tests.testing.clients import KEY, SECRET

HOST = "bedrock-runtime.us-east-1.amazonaws.com"
VERIFIER = Verifier({KEY: SECRET}, bearer_keys=("good-key",))


def _signed(body: bytes = b"{}", target: str = CONVERSE_STREAM, content_hash: str | None = None) -> Received:
    more = {"X-Amz-Content-SHA256": content_hash} if content_hash else {}
    request: Any = AWSRequest(
        "POST", f"https://{HOST}{target}", data=body, headers={"Host": HOST, "Content-Type": "application/json", **more}
    )
    SigV4Auth(Credentials(KEY, SECRET, "session-token"), "bedrock", "us-east-1").add_auth(request)
    return _received(tuple((name.encode(), value.encode()) for name, value in request.headers.items()), body, target)


def _received(headers: tuple[tuple[bytes, bytes], ...], body: bytes = b"{}", target: str = CONVERSE_STREAM) -> Received:
    return Received("POST", target, "HTTP/1.1", b"", headers, body, (), 0, "id", 0, 0)


def _code(received: Received, now: datetime | None = None) -> str | None:
    fault = VERIFIER.fault(received, now or datetime.now(UTC))
    return None if fault is None else fault[0]


@pytest.mark.parametrize(
    "target", [CONVERSE_STREAM, "/model/arn%3Aaws%3Abedrock%2Fx/converse", "/model/a:b/invoke", "/async-invoke?b=2&a=1"]
)
def test_what_botocore_signs_passes(target: str) -> None:
    assert _code(_signed(target=target)) is None


def test_the_scheme_and_host_of_an_absolute_target_do_not_matter() -> None:
    good = _signed()
    assert _code(_received(good.headers, target=f"http://{HOST}{CONVERSE_STREAM}")) is None


@pytest.mark.parametrize(("minutes", "code"), [(4, None), (-4, None), (6, "InvalidSignatureException"), (-6, "InvalidSignatureException")])
def test_a_signature_is_good_for_five_minutes_either_way(minutes: int, code: str | None) -> None:
    assert _code(_signed(), datetime.now(UTC) + timedelta(minutes=minutes)) == code


def test_a_body_hash_that_is_sent_must_be_the_bodys() -> None:
    right, wrong = hashlib.sha256(b"{}").hexdigest(), hashlib.sha256(b"other").hexdigest()
    assert _code(_signed(content_hash=right)) is None
    assert _code(_signed(content_hash=wrong)) == "SignatureDoesNotMatch"


def test_a_changed_body_or_path_does_not_match() -> None:
    good = _signed()
    assert _code(_received(good.headers, b"{ }")) == "SignatureDoesNotMatch"
    assert _code(_received(good.headers, target=CONVERSE_STREAM.replace("%3A", ":"))) == "SignatureDoesNotMatch"


def test_no_signature_is_a_missing_token() -> None:
    assert _code(_received(())) == "MissingAuthenticationToken"


@pytest.mark.parametrize(("key", "code"), [("good-key", None), ("bad-key", "UnrecognizedClientException")])
def test_only_known_bearer_keys_pass(key: str, code: str | None) -> None:
    assert _code(_received(((b"authorization", f"Bearer {key}".encode()),))) == code


def test_it_can_insist_on_its_own_host() -> None:
    now = datetime.now(UTC)
    assert Verifier({KEY: SECRET}, host=HOST).fault(_signed(), now) is None
    fault = Verifier({KEY: SECRET}, host="another").fault(_signed(), now)
    assert fault is not None
    assert fault[0] == "SignatureDoesNotMatch"
