"""Requests as a scripted upstream gets them, without a socket."""

from __future__ import annotations

import json
from typing import Any

from streamgauge.testing import Received

CONVERSE_STREAM = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream"


def asked(
    target: str = CONVERSE_STREAM, body: dict[str, Any] | None = None, headers: tuple[tuple[bytes, bytes], ...] = (), at: int = 0
) -> Received:
    """A POST of that body to that target, received whole at that moment."""
    return Received("POST", target, "HTTP/1.1", b"", headers, json.dumps(body or {}).encode(), (), 0, "id", at, at)
