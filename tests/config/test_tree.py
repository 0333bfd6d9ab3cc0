"""Plain values are taken strictly, and what is wrong says what it must be and how to write it."""

from __future__ import annotations

from typing import Any

import pytest

from streamgauge.config import Config
from streamgauge.config.mistakes import Mistake
from streamgauge.config.tree import build
from streamgauge.workload import WorkloadRule


def lines(tree: dict[Any, Any]) -> list[str]:
    found: list[Mistake] = []
    build(Config, tree, found)
    return [mistake.text(None) for mistake in found]


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"workers": True}, "workers: True - must be a whole number or auto"),
        ({"workers": "2"}, "workers: '2' - must be a whole number or auto; without quotes"),
        ({"workers": 2.5}, "workers: 2.5 - must be a whole number or auto"),
        ({"workers": None}, "workers: None - must be a whole number or auto; delete the line for the default"),
        ({"drain_seconds": "1e3"}, "drain_seconds: '1e3' - must be a number; without quotes"),
        ({"drain_seconds": True}, "drain_seconds: True - must be a number"),
        ({"allow_unauthenticated": 1}, "allow_unauthenticated: 1 - must be true or false"),
        ({"admin": 8788}, "admin: 8788 - must be text; put it in quotes"),
        ({"relay": {"site": 12}}, "relay.site: 12 - must be text or null; put it in quotes"),
        ({"relay": {"signing": True}}, "relay.signing: True - must be auto, passthrough or resign"),
        ({"relay": []}, "relay: must be keys and values, indented below it"),
        ({"listen": {"a": 1}}, "listen: must be a list, each of it text"),
        ({"listen": ["a:1", 2]}, "listen.1: 2 - must be text; put it in quotes"),
        ({"targets": {"upstreams": ["a"]}}, "targets.upstreams: must be keys and values, each value text"),
        ({"targets": {"upstreams": {"a": 1}}}, "targets.upstreams.a: 1 - must be text; put it in quotes"),
        ({"read_timeout": 5}, "read_timeout: unknown key; did you mean relay.read_timeout?"),
        ({"targets": {"workers": 5}}, "targets.workers: unknown key; did you mean workers?"),
        (
            {"workload": {"rules": [{"app": "x"}]}},
            "workload.rules.0: has no workload_class, which must be interactive, realtime, batch or unclassified",
        ),
        (
            {"workload": {"rules": [{"workload_class": "slow"}]}},
            "workload.rules.0.workload_class: 'slow' - must be interactive, realtime, batch or unclassified",
        ),
        (
            {"workload": {"rules": [{"workload_class": "batch", "ap": "x"}]}},
            "workload.rules.0.ap: unknown key; did you mean workload.rules.0.app?",
        ),
        ({"workload": {"rules": ["batch"]}}, "workload.rules.0: 'batch' - must be keys and values, indented below it"),
    ],
)
def test_a_wrong_value_says_what_it_must_be(tree: dict[Any, Any], expected: str) -> None:
    assert lines(tree) == [expected]


def test_what_is_right_is_kept_beside_what_is_wrong() -> None:
    found: list[Mistake] = []
    tree = {
        "workers": "x",
        "drain_seconds": 1,
        "relay": {"site": "here", "signing": 5},
        "workload": {"rules": [{"workload_class": "batch"}, {}]},
    }
    config = build(Config, tree, found)
    assert (config.workers, config.drain_seconds, config.relay.site, config.relay.signing) == (1, 1.0, "here", "auto")
    assert config.workload.rules == (WorkloadRule("batch"),)
    assert len(found) == 3


def test_a_value_that_unfolds_without_end_is_refused_at_once() -> None:
    laugh: Any = "ha"
    for _ in range(60):
        laugh = [laugh] * 9
    assert lines({"workers": laugh, "listen": laugh, "admin": laugh})
