"""The schema accepts what the proxy accepts, refuses what an editor can see is wrong, and explains each key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from streamgauge.config.keys import every_key
from streamgauge.config.sample import text
from streamgauge.config.schema import schema, schema_text

FILE = Path(__file__).parents[2] / "config" / "streamgauge.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(schema())


def test_the_file_for_editors_is_this_schema() -> None:
    assert FILE.read_text(encoding="utf-8") == schema_text(), "run `python docs/generate.py`"
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))


def test_the_commented_file_keeps_to_it() -> None:
    assert list(VALIDATOR.iter_errors(yaml.safe_load(text()))) == []


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"listen": "127.0.0.1:8787", "relay": None},
        {"listen": ["127.0.0.1:0", "[::1]:1"], "drain_seconds": 0},
        {"targets": {"upstreams": {"bedrock-runtime": "http://a"}, "regions": ["us-gov-west-1"]}},
        {"workload": {"rules": [{"workload_class": "batch", "app": "x", "tenant": None}]}},
    ],
)
def test_settings_that_work_are_accepted(settings: dict[str, Any]) -> None:
    assert list(VALIDATOR.iter_errors(settings)) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"wokers": 1},
        {"workers": 0},
        {"workers": "two"},
        {"listen": "8787"},
        {"relay": {"signing": "maybe"}},
        {"relay": {"read_timeout": -1}},
        {"targets": {"upstreams": {"bedrock": "http://a"}}},
        {"targets": {"regions": ["nowhere"]}},
        {"workload": {"rules": [{"app": "x"}]}},
        {"log_level": "LOUD"},
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any]) -> None:
    assert list(VALIDATOR.iter_errors(settings)) != []


def test_every_key_has_description_and_default() -> None:
    for key in every_key():
        found = schema()
        for part in key.name.split("."):
            found = found["properties"][part]
        assert found["description"]
        assert "default" in found
