"""Loops and proxy variables that lead calls elsewhere are found; passwords in them are not shown."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from streamgauge.config import Config, load
from streamgauge.doctor.surroundings import look_at_loops, look_at_proxies
from streamgauge.targets import TargetSettings

CORPORATE = "http://user:hunter2@proxy.corp:3128"


def test_an_upstream_that_is_ourselves_is_a_loop() -> None:
    targets = TargetSettings(upstreams={"bedrock-runtime": "http://localhost:8787"})
    found = look_at_loops(dataclasses.replace(Config(), targets=targets))
    assert (found.verdict, found.fix) == ("finding", "name the provider's address instead")
    assert "is this proxy's own listener" in found.text
    assert look_at_loops(Config()).verdict == "ok"


@pytest.mark.parametrize(
    ("table", "name", "value"),
    [("targets", "by_listener", {"127.0.0.2": "http://gauge.localhost:8787"}), ("relay", "egress_proxy", "http://127.0.0.1:8787")],
)
def test_a_loop_by_a_listeners_own_way_or_by_the_proxy_on_the_way_out_is_found_too(table: str, name: str, value: Any) -> None:
    changed = dataclasses.replace(getattr(Config(), table), **{name: value})
    found = look_at_loops(dataclasses.replace(Config(), **{table: changed}))
    assert (found.verdict, f"{table}.{name}" in found.text) == ("finding", True)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, [("ok", "no proxy variable")]),
        ({"HTTP_PROXY": "http://127.0.0.1:8787"}, [("ok", "HTTP_PROXY names this proxy")]),
        (
            {"HTTP_PROXY": CORPORATE},
            [("finding", "NO_PROXY lacks 127.0.0.1: calls to this proxy would go there"), ("note", "NO_PROXY lacks 169.254.169.254")],
        ),
        ({"http_proxy": CORPORATE, "no_proxy": "127.0.0.1,169.254.169.254"}, [("ok", "NO_PROXY keeps 127.0.0.1 out of it")]),
        ({"ALL_PROXY": CORPORATE, "NO_PROXY": "*"}, [("ok", "NO_PROXY keeps"), ("note", "the relay goes to the provider directly")]),
        ({"HTTPS_PROXY": CORPORATE}, [("note", "HTTPS_PROXY names proxy.corp:3128, and the relay goes to the provider directly")]),
        ({"HTTPS_PROXY": "http://127.0.0.1:8787"}, [("ok", "HTTPS_PROXY names this proxy")]),
        ({"HTTPS_PROXY": "http://[broken"}, [("note", "HTTPS_PROXY names no address")]),
    ],
)
def test_proxy_variables_are_read_as_applications_read_them(environ: dict[str, str], expected: list[tuple[str, str]]) -> None:
    found = list(look_at_proxies(environ, Config()))
    assert [each.verdict for each in found] == [verdict for verdict, _ in expected]
    assert all(text in each.text for each, (_, text) in zip(found, expected, strict=True))
    assert "hunter2" not in repr(found)


def test_a_relay_that_uses_the_corporate_proxy_is_not_warned_of_it() -> None:
    config = load(None, {"relay.egress_proxy": "environment"})
    assert list(look_at_proxies({"HTTPS_PROXY": CORPORATE}, config)) == []
