"""How an exchange ended and whose doing it was: the table."""

from __future__ import annotations

import pytest

from streamgauge.measure.outcome import CLIENT_CANCELLED, Verdict, of_break, of_response

RESPONSES: list[tuple[int, str | None, bool, Verdict]] = [
    # status, fault, streaming, verdict
    (200, None, True, ("completed", None, None)),
    (200, None, False, ("completed", None, None)),
    (204, None, False, ("completed", None, None)),
    (304, None, False, ("completed", None, None)),
    (200, "ModelStreamErrorException", True, ("stream_error", "upstream", "ModelStreamErrorException")),
    (200, "stream_truncated", True, ("stream_error", "upstream", "stream_truncated")),
    (200, "ThrottlingException", True, ("stream_error", "upstream", "ThrottlingException")),
    (200, "overloaded_error", False, ("upstream_error", "upstream", "overloaded_error")),
    (400, "ValidationException", False, ("client_error", "downstream", "ValidationException")),
    (400, None, False, ("client_error", "downstream", "400")),
    (400, "ThrottlingException", False, ("throttled", "upstream", "ThrottlingException")),
    (400, "ServiceQuotaExceededException", False, ("throttled", "upstream", "ServiceQuotaExceededException")),
    (403, "AccessDeniedException", False, ("client_error", "downstream", "AccessDeniedException")),
    (404, "ResourceNotFoundException", False, ("client_error", "downstream", "ResourceNotFoundException")),
    (408, "ModelTimeoutException", False, ("timeout", "upstream", "ModelTimeoutException")),
    (408, None, False, ("timeout", "upstream", "408")),
    (424, "ModelErrorException", False, ("upstream_error", "upstream", "ModelErrorException")),
    (429, None, False, ("throttled", "upstream", "429")),
    (429, "rate_limit_error", True, ("throttled", "upstream", "rate_limit_error")),
    (429, "ModelNotReadyException", False, ("throttled", "upstream", "ModelNotReadyException")),
    (500, "InternalServerException", False, ("upstream_error", "upstream", "InternalServerException")),
    (500, "ModelTimeoutException", False, ("timeout", "upstream", "ModelTimeoutException")),
    (503, "ThrottlingException", False, ("throttled", "upstream", "ThrottlingException")),
    (503, None, True, ("upstream_error", "upstream", "503")),
    (529, "overloaded_error", False, ("upstream_error", "upstream", "overloaded_error")),
]


@pytest.mark.parametrize(("status", "fault", "streaming", "verdict"), RESPONSES)
def test_a_whole_response_is_judged_by_status_and_fault(status: int, fault: str | None, streaming: bool, verdict: Verdict) -> None:
    assert of_response(status, fault, streaming=streaming, resigned=False) == verdict


def test_a_refused_identity_is_our_doing_where_we_signed() -> None:
    refused = of_response(403, "AccessDeniedException", streaming=False, resigned=True)
    assert refused == ("client_error", "proxy", "AccessDeniedException")
    assert of_response(400, "ValidationException", streaming=False, resigned=True)[1] == "downstream"
    assert of_response(503, None, streaming=False, resigned=True)[1] == "upstream"


@pytest.mark.parametrize(
    ("error_type", "streaming", "verdict"),
    [
        ("upstream_reset", False, ("upstream_error", "upstream", "upstream_reset")),
        ("upstream_reset", True, ("stream_error", "upstream", "upstream_reset")),
        ("connect_error", False, ("upstream_error", "upstream", "connect_error")),
        ("first_byte_timeout", False, ("timeout", "upstream", "first_byte_timeout")),
        ("read_timeout", True, ("timeout", "upstream", "read_timeout")),
    ],
)
def test_a_break_is_the_upstreams_and_a_silence_is_a_timeout(error_type: str, streaming: bool, verdict: Verdict) -> None:
    assert of_break(error_type, streaming=streaming) == verdict


def test_an_application_that_goes_away_is_no_error_of_anybody() -> None:
    assert CLIENT_CANCELLED == ("client_cancelled", "downstream", None)
