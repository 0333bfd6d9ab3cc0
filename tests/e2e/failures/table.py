"""Everything that breaks: what is done, what an application sees of it by each SDK, and the one row that it leaves.

Data only. ``test_what_breaks.py`` makes each of them happen; ``docs/reference/failures.md`` is written from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SDKS = ("boto3", "anthropic", "openai")
WHOLE = "the whole answer"
GONE = "nothing more: it has gone"
BROKEN = {"boto3": "ProtocolError", "anthropic": "RemoteProtocolError", "openai": "APIConnectionError"}
BAD_GATEWAY = {
    "boto3": "InternalServerException (InternalServerException)",
    "anthropic": "InternalServerError (502)",
    "openai": "InternalServerError (502)",
}
TOO_LATE = BAD_GATEWAY | {"anthropic": "GatewayTimeoutError (504)", "openai": "InternalServerError (504)"}
ALL_WHOLE = dict.fromkeys(SDKS, WHOLE)
ALL_GONE = dict.fromkeys(SDKS, GONE)


@dataclass(frozen=True)
class Failure:
    """One way to fail. ``seen``: by SDK; an SDK that is not in it has no such thing.

    ``knobs``: what the scripted upstream is asked for. ``at``: where the call is sent, if not to that one. ``happens``: what is done while it
    is under way. ``speaks``: another protocol of the same SDK. ``error_types``: where they are not the same for all. ``outcome`` ``None``: no
    row, but one count of ``unmeasured`` with the reason ``error_type``.
    """

    name: str
    outcome: str | None
    side: str | None
    error_type: str | None
    status: int | None
    seen: dict[str, str]
    knobs: dict[str, Any] = field(default_factory=dict)
    at: str = "scripted"
    happens: str | None = None
    speaks: dict[str, str] = field(default_factory=dict)
    error_types: dict[str, str | None] = field(default_factory=dict)


SLOWLY: dict[str, Any] = {"output_tokens": 8, "gap": 0.15}
"""Long enough for something to happen within it, with no silence that would be a timeout."""

FAILURES = (
    Failure("nobody listens at the provider's port", "upstream_error", "upstream", "connect_error", 502, BAD_GATEWAY, at="refused"),
    Failure("the provider's name has no address", "upstream_error", "upstream", "name_error", 502, BAD_GATEWAY, at="no name"),
    Failure("the provider's certificate is not trusted", "upstream_error", "upstream", "tls_error", 502, BAD_GATEWAY, at="untrusted"),
    Failure(
        "the provider closes a kept connection as the next request comes",
        "upstream_error",
        "upstream",
        "upstream_reset",
        502,
        BAD_GATEWAY,
        at="stale",
    ),
    Failure(
        "the connection is reset before the answer",
        "upstream_error",
        "upstream",
        "upstream_reset",
        502,
        BAD_GATEWAY,
        {"fault": "reset_before_head"},
    ),
    Failure(
        "the connection is closed before the answer",
        "upstream_error",
        "upstream",
        "upstream_reset",
        502,
        BAD_GATEWAY,
        {"fault": "close_before_head"},
    ),
    Failure("no answer comes", "timeout", "upstream", "first_byte_timeout", 504, TOO_LATE, {"fault": "no_answer"}),
    Failure("the connection is reset within a stream", "stream_error", "upstream", "upstream_reset", 200, BROKEN, {"fault": "cut_reset"}),
    Failure("the connection is closed within a stream", "stream_error", "upstream", "upstream_reset", 200, BROKEN, {"fault": "cut_fin"}),
    Failure("a stream stops and says no more", "timeout", "upstream", "read_timeout", 200, BROKEN, {"fault": "hang"}),
    Failure(
        "a stream ends properly in the middle of a frame",
        "stream_error",
        "upstream",
        "stream_truncated",
        200,
        ALL_WHOLE,
        {"fault": "cut_clean"},
    ),
    Failure(
        "a stream ends properly without its last events",
        "stream_error",
        "upstream",
        "stream_truncated",
        200,
        ALL_WHOLE,
        {"fault": "early_end"},
    ),
    Failure(
        "a frame has a wrong checksum, at which the SDK leaves",
        "stream_error",
        "upstream",
        "message_crc",
        200,
        {"boto3": "ChecksumMismatch", "anthropic": "ChecksumMismatch"},
        SLOWLY | {"fault": "bad_crc", "fault_after": 1},
    ),
    Failure(
        "an exception frame within a stream",
        "stream_error",
        "upstream",
        "ModelStreamErrorException",
        200,
        {"boto3": "EventStreamError (modelStreamErrorException)", "anthropic": "APIStatusError (200)"},
        {"fault": "exception"},
    ),
    Failure(
        "an error frame within a stream",
        "stream_error",
        "upstream",
        "InternalFailure",
        200,
        {"boto3": "EventStreamError (InternalFailure)", "anthropic": "APIStatusError (200)"},
        {"fault": "error_frame"},
    ),
    Failure(
        "an error among server-sent events",
        "stream_error",
        "upstream",
        None,
        200,
        {"anthropic": "APIStatusError (200)", "openai": "APIError"},
        {"fault": "exception"},
        speaks={"anthropic": "anthropic Messages"},
        error_types={"anthropic": "overloaded_error", "openai": "internal_error"},
    ),
    Failure(
        "a container's line with finish_reason error",
        "stream_error",
        "upstream",
        "finish_reason_error",
        200,
        {"boto3": WHOLE},
        {"fault": "error_line", "container": "lmi"},
        speaks={"boto3": "boto3 SageMaker"},
    ),
    Failure(
        "429, the caller's quota",
        "throttled",
        "upstream",
        "ThrottlingException",
        429,
        {
            "boto3": "ThrottlingException (ThrottlingException)",
            "anthropic": "RateLimitError (429)",
            "openai": "RateLimitError (429)",
        },
        {"status": 429, "error_code": "ThrottlingException"},
    ),
    Failure(
        "500",
        "upstream_error",
        "upstream",
        "InternalServerException",
        500,
        {
            "boto3": "InternalServerException (InternalServerException)",
            "anthropic": "InternalServerError (500)",
            "openai": "InternalServerError (500)",
        },
        {"status": 500, "error_code": "InternalServerException"},
    ),
    Failure(
        "503",
        "upstream_error",
        "upstream",
        "ServiceUnavailableException",
        503,
        {
            "boto3": "ServiceUnavailableException (ServiceUnavailableException)",
            "anthropic": "ServiceUnavailableError (503)",
            "openai": "InternalServerError (503)",
        },
        {"status": 503, "error_code": "ServiceUnavailableException"},
    ),
    Failure(
        "400, the caller's mistake",
        "client_error",
        "downstream",
        "ValidationException",
        400,
        {
            "boto3": "ValidationException (ValidationException)",
            "anthropic": "BadRequestError (400)",
            "openai": "BadRequestError (400)",
        },
        {"status": 400, "error_code": "ValidationException"},
    ),
    Failure(
        "the application's SDK gives up before the answer",
        "client_cancelled",
        "downstream",
        None,
        None,
        {"boto3": "ReadTimeoutError", "anthropic": "APITimeoutError", "openai": "APITimeoutError"},
        {"head_after": 0.45, "ttft": 0.45},
        happens="gives up",
    ),
    Failure(
        "the application leaves within the stream",
        "client_cancelled",
        "downstream",
        None,
        200,
        ALL_GONE,
        SLOWLY,
        happens="leaves within",
    ),
    Failure(
        "the application leaves behind the last output, before the stream's end",
        "client_cancelled",
        "downstream",
        None,
        200,
        ALL_GONE,
        {"output_tokens": 1, "end_after": 0.4},
        happens="leaves within",
    ),
    Failure(
        "the application reads slowly",
        "completed",
        None,
        None,
        200,
        ALL_WHOLE,
        {"output_tokens": 1_500, "gap": 0.0},
        happens="reads slowly",
    ),
    Failure("the application sends slowly", "completed", None, None, 200, {"any": WHOLE}, happens="sends slowly"),
    Failure("the recorder is killed", "completed", None, None, 200, ALL_WHOLE, SLOWLY, happens="recorder killed"),
    Failure("the worker is killed", "lost", "proxy", "worker_killed", None, BROKEN, SLOWLY, happens="worker killed"),
    Failure("the ledger is locked by another program", "completed", None, None, 200, ALL_WHOLE, SLOWLY, happens="ledger locked"),
    Failure("the spool's disk is full for a while", "completed", None, None, 200, ALL_WHOLE, at="small disk"),
    Failure("the spool is full", None, None, "spool_full", None, ALL_WHOLE, at="full"),
)
