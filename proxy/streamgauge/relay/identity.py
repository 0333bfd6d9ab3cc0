"""Names of one exchange: its id, its start as text, and what the request's head says about retries, traces and the application."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping

_second = -1
_second_text = ""


def exchange_id(now_ns: int) -> str:
    """A UUIDv7 (RFC 9562) for the wall-clock moment ``now_ns``."""
    value = (now_ns // 1_000_000) << 80 | 0x7 << 76 | random.getrandbits(12) << 64 | 0x2 << 62 | random.getrandbits(62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def timestamp(now_ns: int) -> str:
    """RFC 3339 with microseconds, UTC. The part down to the second is remembered: thousands of exchanges share it."""
    global _second, _second_text  # noqa: PLW0603 - a cache of one entry
    second, rest = divmod(now_ns, 1_000_000_000)
    if second != _second:
        _second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        _second = second
    return f"{_second_text}.{rest // 1000:06d}Z"


_ATTEMPT = re.compile(r"attempt=([0-9]{1,4})")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*")
_XRAY_ROOT = re.compile(r"(?:.*;)?\s*Root=1-([0-9a-f]{8})-([0-9a-f]{24})")
_APP = re.compile(r"(?:^| )app/([A-Za-z0-9!#$%&'*+\-.^_`|~]{1,50})(?: |$)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/+=@-]{0,255}")
_INVOCATION = re.compile(r"[0-9A-Za-z-]{1,64}")


def name(value: str | None) -> str | None:
    """A header's value where it is a name or an id (SageMaker's variants and components have at most 63 characters, its model files a path);
    ``None`` for what is longer or reads like text: it goes into every row."""
    return value if value is not None and _NAME.fullmatch(value) else None


def attempt(headers: Mapping[str, str]) -> int | None:
    """Which attempt of the SDK this is, from 1: boto's ``amz-sdk-request``, the anthropic and openai SDKs' retry count."""
    value = headers.get("amz-sdk-request")
    if value is not None:
        found = _ATTEMPT.search(value)
        return int(found[1]) if found else None
    count = headers.get("x-stainless-retry-count")
    return int(count) + 1 if count is not None and len(count) < 4 and count.isdecimal() else None


def invocation_id(headers: Mapping[str, str]) -> str | None:
    """The id that boto gives to all attempts of one call."""
    value = headers.get("amz-sdk-invocation-id")
    return value if value is not None and _INVOCATION.fullmatch(value) else None


def trace_id(headers: Mapping[str, str]) -> str | None:
    """The caller's trace, 32 hexadecimal digits: W3C ``traceparent`` first, else the root of ``X-Amzn-Trace-Id``."""
    value = headers.get("traceparent")
    if value is not None and (found := _TRACEPARENT.fullmatch(value)):
        return found[1]
    value = headers.get("x-amzn-trace-id")
    if value is not None and (found := _XRAY_ROOT.match(value)):
        return found[1] + found[2]
    return None


def application(headers: Mapping[str, str]) -> str | None:
    """The application id that boto puts into ``User-Agent`` as ``app/<id>``."""
    value = headers.get("user-agent")
    if value is None or "app/" not in value:
        return None
    found = _APP.search(value[:2048])
    return found[1] if found else None
