"""What an Authorization header says, without any secret."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.authorization import SHORT_TERM_PREFIX, Authorization, read_authorization

SIGV4 = (
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request, "
    "SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
)
READ = Authorization("sigv4", "AKIDEXAMPLE", "20150830", "us-east-1", "bedrock", ("content-type", "host", "x-amz-date"))


def short_term_key(credential: str = "ASIAEXAMPLE%2F20250101%2Feu-west-1%2Fbedrock%2Faws4_request") -> str:
    """The shape of a key made by aws-bedrock-token-generator (Apache-2.0); its signature is made up."""
    url = (
        "bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Algorithm=AWS4-HMAC-SHA256"
        f"&X-Amz-Credential={credential}&X-Amz-Date=20250101T000000Z&X-Amz-Expires=43200"
        "&X-Amz-SignedHeaders=host&X-Amz-Signature=00ff&Version=1"
    )
    return SHORT_TERM_PREFIX + base64.b64encode(url.encode()).decode()


@pytest.mark.parametrize("value", [SIGV4, SIGV4.encode(), SIGV4.replace(", ", ","), SIGV4.replace(" Cred", "  Cred")])
def test_a_sigv4_header_is_read_in_every_spelling_of_its_commas(value: str | bytes) -> None:
    assert read_authorization(value) == READ


def test_the_header_that_botocore_writes_is_read() -> None:
    request: Any = AWSRequest("POST", "https://bedrock-runtime.eu-west-1.amazonaws.com/model/m/converse", data=b"{}")
    SigV4Auth(Credentials("AKIDEXAMPLE", "secret", "token"), "bedrock", "eu-west-1").add_auth(request)
    read = read_authorization(request.headers["Authorization"])
    assert read is not None
    assert (read.kind, read.access_key_id, read.region, read.service) == ("sigv4", "AKIDEXAMPLE", "eu-west-1", "bedrock")
    assert read.signed_headers == ("host", "x-amz-date", "x-amz-security-token")


def test_an_asymmetric_signature_has_no_region() -> None:
    value = SIGV4.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256").replace("/us-east-1", "")
    assert read_authorization(value) == Authorization("sigv4a", "AKIDEXAMPLE", "20150830", None, "bedrock", READ.signed_headers)


@pytest.mark.parametrize(
    "swapped", ["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMIaK7MDENGabPxRfiCYEXAMPLEKEY", "team/a", "A" * 129]
)
def test_what_cannot_be_an_access_key_id_may_be_the_secret_and_is_not_kept(swapped: str) -> None:
    read = read_authorization(SIGV4.replace("AKIDEXAMPLE", swapped))
    assert read == msgspec.structs.replace(READ, access_key_id=None)
    key = short_term_key(f"{swapped.replace('/', '%2F')}%2F20250101%2Feu-west-1%2Fbedrock%2Faws4_request")
    assert read_authorization(f"Bearer {key}") == Authorization("bearer", None, "20250101", "eu-west-1", "bedrock")


def test_a_short_term_key_tells_who_and_where() -> None:
    expected = Authorization("bearer", "ASIAEXAMPLE", "20250101", "eu-west-1", "bedrock")
    assert read_authorization(f"Bearer {short_term_key()}") == expected
    assert read_authorization(f"bearer {short_term_key().rstrip('=')}") == expected


@pytest.mark.parametrize(
    "key",
    [
        "a-long-term-key",
        SHORT_TERM_PREFIX,
        SHORT_TERM_PREFIX + "!!!",
        SHORT_TERM_PREFIX + "A" * 20_000,
        short_term_key("too%2Fshort"),
        short_term_key("ASIA%2Fsecret%2Feu-west-1%2Fbedrock%2Faws4_request"),
        "",
    ],
)
def test_a_key_without_a_readable_scope_is_still_a_bearer_key(key: str) -> None:
    assert read_authorization(f"Bearer {key}") == Authorization("bearer")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Basic dXNlcjpwYXNz",
        "AWS4-HMAC-SHA256 ",
        SIGV4.replace("/us-east-1", ""),
        SIGV4.replace("20150830", "today"),
        "AWS4-HMAC-SHA256 " * 999,
    ],
)
def test_what_is_not_understood_is_other(value: str) -> None:
    assert read_authorization(value) == Authorization("other")


def test_no_header_is_no_authorization() -> None:
    assert read_authorization(None) is None


@given(st.text() | st.binary() | st.text().map(lambda text: SIGV4.replace("bedrock", text)) | st.text().map(lambda t: f"Bearer {t}"))
def test_no_header_ever_raises(value: str | bytes) -> None:
    read_authorization(value)


def test_neither_signature_nor_key_is_kept() -> None:
    assert "5d672d79" not in repr(read_authorization(SIGV4))
    key = short_term_key()
    assert key not in repr(read_authorization(f"Bearer {key}"))
    assert "00ff" not in repr(read_authorization(f"Bearer {key}"))
