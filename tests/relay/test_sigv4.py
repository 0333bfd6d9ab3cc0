"""The signer against AWS's published vectors and against botocore's own signer on any request."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import example, given
from hypothesis import strategies as st

from streamgauge.relay import sigv4
from streamgauge.relay.sigv4 import Credentials, Headers, payload_hash, sign

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
EXAMPLE = Credentials(KEY, SECRET)
DATE = "20150830T123600Z"
EMPTY = payload_hash(b"")

VECTORS: list[tuple[str, bytes, Headers, str]] = [
    # From AWS's Signature Version 4 test suite (awslabs/aws-c-auth, Apache-2.0): method, target, further headers, signature.
    ("GET", b"/", [], "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("POST", b"/", [], "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ("GET", b"/?Param2=value2&Param1=value1", [], "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    (
        "GET",
        b"/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        [],
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    ),
]


def signature(headers: Headers) -> str:
    (value,) = [value for name, value in headers if name == b"Authorization"]
    return value.decode().rpartition("Signature=")[2]


@pytest.mark.parametrize(("method", "target", "further", "expected"), VECTORS)
def test_the_published_vectors_come_out_right(method: str, target: bytes, further: Headers, expected: str) -> None:
    headers = [(b"Host", b"example.amazonaws.com"), *further]
    assert signature(sign(method, target, headers, EMPTY, EXAMPLE, "us-east-1", "service", DATE)) == expected


class Listed(SigV4Auth):  # type: ignore[misc] # botocore has no types
    """botocore's signer over exactly the headers that the other one covered."""

    names: tuple[str, ...] = ()

    def headers_to_sign(self, request: Any) -> HTTPHeaders:
        listed = HTTPHeaders()
        for name in self.names:
            for value in request.headers.get_all(name, []):
                listed[name] = value
        return listed


def by_botocore(method: str, target: bytes, headers: Headers, body: bytes, credentials: Credentials, region: str, service: str) -> str:
    """What botocore computes for a request as it was finally sent."""
    sent = {name.lower().decode(): value.decode() for name, value in headers}
    request: Any = AWSRequest(method, f"https://{sent['host']}{target.decode()}", data=body)
    for name, value in headers:
        if name.lower() != b"authorization":
            request.headers[name.decode()] = value.decode()
    request.context["timestamp"] = sent["x-amz-date"]
    signer = Listed(BotocoreCredentials(credentials.access_key, credentials.secret_key, credentials.token), service, region)
    signer.names = tuple(sent["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";"))
    return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))


quoted = st.sampled_from(
    [b"%3A", b"%2F", b"%20", b"%C3%A9", b"a", b"Z", b"9", b"-", b"_", b".", b"~", b":", b"/", b"/", b"..", b"@", b"+", b"="]
)
path = st.lists(quoted, max_size=30).map(lambda parts: b"/" + b"".join(parts))
query_text = st.text(st.sampled_from("abcXYZ019-_.~"), max_size=8)
query = st.lists(st.tuples(query_text.filter(bool), query_text), max_size=4).map(
    lambda pairs: ("?" + "&".join(f"{name}={value}" for name, value in pairs)).encode() if pairs else b""
)
header_value = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30).map(lambda text: text.strip().encode())
header_name = st.sampled_from(
    [b"Content-Type", b"X-Amzn-Bedrock-Trace", b"x-amz-user-agent", b"Accept", b"User-Agent", b"X-Amzn-Trace-Id", b"amz-sdk-request"]
)
secret = st.builds(
    Credentials, st.just(KEY), st.text(st.sampled_from("abc/+XYZ"), min_size=1), st.none() | st.just("FwoGZXIvYXdzEXAMPLE==")
)


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    path=path,
    query=query,
    further=st.lists(st.tuples(header_name, header_value), max_size=6, unique_by=lambda pair: pair[0].lower()),
    body=st.binary(max_size=200),
    credentials=secret,
    region=st.sampled_from(["us-east-1", "eu-central-1"]),
    service=st.sampled_from(["bedrock", "sagemaker", "bedrock-mantle"]),
)
@example("POST", b"/model/arn%3Aaws%3Abedrock%2Fx/invoke", b"", [], b"{}", EXAMPLE, "us-east-1", "bedrock")
@example("GET", b"/%3A/.", b"", [], b"", EXAMPLE, "us-east-1", "bedrock")
@example("GET", b"//a/./b/../c//", b"?b=2&a=1&b=1", [(b"Content-Type", b"a   b")], b"", EXAMPLE, "us-east-1", "bedrock")
def test_any_request_gets_the_signature_that_botocore_gives_it(
    method: str, path: bytes, query: bytes, further: Headers, body: bytes, credentials: Credentials, region: str, service: str
) -> None:
    headers = [(b"Host", b"bedrock-runtime.us-east-1.amazonaws.com"), *further]
    signed = sign(method, path + query, headers, payload_hash(body), credentials, region, service, DATE)
    assert signature(signed) == by_botocore(method, path + query, signed, body, credentials, region, service)


CALLERS: Headers = [
    (b"host", b"bedrock-runtime.us-east-1.amazonaws.com"),
    (b"User-Agent", b"Boto3/1.44"),
    (b"X-AMZ-Date", b"20200101T000000Z"),
    (b"x-amz-security-token", b"theirs"),
    (b"X-Amz-Content-SHA256", b"UNSIGNED-PAYLOAD"),
    (b"Authorization", b"AWS4-HMAC-SHA256 Credential=THEIRS/..."),
    (b"amz-sdk-request", b"attempt=1"),
    (b"amz-sdk-request", b"twice"),
]


def test_only_the_callers_identity_is_replaced_and_all_other_headers_keep_order_and_case() -> None:
    signed = sign("POST", b"/", CALLERS, EMPTY, Credentials(KEY, SECRET, "ours"), "us-east-1", "bedrock", DATE)
    assert [name for name, _ in signed] == [
        b"host",
        b"User-Agent",
        b"X-Amz-Date",
        b"X-Amz-Security-Token",
        b"Authorization",
        b"amz-sdk-request",
        b"amz-sdk-request",
    ]
    assert dict(signed)[b"X-Amz-Security-Token"] == b"ours"
    assert not any(b"theirs" in value.lower() for _, value in signed)


def test_a_callers_api_key_does_not_leave_beside_the_proxys_signature() -> None:
    headers = [*CALLERS, (b"X-Api-Key", b"theirs"), (b"anthropic-version", b"2023-06-01")]
    signed = sign("POST", b"/", headers, EMPTY, EXAMPLE, "us-east-1", "bedrock", DATE)
    assert b"x-api-key" not in {name.lower() for name, _ in signed}
    assert (b"anthropic-version", b"2023-06-01") in signed


def test_long_term_credentials_send_no_token_not_even_the_callers() -> None:
    signed = sign("POST", b"/", CALLERS, EMPTY, EXAMPLE, "us-east-1", "bedrock", DATE)
    assert b"x-amz-security-token" not in {name.lower() for name, _ in signed}


def test_headers_that_hops_may_change_are_not_covered() -> None:
    headers = [*CALLERS, (b"X-Amzn-Trace-Id", b"Root=1-2-3"), (b"traceparent", b"00-1-2-03"), (b"x-amzn-bedrock-trace", b"ENABLED")]
    value = dict(sign("POST", b"/", headers, EMPTY, EXAMPLE, "us-east-1", "bedrock", DATE))[b"Authorization"]
    assert b"SignedHeaders=host;x-amz-date;x-amzn-bedrock-trace," in value


def test_a_query_that_was_left_unquoted_is_signed_as_aws_reads_it() -> None:
    def signed(query: bytes) -> str:
        return signature(sign("GET", b"/async-invoke?" + query, CALLERS[:1], EMPTY, EXAMPLE, "us-east-1", "bedrock", DATE))

    assert signed(b"after=2024-01-01T00:00:00Z&max=1") == signed(b"max=1&after=2024-01-01T00%3a00%3A00Z")
    assert signed(b"flag") == signed(b"flag=")


def test_header_values_that_are_no_text_are_signed_as_they_are() -> None:
    headers = [(b"Host", b"h"), (b"X-Amzn-Bedrock-Request-Metadata", b"\xff\xfe"), (b"Content-Type", b"\xe9")]
    signed = sign("POST", b"/\xff", headers, EMPTY, EXAMPLE, "us-east-1", "bedrock", DATE)
    assert signed[:3] == headers


def test_a_header_sent_twice_is_covered_twice() -> None:
    def signed(*values: bytes) -> str:
        headers = [(b"Host", b"h"), *((b"X-Amz-Meta", value) for value in values)]
        return signature(sign("POST", b"/", headers, EMPTY, EXAMPLE, "us-east-1", "bedrock", DATE))

    assert signed(b"a", b"b") == signed(b"a,b") != signed(b"b", b"a")


def test_what_is_remembered_has_an_upper_bound() -> None:
    long = b"/model/" + b"a" * 600
    before = sigv4.canonical_path.cache_info().currsize
    sign("POST", long, CALLERS[:1], EMPTY, EXAMPLE, "us-east-1", "bedrock", DATE)
    assert sigv4.canonical_path.cache_info().currsize == before
    assert sigv4.canonical_path.cache_info().maxsize == 1_024
    assert sigv4.signing_key.cache_info().maxsize == 256


def test_credentials_never_show_their_secret() -> None:
    shown = repr(Credentials(KEY, SECRET, "a-session-token"))
    assert KEY in shown
    assert SECRET not in shown
    assert "a-session-token" not in shown


def test_a_payload_hash_is_the_hex_sha256() -> None:
    assert payload_hash(b"body") == hashlib.sha256(b"body").hexdigest()
