"""Callers' signatures against botocore's own signer: what it signs holds, what was changed afterwards does not, and what cannot be judged is refused."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.authorization import read_authorization
from streamgauge.relay.heads import read_headers
from streamgauge.relay.inbound_sigv4 import REPLAYS_KEPT, SKEW_SECONDS, Replays, Signed, matches, origin_form, read_signature
from streamgauge.relay.refusal import BadSignature
from tests.relay.test_sigv4 import VECTORS

KEY, SECRET = "SGAKEXAMPLEEXAMPLE22", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
HOST = "127.0.0.1:8787"
BODY = b'{"messages":[]}'

Headers = list[tuple[bytes, bytes]]


def signed_by_botocore(
    method: str = "POST",
    target: str = "/model/m%3A0/converse",
    body: bytes = BODY,
    headers: dict[str, str] | None = None,
    secret: str = SECRET,
    service: str = "bedrock",
) -> Headers:
    """A request's headers as botocore sends them."""
    request: Any = AWSRequest(method, f"http://{HOST}{target}", data=body, headers=headers or {})
    SigV4Auth(Credentials(KEY, secret), service, "eu-central-1").add_auth(request)
    sent = {"Host": HOST, **dict(request.headers.items())}
    return [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]


def read(headers: Headers, now: float | None = None) -> Signed:
    by_name = read_headers(headers)
    claims = read_authorization(by_name["authorization"])
    assert claims is not None
    return read_signature(by_name["authorization"], claims, by_name, datetime.now(UTC).timestamp() if now is None else now)


def holds(
    headers: Headers, method: str = "POST", target: bytes = b"/model/m%3A0/converse", body: bytes = BODY, secret: str = SECRET
) -> bool:
    return matches(read(headers), method, target, headers, hashlib.sha256(body).hexdigest(), secret)


def changed(headers: Headers, name: bytes, value: bytes | None) -> Headers:
    """With another value of a header, or without it."""
    return [pair if pair[0].lower() != name else (pair[0], value) for pair in headers if pair[0].lower() != name or value is not None]  # type: ignore[misc]


segment = st.text(st.sampled_from("abcXYZ019-_.~:@+!$"), min_size=1, max_size=6).map(lambda text: text.replace(":", "%3A"))
value = st.text(st.sampled_from("abc xyz019;=,{}\"'"), min_size=1, max_size=20).map(str.strip).filter(bool)


@given(
    st.sampled_from(["GET", "POST", "DELETE"]),
    st.lists(segment, min_size=1, max_size=5),
    st.lists(
        st.tuples(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.from_regex(r"([a-z0-9~._-]|%3A|%20){0,5}", fullmatch=True)), max_size=4
    ),
    st.binary(max_size=100),
    st.dictionaries(st.sampled_from(["Content-Type", "X-Amzn-Bedrock-Request-Metadata", "X-Amz-Meta", "x-stainless-lang"]), value),
)
def test_whatever_botocore_signs_holds(
    method: str, segments: list[str], query: list[tuple[str, str]], body: bytes, headers: dict[str, str]
) -> None:
    target = "/" + "/".join(segments) + ("?" + "&".join(f"{name}={text}" for name, text in query) if query else "")
    sent = signed_by_botocore(method, target, body, headers)
    assert holds(sent, method, target.encode(), body)
    assert holds(sent, method, f"http://{HOST}{target}".encode(), body)
    assert not holds(sent, method, target.encode(), body + b"x")
    assert not holds(sent, method, target.encode() + b"x", body)
    assert not holds(sent, "PUT", target.encode(), body)
    assert not holds(sent, method, target.encode(), body, secret=SECRET + "x")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"host", b"another.example"),
        (b"content-type", b"text/plain"),
        (b"x-amzn-bedrock-request-metadata", b'{"tenant":"b"}'),
        (b"x-amz-date", None),
    ],
)
def test_a_signed_header_that_was_changed_breaks_it(name: bytes, value: bytes | None) -> None:
    sent = signed_by_botocore(headers={"Content-Type": "application/json", "X-Amzn-Bedrock-Request-Metadata": '{"tenant":"a"}'})
    assert holds(sent)
    if value is None:
        with pytest.raises(BadSignature):
            read(changed(sent, name, value))
    else:
        assert not holds(changed(sent, name, value))


def test_what_is_not_signed_may_change_on_the_way() -> None:
    assert holds([*signed_by_botocore(), (b"X-Amzn-Trace-Id", b"Root=1-0-0"), (b"User-Agent", b"x"), (b"amz-sdk-request", b"attempt=1")])


def test_one_path_in_two_spellings_is_two_paths() -> None:
    sent = signed_by_botocore(target="/model/arn%3Aaws%3Abedrock%2Fx/invoke")
    assert holds(sent, target=b"/model/arn%3Aaws%3Abedrock%2Fx/invoke")
    assert not holds(sent, target=b"/model/arn:aws:bedrock%2Fx/invoke")
    assert not holds(sent, target=b"/model/arn%3Aaws%3Abedrock/x/invoke")


@pytest.mark.parametrize(("method", "target", "headers", "signature"), VECTORS)
def test_the_published_vectors_hold(method: str, target: bytes, headers: Headers, signature: str) -> None:
    sent = [
        (b"Host", b"example.amazonaws.com"),
        *headers,
        (b"X-Amz-Date", b"20150830T123600Z"),
        (
            b"Authorization",
            b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature="
            + signature.encode(),
        ),
    ]
    found = read(sent, datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp())
    assert matches(found, method, target, sent, hashlib.sha256(b"").hexdigest(), "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


def test_the_hash_that_is_sent_must_be_the_bodys() -> None:
    good = signed_by_botocore(headers={"X-Amz-Content-SHA256": hashlib.sha256(BODY).hexdigest()})
    bad = signed_by_botocore(headers={"X-Amz-Content-SHA256": hashlib.sha256(b"other").hexdigest()})
    assert holds(good)
    assert not holds(bad)
    assert not holds(bad, body=b"other") or bad != good


def test_a_payload_that_was_left_unsigned_on_purpose_is_taken_as_such() -> None:
    sent = signed_by_botocore(headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    # botocore signs the header's word in the body's place.
    assert holds(sent, body=b"whatever")


@pytest.mark.parametrize("form", ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"])
def test_a_body_that_is_signed_in_chunks_is_refused_with_the_fix(form: str) -> None:
    with pytest.raises(BadSignature, match="chunk by chunk"):
        read(signed_by_botocore(headers={"X-Amz-Content-SHA256": form}))


@pytest.mark.parametrize(
    ("off", "told"),
    [(SKEW_SECONDS + 5, "s old, more than 300 s are allowed"), (-SKEW_SECONDS - 5, "s in the future")],
)
def test_a_signature_from_another_time_is_refused_with_the_difference(off: float, told: str) -> None:
    sent, now = signed_by_botocore(), datetime.now(UTC).timestamp()
    read(sent, now + (SKEW_SECONDS - 5) * (1 if off > 0 else -1))
    with pytest.raises(BadSignature, match=told):
        read(sent, now + off)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (b"x-amz-date", b"20261125", "X-Amz-Date is missing"),
        (b"x-amz-date", b"20261399T999999Z", "X-Amz-Date is missing"),
        (b"x-amz-date", b"19990101T000000Z", "not of the day in the credential scope"),
        (b"host", None, "must cover host, and only headers that are sent"),
    ],
)
def test_what_cannot_be_judged_is_refused(name: bytes, value: bytes | None, told: str) -> None:
    with pytest.raises(BadSignature, match=told):
        read(changed(signed_by_botocore(), name, value))


@pytest.mark.parametrize("name", [b"X-Amz-Security-Token", b"X-Amzn-Bedrock-Request-Metadata", b"X-Amzn-SageMaker-Custom-Attributes"])
def test_what_aws_acts_on_must_be_covered(name: bytes) -> None:
    with pytest.raises(BadSignature, match=f"does not cover {name.decode().lower()}"):
        read([*signed_by_botocore(), (name, b"x")])


def test_only_version_4_with_a_shared_secret_is_taken() -> None:
    (value,) = [text for name, text in signed_by_botocore() if name == b"Authorization"]
    asymmetric = value.replace(b"HMAC-SHA256", b"ECDSA-P256-SHA256")
    with pytest.raises(BadSignature, match="signature version 4"):
        read(changed(signed_by_botocore(), b"authorization", asymmetric))
    with pytest.raises(BadSignature, match="signature version 4"):
        read(changed(signed_by_botocore(), b"authorization", value[:-1] + b"Z"))


def test_no_error_shows_a_secret_or_a_signature() -> None:
    sent = signed_by_botocore()
    (value,) = [text for name, text in sent if name == b"Authorization"]
    with pytest.raises(BadSignature) as caught:
        read(sent, 0.0)
    assert value[-64:].decode() not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "path"),
    [(b"/a?b", b"/a?b"), (b"http://h/a?b", b"/a?b"), (b"http://h", b"/"), (b"http://h?x=/", b"/?x=/"), (b"http://h:1/a%2Fb", b"/a%2Fb")],
)
def test_an_absolute_target_is_signed_by_its_path(target: bytes, path: bytes) -> None:
    assert origin_form(target) == path


def test_a_signature_is_taken_once_within_its_life() -> None:
    replays = Replays()
    replays.take("a", 1000.0)
    with pytest.raises(BadSignature, match="was used before"):
        replays.take("a", 1000.0 + 2 * SKEW_SECONDS - 1)
    replays.take("b", 1001.0)
    replays.take("a", 1000.0 + 2 * SKEW_SECONDS + 1)


def test_so_many_signatures_are_remembered_and_no_more() -> None:
    replays = Replays()
    for number in range(REPLAYS_KEPT + 10):
        replays.take(str(number), 1000.0)
    assert len(replays._until) == REPLAYS_KEPT
    replays.take("0", 1000.0)  # the oldest are forgotten
