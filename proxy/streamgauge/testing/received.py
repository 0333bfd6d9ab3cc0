"""What a scripted upstream got and what it sent, with the moments of both.

All moments are ``time.perf_counter_ns()`` values: one clock for all processes of a Linux machine (CLOCK_MONOTONIC).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, cast
from urllib.parse import unquote

from streamgauge.testing.script import OUTPUT_KINDS

RawHeaders = tuple[tuple[bytes, bytes], ...]
"""Names as sent, values without the white space around them; order and case kept."""


@dataclass(frozen=True)
class Received:
    """One request. ``began_at`` is its first byte, ``at`` the moment it was there whole; ``head`` the header block as it came, blank line included."""

    method: str
    raw_target: str
    version: str
    head: bytes = field(repr=False)
    headers: RawHeaders = field(repr=False)
    body: bytes = field(repr=False)
    trailers: RawHeaders
    connection: int
    request_id: str
    began_at: int
    at: int

    def header(self, name: str) -> str | None:
        """The first value of a header, by name in any case; None if it was not sent."""
        wanted = name.lower().encode()
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == wanted), None)

    @property
    def path(self) -> str:
        """The path as sent: no query, no re-quoting, without scheme and host should they be there."""
        target = self.raw_target.split("?", 1)[0]
        return "/" + target.split("/", 3)[3] if target.startswith(("http://", "https://")) and target.count("/") > 2 else target

    @cached_property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty if it is none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return cast("dict[str, Any]", value) if isinstance(value, dict) else {}

    @property
    def model(self) -> str | None:
        """The model or endpoint asked for, from path or body."""
        parts = self.path.split("/")
        for word in ("model", "endpoints"):
            if word in parts[:-2]:
                return unquote(parts[parts.index(word) + 1])
        named = self.json.get("model")
        return named if isinstance(named, str) else None

    @cached_property
    def prompt(self) -> str:
        """All text of the request, wherever the protocol puts it."""
        return "\n".join(_texts(self.json))


@dataclass
class SendLog:
    """What was sent for one request, and when. ``frames`` holds (moment, kind) of each event, at the write that completed it."""

    request_id: str
    received_at: int
    operation: str = ""
    model: str | None = None
    status: int | None = None
    head_at: int | None = None
    frames: list[tuple[int, str]] = field(default_factory=list)
    writes: int = 0
    sent_bytes: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    ended_at: int | None = None
    aborted_at: int | None = None
    fault: str | None = None
    over: bool = False

    @property
    def outputs(self) -> tuple[int, ...]:
        """The moments of all frames that carried generated output."""
        return tuple(at for at, kind in self.frames if kind in OUTPUT_KINDS)

    @property
    def ttft(self) -> float | None:
        """Seconds from the whole request to the first output; None without output."""
        outputs = self.outputs
        return (outputs[0] - self.received_at) / 1e9 if outputs else None

    @property
    def tpot(self) -> float | None:
        """Seconds per output token after the first, by the counts reported; None below two tokens or outputs."""
        outputs, tokens = self.outputs, self.output_tokens or 0
        return (outputs[-1] - outputs[0]) / 1e9 / (tokens - 1) if len(outputs) > 1 and tokens > 1 else None

    def as_json(self) -> str:
        """One line of JSON with every field."""
        return json.dumps(asdict(self), separators=(",", ":"))


_TEXT_KEYS = frozenset({"text", "content", "prompt", "inputs", "inputText", "input", "message", "texts", "query"})


def _texts(value: object, key: str = "") -> list[str]:
    if isinstance(value, str):
        return [value] if key in _TEXT_KEYS else []
    if isinstance(value, dict):
        return [text for name, inner in value.items() for text in _texts(inner, str(name))]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner, key)]
    return []
