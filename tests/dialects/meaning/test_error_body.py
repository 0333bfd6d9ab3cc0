from __future__ import annotations

from typing import Any

import pytest

from streamgauge.dialects.meaning.error_body import bare_name, body_fault, error_words
from streamgauge.records import Fault
from tests.dialects import shapes


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"__type": "ns#ThrottlingException:http://made.up"}, "ThrottlingException"),
        ({"code": "ValidationException", "message": "made up"}, "ValidationException"),
        ({"error": {"code": 400, "type": "BadRequestError"}}, "BadRequestError"),
        ({"object": "error", "type": "NotFoundError", "code": 404}, "NotFoundError"),
        ({"type": "error", "error": {"type": "overloaded_error"}}, "overloaded_error"),
        ({"error": "text for people"}, "_OTHER"),
        ({"Message": "made up"}, "_OTHER"),
        ({"Output": {"__type": "ns#UnknownOperationException"}}, "UnknownOperationException"),
    ],
)
def test_an_error_is_known_by_its_members_and_named_by_its_code(body: Any, code: str) -> None:
    assert body_fault(shapes.dumps(body)) == Fault(code)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"error":null}', b'{"output":{"message":{}}}', b'{"error":0.05}', b'{"code":"x"}']
)
def test_what_is_no_error_is_none(body: bytes) -> None:
    assert body_fault(body) is None


def test_words_of_what_is_no_json_are_none() -> None:
    assert error_words(b"<html>") == ()


@pytest.mark.parametrize(("name", "bare"), [("ns#Code:http://made.up", "Code"), ("Code", "Code"), ("", None), (None, None)])
def test_a_name_is_bared_of_namespace_and_address(name: str | None, bare: str | None) -> None:
    assert bare_name(name) == bare
