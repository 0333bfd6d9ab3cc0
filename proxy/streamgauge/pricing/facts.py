"""What a price depends on: the part of a measurement that pricing reads. A ``Measurement`` has all of it, and so has ``Facts``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from streamgauge.records import Outcome, UsageSource


class Exchange(Protocol):
    """One exchange, as pricing sees it. Names and meanings are the Measurement's."""

    @property
    def service(self) -> str | None: ...  # noqa: D102 - the Measurement's
    @property
    def operation(self) -> str | None: ...  # noqa: D102
    @property
    def region(self) -> str | None: ...  # noqa: D102
    @property
    def requested_model(self) -> str | None: ...  # noqa: D102
    @property
    def response_model(self) -> str | None: ...  # noqa: D102
    @property
    def model(self) -> str | None: ...  # noqa: D102
    @property
    def scope(self) -> str | None: ...  # noqa: D102
    @property
    def service_tier(self) -> str | None: ...  # noqa: D102
    @property
    def latency_mode(self) -> str | None: ...  # noqa: D102
    @property
    def outcome(self) -> Outcome: ...  # noqa: D102
    @property
    def http_status(self) -> int | None: ...  # noqa: D102
    @property
    def error_type(self) -> str | None: ...  # noqa: D102
    @property
    def finish_reason(self) -> str | None: ...  # noqa: D102
    @property
    def input_tokens(self) -> int | None: ...  # noqa: D102
    @property
    def cache_read_tokens(self) -> int | None: ...  # noqa: D102
    @property
    def cache_write_tokens(self) -> int | None: ...  # noqa: D102
    @property
    def cache_write_1h_tokens(self) -> int | None: ...  # noqa: D102
    @property
    def output_tokens(self) -> int | None: ...  # noqa: D102
    @property
    def usage_source(self) -> UsageSource: ...  # noqa: D102
    @property
    def usage_conflict(self) -> Mapping[str, int] | None: ...  # noqa: D102


class Facts(msgspec.Struct, kw_only=True, frozen=True):
    """An exchange that nobody measured: for quotes, reports of what would be, and tests.

    ``units``: what is counted besides tokens, by the book's kinds (``image``, ``query``, ``video_second`` ...).
    """

    service: str | None = None
    operation: str | None = None
    region: str | None = None
    requested_model: str | None = None
    response_model: str | None = None
    model: str | None = None
    scope: str | None = None
    service_tier: str | None = None
    latency_mode: str | None = None
    outcome: Outcome = "completed"
    http_status: int | None = None
    error_type: str | None = None
    finish_reason: str | None = None
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    output_tokens: int | None = None
    usage_source: UsageSource = "reported"
    usage_conflict: Mapping[str, int] | None = None
    units: Mapping[str, int] = {}
