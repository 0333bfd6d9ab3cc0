"""Settings: every mistake at once with its key path, and nobody spends the proxy's role unasked."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamgauge.config import Config, load
from streamgauge.errors import UsageError


def test_without_a_file_the_defaults_stand() -> None:
    assert load(None, {"workers": None}) == Config()


def test_options_override_the_file_and_tables_are_merged(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("workers: 2\ntargets:\n  upstreams: {bedrock-runtime: 'http://a:1'}\n")
    config = load(file, {"workers": 3, "targets.upstreams": {"sagemaker-runtime": "http://b:2"}})
    assert config.workers == 3
    assert config.targets.upstreams == {"bedrock-runtime": "http://a:1", "sagemaker-runtime": "http://b:2"}


def test_every_mistake_is_named_at_once_with_the_nearest_key(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("wokers: 2\nrelay: {signing: maybe, read_timeout: soon}\n")
    with pytest.raises(UsageError) as caught:
        load(file, {})
    text = str(caught.value)
    assert "wokers: unknown key; did you mean workers?" in text
    assert "relay.signing" in text
    assert "relay.read_timeout" in text
    assert str(file) in text


def test_a_file_that_is_no_settings_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("a: [")
    with pytest.raises(UsageError, match="is not YAML"):
        load(file, {})
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path / "none.yaml", {})


def test_signing_for_strangers_must_be_written_out() -> None:
    with pytest.raises(UsageError, match="allow_unauthenticated"):
        load(None, {"listen": ("0.0.0.0:8787",)})
    assert load(None, {"listen": ("0.0.0.0:8787",), "allow_unauthenticated": True}).allow_unauthenticated
    assert load(None, {"listen": ("0.0.0.0:8787",), "relay.signing": "passthrough"}).relay.signing == "passthrough"
