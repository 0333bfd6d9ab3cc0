"""Canaries: strings that must not be found in anything a proxy leaves behind, where they are planted, and the search for them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

SECRET_KEY, SESSION_TOKEN = "own secret key", "own session token"
"""Planted in the proxy's own environment."""

ASKED = (
    "prompt",
    "system prompt",
    "tool argument",
    "tool result",
    "tool description",
    "metadata",
    "guardrail",
    "tier",
    "latency mode",
    "sagemaker prompt",
    "unknown body",
)
"""Planted in request bodies, which reach the upstream."""

HEADERS = (
    "custom header",
    "custom attributes",
    "request metadata",
    "session id",
    "cookie",
    "bearer key",
    "basic password",
    "api key",
    "caller token",
    "caller signature",
    "proxy password",
    "user agent",
    "trace header",
    "retry header",
    "header name",
)
"""Planted in request headers."""

TARGETS = ("query", "path", "model query", "forward query", "forward user", "forward host", "foreign host", "fragment")
"""Planted in request targets and ``Host``."""

MALFORMED = (
    "request line",
    "control characters",
    "folded header",
    "header without colon",
    "two lengths",
    "chunk size",
    "chunk end",
    "over-long header",
    "over-long target",
    "http2 preface",
    "connect",
    "body after refusal",
    "abandoned body",
    "oversized body",
)
"""Planted in requests that are none, or come to nothing."""

ANSWERED = (
    "answer",
    "reasoning",
    "answer's tool argument",
    "whole answer",
    "whole openai answer",
    "anthropic answer",
    "openai answer",
    "invoke answer",
    "nova answer",
    "sagemaker answer",
    "responses answer",
    "responses reasoning",
    "responses tool argument",
    "llama answer",
    "command answer",
    "tgi answer",
    "code under 200",
    "error under 200",
    "responses error",
    "responses error code",
    "lmi answer",
    "set-cookie",
    "answer's header",
    "reason phrase",
    "trailer",
    "early hint",
    "stop reason",
    "throttled",
    "invalid",
    "failed",
    "model error",
    "error code",
    "openai error",
    "anthropic error",
    "html error",
    "stream exception",
    "stream error frame",
    "sse error",
    "sse exception",
    "lmi error",
    "undecodable frame",
    "undecodable json",
    "undecodable sse",
    "bad head",
    "no http",
    "cut",
)
"""Planted in what the upstream sends."""

ALL = (SECRET_KEY, SESSION_TOKEN, *ASKED, *HEADERS, *TARGETS, *MALFORMED, *ANSWERED)

PREFIX = 12
"""A canary cut to so many characters is still one; they alone are what is searched for."""


def canary(name: str) -> str:
    """The canary of a name: twelve letters and digits that are nobody else's, then what quoting would change, then the name."""
    assert name in ALL, f"{name} is not listed above"
    return f"{base64.b32encode(hashlib.sha256(name.encode()).digest()).decode()[:PREFIX]}/+{name.replace(' ', '.')}"


def _spellings(prefix: bytes) -> Iterator[tuple[str, bytes]]:
    """In any case. URL- and JSON-quoting leave letters and digits alone, so that these need no spelling of their own."""
    text = prefix.decode()
    yield "plain", prefix
    yield "hex", prefix.hex().encode()
    yield "utf-16", text.encode("utf-16-le")
    yield "utf-16", text.encode("utf-16-be")
    yield "base32", base64.b32encode(prefix)[: len(prefix) * 8 // 5]
    yield "spaced", b" ".join(prefix[at : at + 1] for at in range(len(prefix)))


def _base64(prefix: bytes) -> Iterator[bytes]:
    """What is the same wherever in an encoded text the prefix begins; its letters and digits need no - or _."""
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + prefix)
        yield encoded[-(-shift * 8 // 6) : (shift + len(prefix)) * 8 // 6]


_NEEDLES = [(name, how, needle.lower()) for name in ALL for how, needle in _spellings(canary(name)[:PREFIX].encode())]
_EXACT_NEEDLES = [(name, "base64", needle) for name in ALL for needle in _base64(canary(name)[:PREFIX].encode())]


def search(left: Mapping[str, bytes]) -> set[tuple[str, str, str]]:
    """Every canary in what was left behind: (its name, where, how it was spelled)."""
    found = set()
    for where, content in left.items():
        lowered = content.lower()
        found |= {(name, where, how) for name, how, needle in _NEEDLES if needle in lowered}
        found |= {(name, where, how) for name, how, needle in _EXACT_NEEDLES if needle in content}
    return found


def files(directory: Path, called: str) -> dict[str, bytes]:
    """Every file below a directory, by ``called`` and its path there. What disappears meanwhile is gone."""
    found = {}
    for path in sorted(directory.rglob("*")):
        try:
            if path.is_file():
                found[f"{called}/{path.relative_to(directory).as_posix()}"] = path.read_bytes()
        except FileNotFoundError:
            continue
    return found
