"""Every request finds its operation, whatever its SDK quotes and whatever path stands before it."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.records import Operation
from streamgauge.routing import MAX_PATH_CHARS, SEEN_KEPT, Route, Routes, shipped_table, template_pattern

TABLE = shipped_table()
ROUTES = Routes(TABLE)
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0"
OPAQUE = Operation("unknown", "opaque", "opaque")


def filled(route: Route, value: str) -> str:
    """The route's template with every label replaced."""
    return re.sub(r"\{[^}]+\}", lambda _: value, route.template)


@pytest.mark.parametrize("route", TABLE.routes, ids=lambda route: f"{route.service}.{route.name}")
def test_each_operation_is_found_and_no_other_one_fits(route: Route) -> None:
    path = filled(route, "arn%3Aaws%2Fx")
    fitting = [other.name for other in TABLE.routes if other.method == route.method and template_pattern(other.template).match(path)]
    assert fitting == [route.name]
    found = ROUTES.match(route.method, path)
    assert (found.service, found.name, found.dialect, found.streaming) == (route.service, route.name, route.dialect, route.streaming)


@pytest.mark.parametrize("route", [r for r in TABLE.routes if r.model or r.endpoint], ids=lambda route: str(route.name))
@pytest.mark.parametrize(
    "spell", [lambda s: quote(s, safe="-._~"), lambda s: quote(s, safe=":;"), lambda s: s], ids=["boto", "anthropic", "raw"]
)
def test_a_model_or_endpoint_is_read_from_every_spelling_of_an_arn(route: Route, spell: Callable[[str], str]) -> None:
    found = ROUTES.match(route.method, filled(route, spell(ARN)))
    assert found.name == route.name
    assert (found.model or found.endpoint_name) == ARN


@pytest.mark.parametrize(
    "prefix", ["/t/team-a", "/", "/model/of/a/base-url", "http://127.0.0.1:8787", "https://bedrock-runtime.us-east-1.amazonaws.com"]
)
def test_what_stands_before_the_operation_does_not_hide_it(prefix: str) -> None:
    found = ROUTES.match("POST", prefix + "/model/us.amazon.nova-lite-v1%3A0/converse-stream?x=/model/y/invoke")
    assert (found.name, found.model) == ("ConverseStream", "us.amazon.nova-lite-v1:0")


@pytest.mark.parametrize(
    ("path", "name", "dialect"),
    [
        ("/openai/v1/chat/completions", "ChatCompletions", "openai_chat"),
        ("/v1/chat/completions", "ChatCompletions", "openai_chat"),
        ("/anthropic/v1/messages", "Messages", "anthropic"),
        ("/anthropic/v1/messages/count_tokens", "CountMessageTokens", "opaque"),
        ("/v1/responses", "Responses", "openai_responses"),
        ("/openai/v1/responses", "Responses", "openai_responses"),
        ("/openai/v1/responses/resp_1/cancel", "opaque", "opaque"),
    ],
)
def test_compatible_routes_take_the_service_the_caller_addressed(path: str, name: str, dialect: str) -> None:
    found = ROUTES.match("POST", path, "bedrock-mantle")
    assert (found.service, found.name, found.dialect) == ("bedrock-mantle", name, dialect)
    assert ROUTES.match("POST", path).service == "unknown"


def test_only_the_body_of_a_compatible_route_tells_whether_it_streams() -> None:
    assert ROUTES.match("POST", "/v1/chat/completions").streaming is None
    assert ROUTES.match("POST", "/anthropic/v1/messages").streaming is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/"),
        ("POST", ""),
        ("POST", "*"),
        ("GET", "/model/m/converse"),
        ("POST", "/model//converse"),
        ("POST", "/model/m/converse/"),
        ("POST", "/model/m/unheard-of"),
        ("GET", "/v1/chat/completions"),
        ("POST", "/model/m/converse".replace("m", "a" * MAX_PATH_CHARS)),
    ],
)
def test_an_unknown_path_is_opaque_and_never_an_error(method: str, path: str) -> None:
    assert ROUTES.match(method, path) == OPAQUE


def test_bytes_and_text_are_the_same_target() -> None:
    assert ROUTES.match("POST", b"/model/m/invoke?a=\xff") == ROUTES.match("POST", "/model/m/invoke")


@pytest.mark.parametrize("model", ["a" * 2_049, "line%0Abreak", "%00", "%1B[31m"])
def test_a_label_that_is_no_name_is_relayed_and_not_recorded(model: str) -> None:
    found = ROUTES.match("POST", f"/model/{model}/converse")
    assert (found.name, found.model) == ("Converse", None)


def test_what_is_remembered_has_an_upper_bound() -> None:
    routes = Routes(TABLE)
    for number in range(SEEN_KEPT + 10):
        routes.match("POST", f"/model/m{number}/converse")
    routes.match("POST", "/" + "a" * 1_000)
    assert len(routes._seen) == 10


@given(st.text(max_size=40), st.text(max_size=200) | st.binary(max_size=200))
def test_no_target_ever_raises(method: str, target: str | bytes) -> None:
    assert ROUTES.match(method, target).dialect
