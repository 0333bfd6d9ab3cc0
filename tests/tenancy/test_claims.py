"""Each place where a caller can say who it is states names, or nothing; never text, never an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.tenancy.claims import MAX_METADATA, Names, UrlPrefix, in_attributes, in_headers, in_metadata, named, profile_ids
from streamgauge.tenancy.tenant_settings import TenantSettings

PLAIN = TenantSettings()


@pytest.mark.parametrize(
    ("raw", "names"),
    [
        (b'{"tenant":"a","team":"b","app":"c","other":"d"}', Names("a", "b", "c")),
        ('{"team":"b"}', Names(None, "b")),
        (b'{"tenant":"a b\\n"}', None),
        (b'{"tenant":["a"]}', None),
        (b'["tenant"]', None),
        (b'{"tenant":', None),
        (b'{"tenant":"\xff"}', None),
        (b"", None),
        (None, None),
        (b'{"tenant":"a","x":"' + b"y" * MAX_METADATA + b'"}', None),
    ],
)
def test_request_metadata_states_names_under_its_keys(raw: bytes | str | None, names: Names | None) -> None:
    assert in_metadata(raw, PLAIN) == names


def test_the_keys_of_metadata_can_be_the_callers_own() -> None:
    settings = TenantSettings(metadata_tenant="kostenstelle", metadata_team="abteilung", metadata_app="dienst")
    assert in_metadata(b'{"kostenstelle":"1","abteilung":"2","dienst":"3","tenant":"x"}', settings) == Names("1", "2", "3")


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("tenant=a;team=b", Names("a", "b")),
        ("trace=1, tenant=a", Names("a")),
        ("tenant=a&app=c", Names("a", None, "c")),
        ('{"tenant":"a"}', Names("a")),
        ("tenant", None),
        ("c000b4f9-df62-4c85-a0bf-7c525f9104a4", None),
        ("", None),
        (None, None),
    ],
)
def test_custom_attributes_state_names_as_pairs_or_as_json(value: str | None, names: Names | None) -> None:
    assert in_attributes(value, PLAIN) == names


def test_only_the_configured_headers_state_names() -> None:
    headers = {"x-tenant": "a", "x-team": "b", "x-app": "c"}
    assert in_headers(headers, PLAIN) is None
    assert in_headers(headers, TenantSettings(header="X-Tenant", app_header="X-App")) == Names("a", None, "c")


def test_an_application_inference_profile_is_known_by_arn_and_by_id_and_no_other_model_is() -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"
    assert profile_ids(arn) == (arn, "abc123")
    assert profile_ids("arn:aws:bedrock:us-east-1::inference-profile/us.amazon.nova-lite-v1:0") == ()
    assert profile_ids("amazon.nova-lite-v1:0") == profile_ids(None) == ()


@pytest.mark.parametrize(
    ("pattern", "path", "rest", "names"),
    [
        ("/t/{tenant}", "/t/team-a/model/m/converse", "/model/m/converse", Names("team-a")),
        ("/t/{tenant}/", "/t/team-a/model/m%3A0/invoke?x=/1", "/model/m%3A0/invoke?x=/1", Names("team-a")),
        ("/{team}/{tenant}/{app}", "/b/a/c/v1/messages", "/v1/messages", Names("a", "b", "c")),
        ("/t/{tenant}", "/model/m/converse", "/model/m/converse", None),
        ("/t/{tenant}", "/t/team-a", "/t/team-a", None),
        ("/t/{tenant}", "/t/team%20a/model/m/converse", "/t/team%20a/model/m/converse", None),
        ("/t/{tenant}/x", "/t/a/y/model", "/t/a/y/model", None),
        ("/t/{tenant}", "http://h/t/team-a/model", "http://h/t/team-a/model", None),
    ],
)
def test_a_prefix_is_taken_off_the_path_and_the_rest_stays_as_it_was_written(
    pattern: str, path: str, rest: str, names: Names | None
) -> None:
    assert UrlPrefix(pattern).take(path) == (rest, names)


@pytest.mark.parametrize("pattern", ["t/{tenant}", "/t", "", "/", "/t-{tenant}", "/t/{user}/{tenant}", "/{tenant}/{tenant}", "//{tenant}"])
def test_a_prefix_that_cannot_work_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"such as|between slashes|twice"):
        UrlPrefix(pattern)


@given(st.text())
def test_what_is_taken_for_a_name_is_short_and_plain(text: str) -> None:
    found = named(text)
    assert found is None or (found == text and len(found) <= 128 and found.isascii() and found.isprintable() and " " not in found)


@given(st.binary(max_size=200), st.text(max_size=200))
def test_no_bytes_break_a_reader(raw: bytes, text: str) -> None:
    in_metadata(raw, PLAIN)
    in_attributes(text, PLAIN)
    UrlPrefix("/t/{tenant}").take(text)
    profile_ids(text)
