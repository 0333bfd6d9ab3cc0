"""Endpoints that boto3 reads from its settings files: a variable of ours would hide them, so they must be known."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

SERVICES = ("bedrock-runtime", "sagemaker-runtime")

MAX_BYTES = 1 << 20
"""A settings file has kilobytes."""


def endpoints(environ: Mapping[str, str]) -> dict[str, str]:
    """By service: the ``endpoint_url`` of the environment's profile or of the ``services`` section it names. Files that boto3 cannot read name none."""
    if not any(_mentions_an_endpoint(path) for path in _files(environ)):
        return {}  # botocore costs 0.1 s
    from botocore.configprovider import ConfiguredEndpointProvider
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

    try:
        session = Session()
        found = {}
        for service in SERVICES:
            provider = ConfiguredEndpointProvider(session.full_config, session.get_scoped_config(), service, {})
            if url := provider.provide():
                found[service] = str(url)
    except BotoCoreError:  # the command's own boto3 will say it
        return {}
    return found


def _files(environ: Mapping[str, str]) -> list[Path]:
    named = environ.get("AWS_CONFIG_FILE", "~/.aws/config"), environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")
    return [Path(os.path.expandvars(name)).expanduser() for name in named]


def _mentions_an_endpoint(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return b"endpoint_url" in file.read(MAX_BYTES)
    except (OSError, RuntimeError):  # the latter where there is no home
        return False
