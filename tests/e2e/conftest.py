"""Fixtures of the end-to-end tests: AWS credentials that are nobody's, and no endpoint variables of the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
"""The example pair of AWS's own documentation."""


@pytest.fixture(autouse=True)
def aws_environment() -> Iterator[None]:
    """Only the example pair, and nothing that points elsewhere."""
    before = dict(os.environ)
    for name in list(os.environ):
        if name.startswith(("AWS_", "ANTHROPIC_", "OPENAI_")) or name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            del os.environ[name]
    os.environ.update(
        AWS_ACCESS_KEY_ID=KEY,
        AWS_SECRET_ACCESS_KEY=SECRET,
        AWS_REGION="us-east-1",
        AWS_EC2_METADATA_DISABLED="true",
        AWS_CONFIG_FILE=os.devnull,
    )
    yield
    os.environ.clear()
    os.environ.update(before)
