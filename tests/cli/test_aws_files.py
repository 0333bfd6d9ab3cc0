"""boto3's own settings files may name endpoints."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamgauge.cli.aws_files import endpoints


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment whose settings file is ``tmp_path / "config"``."""
    environ = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")}
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return environ


def test_without_a_file_or_an_endpoint_in_it_there_is_none(settings: dict[str, str], tmp_path: Path) -> None:
    assert endpoints(settings) == {}
    (tmp_path / "config").write_text("[default]\nregion = us-east-1\n")
    assert endpoints(settings) == {}


def test_the_profile_s_endpoint_and_that_of_a_service_are_found_as_boto3_finds_them(
    settings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(
        "[default]\nendpoint_url = http://all:1\n"
        "[profile own]\nservices = mine\n[services mine]\nbedrock_runtime =\n  endpoint_url = http://bedrock:1\n"
    )
    assert endpoints(settings) == {"bedrock-runtime": "http://all:1", "sagemaker-runtime": "http://all:1"}
    monkeypatch.setenv("AWS_PROFILE", "own")
    assert endpoints(settings) == {"bedrock-runtime": "http://bedrock:1"}


def test_a_file_that_boto3_cannot_read_and_a_profile_that_is_not_there_name_none(
    settings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("[default\nendpoint_url = http://all:1\n")
    assert endpoints(settings) == {}
    (tmp_path / "config").write_text("[default]\nendpoint_url = http://all:1\n")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert endpoints(settings) == {}
