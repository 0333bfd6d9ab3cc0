from __future__ import annotations

import json
from typing import Any

import pytest

from streamgauge.dialects.meaning.guardrail import INTERVENED, intervened, with_reason
from streamgauge.records import VISIBLE, Finished

ACTION = "amazon-bedrock-guardrailAction"


@pytest.mark.parametrize("spaced", [True, False])
@pytest.mark.parametrize("action", ["INTERVENED", "GUARDRAIL_INTERVENED"])
def test_an_intervention_is_seen_on_any_level(action: str, spaced: bool) -> None:
    separators = (", ", ": ") if spaced else (",", ":")
    for value in ({ACTION: action}, {"type": "message_start", "message": {ACTION: action}}):
        assert intervened(json.dumps(value, separators=separators).encode())


@pytest.mark.parametrize("value", [{ACTION: "NONE"}, {ACTION: None}, {}, {"text": f'"{ACTION}":"INTERVENED"'}, {"text": ACTION}])
def test_nothing_else_is_one(value: Any) -> None:
    assert not intervened(json.dumps(value).encode())


def test_it_replaces_the_reason_and_nothing_else() -> None:
    assert with_reason([*VISIBLE, Finished("stop")]) == [*VISIBLE, Finished(INTERVENED)]
